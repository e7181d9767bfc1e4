//! The slow reference: each partition's samples in a row, walked once for each
//! question in the plainest way. What is told must equal it.

mod growth;
mod rate;
mod task;
mod time_lag;

use std::time::Duration;

use crate::model::{Cell, Partition, TimestampMs, TopicName, lag_records};

use super::{
    backlog::BacklogTerms,
    partition::{PartitionEstimate, PartitionStanding, Wanted, of_reading},
    reading::Reading,
    sample::{Parameters, Sample},
    window::Window,
};
pub(super) use task::task;
use time_lag::time_lag;

pub(super) fn standings(
    window: &Window,
    group: &str,
    topic: &TopicName,
    wanted: Wanted,
    parameters: &Parameters,
    now: TimestampMs,
) -> Vec<(Partition, PartitionStanding)> {
    let mut standings = Vec::new();
    let series = window.index().groups().get(group);
    if let Some(commits) = series.and_then(|series| series.topics.get(topic)) {
        window.each_partition(0, topic, commits, |partition, samples| {
            match standing(samples, parameters, now, wanted) {
                PartitionStanding::Gone => {}
                PartitionStanding::Known(estimate) => {
                    let of_task = series.filter(|series| series.is_task());
                    let known = match of_task {
                        Some(series) => task::put_right(estimate, window, series, wanted),
                        None => estimate,
                    };
                    standings.push((partition, PartitionStanding::Known(known)));
                }
                standing => standings.push((partition, standing)),
            }
        });
    }
    standings
}

pub(super) fn backlog(
    window: &Window,
    group: &str,
    topic: Option<&TopicName>,
    span: Duration,
    now: TimestampMs,
) -> BacklogTerms {
    let mut terms = BacklogTerms::default();
    let series = window.index().groups().get(group);
    for (name, commits) in series.iter().flat_map(|series| &series.topics) {
        if topic.is_none_or(|topic| topic == name) {
            window.each_partition(0, name, commits, |_, samples| {
                if !is_gone(samples) {
                    add_terms(&mut terms, samples, now.minus(span));
                }
            });
        }
    }
    terms
}

fn standing(
    samples: &[Sample],
    parameters: &Parameters,
    now: TimestampMs,
    wanted: Wanted,
) -> PartitionStanding {
    match newest_reading(samples) {
        Newest::Gone => PartitionStanding::Gone,
        Newest::None => PartitionStanding::Unknown { since: None },
        Newest::Reading(reading) if now.since(reading.at) > parameters.max_staleness => {
            PartitionStanding::Unknown {
                since: Some(reading.at),
            }
        }
        Newest::Reading(reading) => {
            let known = of_reading(&reading, parameters, now);
            PartitionStanding::Known(if wanted == Wanted::OFFSETS {
                known
            } else {
                looking_back(known, &reading, samples, parameters, now, wanted)
            })
        }
    }
}

enum Newest {
    Reading(Reading),
    Gone,
    None,
}

/// The newest sample in which commit and log end were both read. The log start
/// moves slowly and is read apart: the newest one up to then serves.
fn newest_reading(samples: &[Sample]) -> Newest {
    for (index, sample) in samples.iter().enumerate().rev() {
        if sample.committed == Cell::GONE || sample.log_end == Cell::GONE {
            return Newest::Gone;
        }
        let committed = sample.committed.value();
        let Some(log_end) = sample.log_end.value() else {
            continue;
        };
        if committed.is_none() && sample.committed != Cell::NO_COMMIT {
            continue;
        }
        let Some(log_start) = newest_log_start(&samples[..=index]) else {
            continue;
        };
        return Newest::Reading(Reading {
            at: sample.at,
            committed,
            // Within one epoch it never exceeds the end.
            log_start: log_start.min(log_end),
            log_end,
        });
    }
    Newest::None
}

fn newest_log_start(samples: &[Sample]) -> Option<i64> {
    samples
        .iter()
        .rev()
        .take_while(|sample| sample.log_start != Cell::GONE)
        .find_map(|sample| sample.log_start.value())
}

