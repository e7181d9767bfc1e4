//! Rates from all samples of a partition in a row.

use crate::model::{Cell, TimestampMs};

use super::{
    super::{growth::Growth, sample::Sample},
    growth::{Point, growth_since},
};

/// Steps of so many times between readings are told apart from growth that
/// every reading sees.
const COARSE: f64 = 1.5;

/// Arrival rate in records/s: [`Growth`] of the log end offset since `edge`.
/// `samples` may begin before it.
///
/// `None` when the current epoch holds fewer than two readings.
pub(super) fn arrival(samples: &[Sample], edge: TimestampMs) -> Option<f64> {
    let since_recreated = samples_since_recreated(samples);
    let growth = growth_since(edge, &points(since_recreated, |sample| sample.log_end))?;
    Some(growth.per_s)
}

/// Consumption rate in records/s: [`Growth`] of the committed offset since
/// `edge`. `samples` may begin before it.
///
/// `None` when the current epoch holds fewer than two readings.
pub(super) fn consumption(samples: &[Sample], edge: TimestampMs) -> Option<f64> {
    Some(commit_growth(samples, edge)?.per_s)
}

/// How many of `lag` records are read already and not committed yet, as far as
/// the readings tell: what is read at the rate in the time since the newest
/// commit, one step at most. All of them if the commit can be so old. Where
/// steps are so long that some readings see none, the commit is taken to have
/// come in the middle between two readings.
pub(super) fn uncommitted(samples: &[Sample], edge: TimestampMs, lag: u64) -> Option<f64> {
    let growth = commit_growth(samples, edge)?;
    let (silence_s, between_s) = (growth.silence_s, growth.between_readings_s);
    let read_in = |seconds: f64| growth.per_s * seconds.min(growth.step_s);
    if lag as f64 <= read_in(silence_s + between_s) {
        return Some(lag as f64);
    }
    let is_coarse = growth.step_s > COARSE * between_s;
    let unseen_s = if is_coarse { between_s / 2.0 } else { 0.0 };
    Some(read_in(silence_s + unseen_s))
}

fn commit_growth(samples: &[Sample], edge: TimestampMs) -> Option<Growth> {
    // A log that began anew makes the old commits another counter.
    let since_recreated = samples_since_recreated(samples);
    let since_reset = samples_since_fall(since_recreated, |sample| sample.committed);
    growth_since(edge, &points(since_reset, |sample| sample.committed))
}

/// The counter's readings.
fn points(samples: &[Sample], counter: impl Fn(&Sample) -> Cell) -> Vec<Point> {
    let point = |sample: &Sample| Some((sample.at, counter(sample).value()?));
    samples.iter().filter_map(point).collect()
}

/// The samples since the topic was last made anew: it has another id, or the
/// log begins or ends further back than it did.
pub(super) fn samples_since_recreated(samples: &[Sample]) -> &[Sample] {
    let newest = samples
        .iter()
        .rev()
        .find_map(|sample| sample.topic_id.value());
    let is_other = |sample: &Sample| sample.topic_id.value().is_some_and(|id| Some(id) != newest);
    let first = samples
        .iter()
        .rposition(is_other)
        .map_or(0, |last| last + 1);
    let since = samples_since_fall(&samples[first..], |sample| sample.log_end);
    samples_since_fall(since, |sample| sample.log_start)
}

/// The samples since the counter last went back: a new epoch, across which no
/// difference means anything.
fn samples_since_fall(samples: &[Sample], counter: impl Fn(&Sample) -> Cell) -> &[Sample] {
    let mut newer: Option<i64> = None;
    for (index, sample) in samples.iter().enumerate().rev() {
        let cell = counter(sample);
        // Deleted, or its commits: what came before was another counter.
        if cell == Cell::GONE || cell == Cell::NO_COMMIT {
            return &samples[index + 1..];
        }
        let Some(value) = cell.value() else { continue };
        if newer.is_some_and(|newer| value > newer) {
            return &samples[index + 1..];
        }
        newer = Some(value);
    }
    samples
}
