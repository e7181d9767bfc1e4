//! The spans that are made: calls of KEDA's, polls with their requests to
//! brokers, recording, sealing, HTTP requests.
//!
//! They have a target and a level of their own, at which nothing is logged, so
//! that each costs a look at an atomic where no traces are sent.

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, trace_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Where spans come from.
pub(super) const TARGET: &str = "tidegauge::spans";

/// A call of KEDA's, within its caller's trace.
pub(crate) fn call(method: &'static str, headers: &HeaderMap) -> Span {
    let span = trace_span!(
        target: TARGET,
        "call",
        otel.name = method,
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.service = "externalscaler.ExternalScaler",
        rpc.method = method,
        rpc.grpc.status_code = tracing::field::Empty,
    );
    within(span, headers)
}

/// A request over HTTP, by its route, within its caller's trace.
pub(crate) fn http(method: &str, route: &str, headers: &HeaderMap) -> Span {
    let span = trace_span!(
        target: TARGET,
        "http",
        otel.name = route,
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
    );
    within(span, headers)
}

/// One poll of a cluster.
pub(crate) fn poll(cluster: &str) -> Span {
    trace_span!(target: TARGET, "poll", cluster)
}

/// One request to brokers, by its kind's word.
pub(crate) fn request(kind: &'static str) -> Span {
    trace_span!(target: TARGET, "request", otel.name = kind, otel.kind = "client")
}

/// A tick that is made durable.
pub(crate) fn record(cluster: &str) -> Span {
    trace_span!(target: TARGET, "record", cluster)
}

/// What is due is sealed.
pub(crate) fn seal() -> Span {
    trace_span!(target: TARGET, "seal")
}

fn within(span: Span, headers: &HeaderMap) -> Span {
    if !span.is_disabled() && headers.contains_key("traceparent") {
        let caller = TraceContextPropagator::new().extract(&Headers(headers));
        // Only a log that makes spans, too, has no trace to set it in.
        let _ = span.set_parent(caller);
    }
    span
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|key| key.as_str()).collect()
    }
}
