//! Answers as KEDA's messages, and until when they may wait.

use std::{ops::Range, time::Duration};

use tokio::time::Instant;
use tonic::{
    Response,
    metadata::{AsciiMetadataValue, MetadataMap},
};

use crate::{
    estimator::{Freshness, Parameters},
    model::TimestampMs,
    proto::{GetMetricSpecResponse, MetricSpec, MetricValue},
};

use super::{
    judged::{Age, Judged, Missing},
    trigger,
    watch::{Asked, Watch},
};

/// KEDA's metrics adapter gives up after 3 s: an answer that must wait for a
/// first reading waits no longer than this.
const LONGEST_WAIT: Duration = Duration::from_millis(2_500);
/// Left of a caller's deadline for the answer's way back.
const WAY_BACK: Duration = Duration::from_millis(50);

/// Response headers that make the age of an answer visible; the second one is
/// there only where it is stale, since each costs every call.
const AS_OF_HEADER: &str = "tidegauge-as-of";
const FRESHNESS_HEADER: &str = "tidegauge-freshness";
/// Beside them, only where the name of Azul's plugin is stale.
const NAME_HEADER: &str = "tidegauge-plugin-name";

#[expect(deprecated, reason = "older clients know only the integer fields")]
pub(super) fn specs(specs: &[trigger::MetricSpec]) -> GetMetricSpecResponse {
    let spec = |spec: &trigger::MetricSpec| MetricSpec {
        metric_name: spec.name.clone(),
        // Never 0, which would divide by it.
        target_size: (spec.target.round() as i64).max(1),
        target_size_float: spec.target,
    };
    GetMetricSpecResponse {
        metric_specs: specs.iter().map(spec).collect(),
    }
}

#[expect(deprecated, reason = "older clients know only the integer fields")]
fn metric_value(name: &str, value: f64) -> MetricValue {
    MetricValue {
        metric_name: name.to_owned(),
        metric_value: value.ceil() as i64,
        metric_value_float: value,
    }
}

/// The values of the metrics at `places`, and how old the oldest is.
pub(super) fn metric_values(
    asked: &Asked,
    judged: &Judged,
    places: Range<usize>,
    parameters: &Parameters,
    now: TimestampMs,
) -> Result<(Vec<MetricValue>, Age), Missing> {
    let mut values = Vec::with_capacity(places.len());
    let mut oldest: Option<Age> = None;
    for place in places {
        let answer = judged.metric(place, parameters, now)?;
        values.push(metric_value(
            &asked.trigger.metrics[place].name,
            answer.told,
        ));
        oldest = Some(match oldest {
            Some(oldest) => oldest.older(answer.age),
            None => answer.age,
        });
    }
    // A trigger has a metric.
    Ok((values, oldest.ok_or(Missing::Expired)?))
}

/// `message` with its age in the headers.
pub(super) fn with_age<M>(message: M, age: Age) -> Response<M> {
    let mut response = Response::new(message);
    let headers = response.metadata_mut();
    headers.insert(AS_OF_HEADER, age.as_of);
    if age.freshness == Freshness::Stale {
        let stale = AsciiMetadataValue::from_static("stale");
        headers.insert(FRESHNESS_HEADER, stale);
    }
    response
}

/// `response`, which says so if the groups are those of a plugin whose name can't be
/// read at present.
pub(super) fn flagged<M>(mut response: Response<M>, watch: &Watch) -> Response<M> {
    if watch.has_stale_name() {
        let stale = AsciiMetadataValue::from_static("stale");
        response.metadata_mut().insert(NAME_HEADER, stale);
    }
    response
}

/// The longest that anybody waits.
pub(super) fn longest_wait() -> Instant {
    Instant::now() + LONGEST_WAIT
}

/// Until when an answer may wait: the caller's `grpc-timeout`, if it sent one,
/// and never longer than [`LONGEST_WAIT`].
pub(super) fn deadline(metadata: &MetadataMap) -> Instant {
    let asked = metadata
        .get("grpc-timeout")
        .and_then(|value| value.to_str().ok())
        .and_then(parse_timeout)
        .map_or(LONGEST_WAIT, |asked| asked.saturating_sub(WAY_BACK));
    Instant::now() + asked.min(LONGEST_WAIT)
}

/// gRPC's `TimeoutValue TimeoutUnit`: at most eight digits and a letter.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = (digits.len() <= 8).then(|| digits.parse().ok())??;
    match unit {
        "H" => Some(Duration::from_secs(value * 3_600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_are_read_in_each_unit() {
        for (text, expected) in [
            ("3S", Some(Duration::from_secs(3))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            ("1u", Some(Duration::from_micros(1))),
            ("", None),
            ("S", None),
            ("3", None),
            ("123456789S", None),
            ("-1S", None),
            ("3é", None),
        ] {
            assert_eq!(parse_timeout(text), expected, "{text}");
        }
    }

    #[test]
    fn the_age_is_told_and_what_is_stale_is_marked() {
        for (freshness, mark) in [(Freshness::Fresh, None), (Freshness::Stale, Some("stale"))] {
            let as_of = AsciiMetadataValue::from_static("2026-01-01T00:00:00.000Z");
            let response = with_age((), Age { as_of, freshness });
            let header = |name| response.metadata().get(name).map(|value| value.to_str());
            let text = header(AS_OF_HEADER).map(|text| text.expect("text"));
            assert_eq!(text, Some("2026-01-01T00:00:00.000Z"));
            let told = header(FRESHNESS_HEADER).map(|text| text.expect("text"));
            assert_eq!(told, mark);
        }
    }

    #[test]
    fn old_clients_are_told_whole_numbers_that_are_never_too_low() {
        let spec = |target| trigger::MetricSpec {
            name: "m".to_owned(),
            target,
        };
        let specs = specs(&[spec(0.2), spec(2.5)]);
        #[expect(deprecated, reason = "what old clients read")]
        let targets: Vec<_> = specs
            .metric_specs
            .iter()
            .map(|spec| spec.target_size)
            .collect();
        assert_eq!(targets, [1, 3]);
        #[expect(deprecated, reason = "what old clients read")]
        let value = metric_value("m", 0.1).metric_value;
        assert_eq!(value, 1);
    }
}
