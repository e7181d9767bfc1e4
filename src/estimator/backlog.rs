//! Azul Scaler's `backlog`: a lag weighed by how fast it shrinks.

use std::time::Duration;

use crate::model::{Cell, TimestampMs, TopicName};

use super::{sample::Sample, window::Window};

/// Above this a backlog is reported as [`OUT_OF_SCALE`].
const SCALE: f64 = 1_000_000.0;
const OUT_OF_SCALE: f64 = 9_999_999.0;
/// The slowest rate that divides, in records/min.
const SLOWEST_RATE: f64 = 0.0001;

/// What `backlog` is made of, summed over the partitions that have two or more
/// samples in the window. The others count nothing, not even their lag.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BacklogTerms {
    /// Growth of the logs, in records.
    pub added: i64,
    /// Growth of the commits, in records.
    pub processed: i64,
    /// Lag at the last sample, in records.
    pub lag: i64,
    /// Sum of the times between first and last sample, in minutes.
    pub minutes: f64,
    /// How many partitions were counted.
    pub partitions: u32,
    /// How many have a commit, but not yet two samples in the window.
    pub too_young: u32,
    /// Time of the oldest last sample.
    pub as_of: Option<TimestampMs>,
}

/// Azul Scaler's metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog(pub i64);

impl BacklogTerms {
    /// The metric of these terms, as Azul Scaler computes it.
    pub fn backlog(&self) -> Backlog {
        let lag = self.lag as f64;
        if self.processed == 0 {
            return Backlog(self.lag);
        }
        let weighed = lag / self.weight(lag);
        let bounded = if weighed > SCALE {
            OUT_OF_SCALE
        } else {
            weighed
        };
        Backlog(bounded.round_ties_even() as i64)
    }

    /// What the lag is divided by: the net rate in records/min, or, when that
    /// is below 1, something just below 1 that shrinks with it.
    fn weight(&self, lag: f64) -> f64 {
        let mean_minutes = if self.partitions == 0 {
            1.0
        } else {
            self.minutes / f64::from(self.partitions)
        };
        let rate = self.processed.saturating_sub(self.added) as f64 / mean_minutes;
        if rate >= 1.0 {
            return rate;
        }
        if lag <= 2.0 {
            return 1.0;
        }
        let slowed = 1.0 - (1.0 - rate).sqrt().min(100.0) / 100.0;
        if slowed < SLOWEST_RATE { 1.0 } else { slowed }
    }

    fn add(&mut self, samples: &[Sample], edge: TimestampMs) {
        let mut read = samples
            .iter()
            .filter(|sample| sample.at >= edge)
            .filter_map(|sample| {
                let (committed, log_end) = (sample.committed.value()?, sample.log_end.value()?);
                Some((sample.at, committed, log_end))
            });
        let Some(first) = read.next() else { return };
        let Some(last) = read.next_back() else {
            self.too_young += 1;
            return;
        };
        self.added = self.added.saturating_add(last.2.saturating_sub(first.2));
        self.processed = self
            .processed
            .saturating_add(last.1.saturating_sub(first.1));
        self.lag = self
            .lag
            .saturating_add(last.2.saturating_sub(last.1).max(0));
        self.minutes += last.0.seconds_since(first.0) / 60.0;
        self.partitions += 1;
        self.as_of = Some(self.as_of.map_or(last.0, |as_of| as_of.min(last.0)));
    }
}

impl Window {
    /// Adds the terms of `group`, over the `span` before `now`; `topic`: only
    /// of this one.
    pub fn add_backlog(
        &self,
        group: &str,
        topic: Option<&TopicName>,
        span: Duration,
        now: TimestampMs,
        terms: &mut BacklogTerms,
    ) {
        let Some(series) = self.index().groups().get(group) else {
            return;
        };
        let edge = now.minus(span);
        let wanted = |name: &TopicName| topic.is_none_or(|topic| topic == name);
        for (topic, commits) in series.topics.iter().filter(|(name, _)| wanted(name)) {
            self.each_partition(topic, commits, |_, samples| {
                if !is_gone(samples) {
                    terms.add(samples, edge);
                }
            });
        }
    }
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

#[cfg(test)]
mod tests {
    use super::{super::sample::testing::*, *};

    fn terms(processed: i64, added: i64, lag: i64, minutes: f64) -> BacklogTerms {
        BacklogTerms {
            added,
            processed,
            lag,
            minutes,
            partitions: 1,
            ..BacklogTerms::default()
        }
    }

    #[test]
    fn the_four_rows_of_azul_scaler() {
        for (processed, added, lag, minutes, expected) in [
            (0, 50, 120, 5.0, 120),
            (600, 100, 1000, 5.0, 10),
            (100, 1100, 5000, 10.0, 5559),
            (3, 3, 2, 1.0, 2),
        ] {
            let found = terms(processed, added, lag, minutes).backlog();
            assert_eq!(found, Backlog(expected));
        }
    }

    #[test]
    fn a_backlog_out_of_scale_says_so() {
        assert_eq!(
            terms(1, 1_000_000, 950_000, 1.0).backlog(),
            Backlog(950_000)
        );
        assert_eq!(
            terms(1, 9_000, 1_500_000, 1.0).backlog(),
            Backlog(9_999_999)
        );
        // Without progress Azul tells the lag itself, however large.
        assert_eq!(
            terms(0, 9_000, 2_000_000, 1.0).backlog(),
            Backlog(2_000_000)
        );
    }

    #[test]
    fn a_partition_with_one_sample_counts_nothing() {
        let mut terms = BacklogTerms::default();
        terms.add(&samples(&[(0, 0, 50), (60, 10, 100)]), at(30));
        assert_eq!((terms.partitions, terms.too_young, terms.lag), (0, 1, 0));
        terms.add(&samples(&[(0, 0, 50), (60, 10, 100)]), at(0));
        assert_eq!((terms.partitions, terms.lag), (1, 90));
        assert_eq!((terms.added, terms.processed), (50, 10));
        assert_eq!(terms.minutes, 1.0);
    }
}
