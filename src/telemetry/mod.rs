//! Traces and metrics for an OpenTelemetry collector, by OTLP over gRPC.
//!
//! It owns what is sent, when, and what becomes of it when nobody takes it. It
//! knows neither what the metrics mean nor who makes spans. Its key invariants:
//! without `[otlp]` there is none of it, and spans cost a look at an atomic; and
//! a collector that is slow or away holds up nobody and fills nothing: what does
//! not fit is dropped and counted.

mod collector;
mod families;
mod headers;
mod metrics;
pub(crate) mod spans;
mod stats;
mod traces;

use std::{sync::Arc, time::Duration};

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;
use tokio::{task::spawn_blocking, time::timeout};

use crate::{config::OtlpConfig, logging::Layers};

use collector::Collector;
use metrics::Metrics;
pub use stats::TelemetryStats;
use traces::Traces;

/// What is sent, from now on.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<Traces>,
    metrics: Option<Metrics>,
    stats: Arc<TelemetryStats>,
}

impl Telemetry {
    /// Without `config` nothing is sent. It connects when there is something to
    /// send, and must be made where tasks can be spawned.
    pub fn new(config: Option<&OtlpConfig>) -> anyhow::Result<Self> {
        let stats = Arc::new(TelemetryStats::default());
        let (mut traces, mut metrics) = (None, None);
        if let Some(config) = config {
            let (collector, resource) = (Collector::new(config)?, resource(config));
            if config.traces {
                traces = Some(Traces::new(config, &collector, &resource, &stats)?);
            }
            if config.metrics {
                metrics = Some(Metrics::new(config, &collector, &resource, &stats));
            }
        }
        Ok(Self {
            traces,
            metrics,
            stats,
        })
    }

    /// What takes spans from who makes them.
    pub fn layers(&self) -> Layers {
        self.traces.iter().map(Traces::layer).collect()
    }

    /// How sending goes.
    pub fn stats(&self) -> Arc<TelemetryStats> {
        Arc::clone(&self.stats)
    }

    /// Sends the newest metrics again and again, for as long as it is polled.
    pub async fn send(&self, newest: impl Fn() -> Vec<MetricFamily>) {
        match &self.metrics {
            Some(metrics) => metrics.send(newest).await,
            None => std::future::pending().await,
        }
    }

    /// Sends what is left, and no longer than that.
    pub async fn end(self, within: Duration, newest: impl Fn() -> Vec<MetricFamily>) {
        if let Some(metrics) = &self.metrics {
            // What is not sent within that time is dropped.
            let _ = timeout(within / 2, metrics.send_once(&newest)).await;
        }
        if let Some(traces) = self.traces {
            let _ = spawn_blocking(move || traces.end(within / 2)).await;
        }
    }
}

/// Who sends, by OpenTelemetry's semantic conventions.
fn resource(config: &OtlpConfig) -> Resource {
    let machine = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let own = [
        ("service.name", "tidegauge".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", machine),
    ];
    let own = own.map(|(name, value)| KeyValue::new(name, value));
    let configured = config.attributes.iter();
    let configured = configured.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty()
        .with_attributes(own.into_iter().chain(configured))
        .build()
}
