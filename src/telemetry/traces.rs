//! Spans on their way to the collector.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::{Context, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter as Sender, WithTonicConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData,
        SpanExporter, SpanProcessor,
    },
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer as _, Registry, filter::Targets};

use crate::{config::OtlpConfig, logging::BoxedLayer};

use super::{collector::Collector, spans, stats::TelemetryStats};

/// Spans that wait to be sent; some hundred bytes each.
const MAX_WAITING: usize = 4_096;
/// Spans of one request.
const MAX_BATCH: usize = 512;
const SEND_EVERY: Duration = Duration::from_secs(1);

/// Makes spans of `tracing`'s, and sends them from a thread of its own.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

/// Lets no more spans wait than there is room for.
#[derive(Debug)]
struct Bounded {
    batches: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    stats: Arc<TelemetryStats>,
}

/// Counts what was sent.
#[derive(Debug)]
struct Counted {
    sender: Sender,
    waiting: Arc<AtomicUsize>,
    stats: Arc<TelemetryStats>,
}

impl Traces {
    pub(super) fn new(
        config: &OtlpConfig,
        collector: &Collector,
        resource: &Resource,
        stats: &Arc<TelemetryStats>,
    ) -> anyhow::Result<Self> {
        let sender = Sender::builder()
            .with_tonic()
            .with_channel(collector.channel.clone())
            .with_interceptor(collector.headers.clone())
            .build()?;
        let waiting = Arc::default();
        let counted = Counted {
            sender,
            waiting: Arc::clone(&waiting),
            stats: Arc::clone(stats),
        };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_WAITING)
            .with_max_export_batch_size(MAX_BATCH)
            .with_scheduled_delay(SEND_EVERY)
            .build();
        let batches = BatchSpanProcessor::builder(counted).with_batch_config(batches);
        let bounded = Bounded {
            batches: batches.build(),
            waiting,
            stats: Arc::clone(stats),
        };
        let kept = Sampler::TraceIdRatioBased(config.sampling_ratio);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(bounded)
            .with_sampler(Sampler::ParentBased(Box::new(kept)))
            .with_resource(resource.clone());
        Ok(Self(provider.build()))
    }

    pub(super) fn layer(&self) -> BoxedLayer {
        let ours = Targets::new().with_target(spans::TARGET, LevelFilter::TRACE);
        tracing_opentelemetry::layer::<Registry>()
            .with_tracer(self.0.tracer("tidegauge"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(ours)
            .boxed()
    }

    /// Sends what waits. Blocks, and no longer than that.
    pub(super) fn end(self, within: Duration) {
        // What could not be sent is counted and logged where it is sent.
        let _ = self.0.shutdown_with_timeout(within);
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let is_kept = span.span_context.is_sampled();
        let room = |waiting| (waiting < MAX_WAITING).then_some(waiting + 1);
        if !is_kept {
            return;
        }
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        match self.waiting.fetch_update(set, get, room) {
            Ok(_) => self.batches.on_end(span),
            Err(_) => self.stats.spans.drop(1),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        let outcome = self.sender.export(batch).await;
        let told = outcome.as_ref().map_err(ToString::to_string).copied();
        self.stats.spans.note("traces", count, told);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.sender.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.sender.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.sender.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, time::Instant};

    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::config::Config;

    /// More than wait and are on their way.
    const SPANS: usize = 3 * MAX_WAITING;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_nobody_takes_is_dropped_and_counted_and_holds_up_nobody() {
        let deaf = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = deaf.local_addr().expect("bound");
        let text = format!(
            "[otlp]\nendpoint = 'http://{address}'\nsampling_ratio = 1\n\
             [clusters.main]\nbootstrap_servers = ['b:9092']\n"
        );
        let config = Config::parse("test.toml", &text, []).expect("valid");
        let config = config.otlp.expect("configured");
        let collector = Collector::new(&config).expect("made");
        let stats = Arc::new(TelemetryStats::default());
        let resource = Resource::builder_empty().build();
        let traces = Traces::new(&config, &collector, &resource, &stats).expect("made");

        let started = Instant::now();
        let log = tracing_subscriber::registry().with(vec![traces.layer()]);
        with_default(log, || (0..SPANS).for_each(|_| drop(spans::poll("main"))));
        assert!(started.elapsed() < Duration::from_secs(10));
        let [(.., sent), (.., dropped), ..] = stats.items();
        assert_eq!(sent, 0);
        let least = SPANS - MAX_WAITING - 2 * MAX_BATCH;
        assert!(dropped >= least as u64, "{dropped}");
        let started = Instant::now();
        traces.end(Duration::from_millis(100));
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