fn looking_back(
    known: PartitionEstimate,
    reading: &Reading,
    samples: &[Sample],
    parameters: &Parameters,
    now: TimestampMs,
    wanted: Wanted,
) -> PartitionEstimate {
    let window = within(samples, parameters.window, now);
    let edge = now.minus(parameters.window);
    let reach = within(samples, parameters.reach(), now);
    let position = |committed: i64| committed.max(reading.log_start);
    let committed = |wanted: bool| reading.committed.filter(|_| wanted);
    PartitionEstimate {
        arrival_rate: wanted.rates.then(|| rate::arrival(reach, edge)).flatten(),
        consumption_rate: committed(wanted.rates).and_then(|_| rate::consumption(reach, edge)),
        uncommitted_records: committed(wanted.rates)
            .and(known.lag)
            .and_then(|lag| rate::uncommitted(reach, edge, lag)),
        time_lag: committed(wanted.time_lag)
            .and_then(|committed| time_lag(samples, position(committed), reading.at)),
        mean_lag: committed(wanted.mean_lag).and_then(|_| mean_lag(window)),
        unmoved_for: committed(wanted.unmoved)
            .map(|committed| unmoved_for(samples, committed, reading.at)),
        ..known
    }
}

/// From the oldest sample of the newest stretch in which nothing else was
/// committed than `committed`, to `at`.
fn unmoved_for(samples: &[Sample], committed: i64, at: TimestampMs) -> Duration {
    let read = samples.iter().rev().filter(|sample| sample.at <= at);
    let since = read
        .take_while(|sample| {
            sample
                .committed
                .value()
                .is_none_or(|value| value == committed)
        })
        .filter(|sample| sample.committed.value().is_some())
        .last();
    at.since(since.map_or(at, |sample| sample.at))
}

/// The samples that a window of `span` before `now` holds.
fn within(samples: &[Sample], span: Duration, now: TimestampMs) -> &[Sample] {
    let edge = now.minus(span);
    let first = samples.partition_point(|sample| sample.at < edge);
    let first = if samples.len() - first < 2 {
        first.saturating_sub(1)
    } else {
        first
    };
    &samples[first..]
}

fn mean_lag(samples: &[Sample]) -> Option<f64> {
    let mut readings = lag_readings(samples);
    let (first_at, first_lag) = readings.next()?;
    let (mut at, mut lag) = (first_at, first_lag);
    let mut record_seconds = 0.0;
    for (next_at, next_lag) in readings {
        record_seconds += (lag + next_lag) / 2.0 * next_at.seconds_since(at);
        (at, lag) = (next_at, next_lag);
    }
    let elapsed_s = at.seconds_since(first_at);
    Some(if elapsed_s > 0.0 {
        record_seconds / elapsed_s
    } else {
        lag
    })
}

/// The lags of all samples in which commit and log end were read.
fn lag_readings(samples: &[Sample]) -> impl Iterator<Item = (TimestampMs, f64)> {
    let mut newest_start = None;
    samples.iter().filter_map(move |sample| {
        if sample.log_start == Cell::GONE {
            newest_start = None;
        }
        newest_start = sample.log_start.value().or(newest_start);
        let (committed, log_end) = (sample.committed.value()?, sample.log_end.value()?);
        let log_start = newest_start?.min(log_end);
        let lag = lag_records(committed, log_start, log_end) as f64;
        Some((sample.at, lag))
    })
}

fn add_terms(terms: &mut BacklogTerms, samples: &[Sample], edge: TimestampMs) {
    let mut read = samples
        .iter()
        .filter(|sample| sample.at >= edge)
        .filter_map(|sample| {
            let (committed, log_end) = (sample.committed.value()?, sample.log_end.value()?);
            Some((sample.at, committed, log_end))
        });
    let Some(first) = read.next() else { return };
    let Some(last) = read.next_back() else {
        terms.too_young += 1;
        return;
    };
    terms.added = terms.added.saturating_add(last.2.saturating_sub(first.2));
    terms.processed = terms
        .processed
        .saturating_add(last.1.saturating_sub(first.1));
    terms.lag = terms
        .lag
        .saturating_add(last.2.saturating_sub(last.1).max(0));
    terms.minutes += last.0.seconds_since(first.0) / 60.0;
    terms.partitions += 1;
    terms.as_of = Some(terms.as_of.map_or(last.0, |as_of| as_of.min(last.0)));
}

fn is_gone(samples: &[Sample]) -> bool {
    let newest = |cell: fn(&Sample) -> Cell| {
        samples
            .iter()
            .rev()
            .map(cell)
            .find(|cell| *cell != Cell::ABSENT)
    };
    newest(|sample| sample.committed) == Some(Cell::GONE)
        || newest(|sample| sample.log_end) == Some(Cell::GONE)
}
