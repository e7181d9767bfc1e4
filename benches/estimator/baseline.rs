//! The plain way, as it was first written: the samples of each partition in a
//! row, walked anew for each question.

use std::{sync::Arc, time::Duration};

use tidegauge::model::{Cell, Frame, TimestampMs, lag_records};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    at: TimestampMs,
    committed: Cell,
    log_start: Cell,
    log_end: Cell,
    topic_id: Cell,
}

/// The columns of one partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) committed: Option<u32>,
    pub(crate) log_start: Option<u32>,
    pub(crate) log_end: Option<u32>,
    pub(crate) topic_id: Option<u32>,
}

type Point = (TimestampMs, i64);

impl Place {
    pub(crate) fn gather(self, frames: &[Arc<Frame>], samples: &mut Vec<Sample>) {
        samples.clear();
        samples.extend(frames.iter().map(|frame| Sample {
            at: frame.at,
            committed: frame.optional_cell(self.committed),
            log_start: frame.optional_cell(self.log_start),
            log_end: frame.optional_cell(self.log_end),
            topic_id: frame.optional_cell(self.topic_id),
        }));
    }
}

/// The newest reading: when, committed offset, log end offset, and lag.
pub(crate) fn newest(samples: &[Sample]) -> Option<(TimestampMs, i64, i64, u64)> {
    samples
        .iter()
        .enumerate()
        .rev()
        .find_map(|(place, sample)| {
            let (committed, log_end) = (sample.committed.value()?, sample.log_end.value()?);
            let starts = samples[..=place].iter().rev();
            let log_start = starts
                .take_while(|sample| sample.log_start != Cell::GONE)
                .find_map(|sample| sample.log_start.value())?;
            let lag = lag_records(committed, log_start, log_end);
            Some((sample.at, committed.max(log_start), log_end, lag))
        })
}

pub(crate) fn within(samples: &[Sample], span: Duration, now: TimestampMs) -> &[Sample] {
    let edge = now.minus(span);
    &samples[samples.partition_point(|sample| sample.at < edge)..]
}

pub(crate) fn arrival(samples: &[Sample]) -> Option<f64> {
    let points = points(since_recreated(samples), |sample| sample.log_end);
    per_s(*points.first()?, *points.last()?)
}

pub(crate) fn consumption(samples: &[Sample]) -> Option<f64> {
    let since_reset = since_fall(since_recreated(samples), |sample| sample.committed);
    let points = points(since_reset, |sample| sample.committed);
    let changes: Vec<Point> = points
        .windows(2)
        .filter(|pair| pair[0].1 != pair[1].1)
        .map(|pair| pair[1])
        .collect();
    if changes.len() < 2 {
        return per_s(*points.first()?, *points.last()?);
    }
    per_s(changes[0], changes[changes.len() - 1])
}

fn per_s(first: Point, last: Point) -> Option<f64> {
    let elapsed_s = last.0.seconds_since(first.0);
    (elapsed_s > 0.0).then(|| last.1.saturating_sub(first.1) as f64 / elapsed_s)
}

fn points(samples: &[Sample], counter: impl Fn(&Sample) -> Cell) -> Vec<Point> {
    let point = |sample: &Sample| Some((sample.at, counter(sample).value()?));
    samples.iter().filter_map(point).collect()
}

fn since_recreated(samples: &[Sample]) -> &[Sample] {
    let newest = samples
        .iter()
        .rev()
        .find_map(|sample| sample.topic_id.value());
    let is_other = |sample: &Sample| sample.topic_id.value().is_some_and(|id| Some(id) != newest);
    let first = samples
        .iter()
        .rposition(is_other)
        .map_or(0, |last| last + 1);
    let since = since_fall(&samples[first..], |sample| sample.log_end);
    since_fall(since, |sample| sample.log_start)
}

fn since_fall(samples: &[Sample], counter: impl Fn(&Sample) -> Cell) -> &[Sample] {
    let mut newer: Option<i64> = None;
    for (place, sample) in samples.iter().enumerate().rev() {
        let Some(value) = counter(sample).value() else {
            continue;
        };
        if newer.is_some_and(|newer| value > newer) {
            return &samples[place + 1..];
        }
        newer = Some(value);
    }
    samples
}

pub(crate) fn time_lag_s(samples: &[Sample], next: i64, at: TimestampMs) -> Option<f64> {
    let mut written: Option<Point> = None;
    for sample in since_recreated(samples).iter().rev() {
        let Some(log_end) = sample.log_end.value() else {
            continue;
        };
        if log_end > next {
            written = Some((sample.at, log_end));
            continue;
        }
        let Some((later, later_end)) = written else {
            return Some(0.0);
        };
        let share = (next.abs_diff(log_end) as f64 + 0.5) / later_end.abs_diff(log_end) as f64;
        return Some(at.seconds_since(sample.at) - later.seconds_since(sample.at) * share);
    }
    written.map(|(earliest, _)| at.seconds_since(earliest))
}

pub(crate) fn mean_lag(samples: &[Sample]) -> Option<f64> {
    let mut newest_start = None;
    let mut readings = samples.iter().filter_map(move |sample| {
        newest_start = sample.log_start.value().or(newest_start);
        let (committed, log_end) = (sample.committed.value()?, sample.log_end.value()?);
        let lag = lag_records(committed, newest_start?, log_end) as f64;
        Some((sample.at, lag))
    });
    let (first_at, first_lag) = readings.next()?;
    let (mut at, mut lag, mut record_seconds) = (first_at, first_lag, 0.0);
    for (next_at, next_lag) in readings {
        record_seconds += (lag + next_lag) / 2.0 * next_at.seconds_since(at);
        (at, lag) = (next_at, next_lag);
    }
    Some(record_seconds / at.seconds_since(first_at))
}

pub(crate) fn unmoved_s(samples: &[Sample], at: TimestampMs) -> Option<f64> {
    let mut read = samples
        .iter()
        .rev()
        .filter_map(|sample| Some((sample.at, sample.committed.value()?)));
    let newest = read.next()?;
    let since = read
        .take_while(|(_, committed)| *committed == newest.1)
        .last();
    Some(at.seconds_since(since.unwrap_or(newest).0))
}

/// Growth of log and commits, in records.
pub(crate) fn backlog_terms(samples: &[Sample]) -> Option<(i64, i64)> {
    let mut read = samples
        .iter()
        .filter_map(|sample| Some((sample.committed.value()?, sample.log_end.value()?)));
    let first = read.next()?;
    let last = read.next_back()?;
    Some((last.0 - first.0, last.1 - first.1))
}
