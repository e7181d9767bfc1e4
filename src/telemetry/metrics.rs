//! The metrics of the process, sent at an interval. They are read when they are
//! sent, from where the page reads them: there is no second bookkeeping, and what
//! could not be sent need not be kept, since the next says it all.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{
        ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient,
    },
    common::v1::InstrumentationScope,
    metrics::v1::{ResourceMetrics, ScopeMetrics},
    resource,
};
use opentelemetry_sdk::Resource;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::OtlpConfig;

use super::{
    collector::Collector,
    families::{attribute, metric, points},
    stats::TelemetryStats,
};

#[derive(Debug)]
pub(super) struct Metrics {
    collector: Collector,
    resource: resource::v1::Resource,
    every: Duration,
    started_ns: u64,
    stats: Arc<TelemetryStats>,
}

impl Metrics {
    pub(super) fn new(
        config: &OtlpConfig,
        collector: &Collector,
        resource: &Resource,
        stats: &Arc<TelemetryStats>,
    ) -> Self {
        let attributes = resource.iter();
        let attributes = attributes.map(|(name, value)| attribute(name.as_str(), &value.as_str()));
        Self {
            collector: collector.clone(),
            resource: resource::v1::Resource {
                attributes: attributes.collect(),
                ..Default::default()
            },
            every: config.interval,
            started_ns: now_ns(),
            stats: Arc::clone(stats),
        }
    }

    pub(super) async fn send(&self, newest: impl Fn() -> Vec<MetricFamily>) {
        let mut due = interval(self.every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            self.send_once(&newest).await;
        }
    }

    pub(super) async fn send_once(&self, newest: &impl Fn() -> Vec<MetricFamily>) {
        let (started_ns, now_ns) = (self.started_ns, now_ns());
        let families = newest().into_iter();
        let metrics = families.filter_map(|family| metric(family, started_ns, now_ns));
        let metrics: Vec<_> = metrics.collect();
        let count = metrics.iter().map(points).sum();
        let request = self.request(metrics);
        let (channel, headers) = (
            self.collector.channel.clone(),
            self.collector.headers.clone(),
        );
        let mut client = MetricsServiceClient::with_interceptor(channel, headers);
        let outcome = client.export(request).await;
        let outcome = outcome.map(drop).map_err(|status| status.to_string());
        self.stats.metrics.note("metrics", count, outcome);
    }

    fn request(
        &self,
        metrics: Vec<opentelemetry_proto::tonic::metrics::v1::Metric>,
    ) -> ExportMetricsServiceRequest {
        let scope = InstrumentationScope {
            name: "tidegauge".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        };
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(scope),
                    metrics,
                    ..Default::default()
                }],
                ..Default::default()
            }],
        }
    }
}

/// A clock before 1970 counts as that.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or_default().as_nanos();
    u64::try_from(since).unwrap_or(u64::MAX)
}
