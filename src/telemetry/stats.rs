//! How sending goes, for the metrics page and the log.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tracing::{info, warn};

/// How sending goes.
#[derive(Debug, Default)]
pub struct TelemetryStats {
    pub(super) spans: Signal,
    pub(super) metrics: Signal,
}

/// One kind of what is sent: spans, or points of metrics.
#[derive(Debug, Default)]
pub(super) struct Signal {
    sent: AtomicU64,
    dropped: AtomicU64,
    is_failing: AtomicBool,
}

impl TelemetryStats {
    /// Spans and points of metrics, by signal and result: `sent` or `dropped`.
    pub fn items(&self) -> [(&'static str, &'static str, u64); 4] {
        let [spans, metrics] = [&self.spans, &self.metrics].map(|signal| {
            let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            (of(&signal.sent), of(&signal.dropped))
        });
        [
            ("traces", "sent", spans.0),
            ("traces", "dropped", spans.1),
            ("metrics", "sent", metrics.0),
            ("metrics", "dropped", metrics.1),
        ]
    }
}

impl Signal {
    /// Takes in how sending `count` of them went. What changes is logged.
    pub(super) fn note(&self, signal: &'static str, count: usize, outcome: Result<(), String>) {
        let was_failing = self.is_failing.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(()) => {
                self.sent.fetch_add(count as u64, Ordering::Relaxed);
                if was_failing {
                    info!(signal, "the collector takes telemetry again");
                }
            }
            Err(cause) => {
                self.drop(count);
                if !was_failing {
                    warn!(
                        signal,
                        cause, "the collector does not take telemetry; it is dropped"
                    );
                }
            }
        }
    }

    pub(super) fn drop(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }
}
