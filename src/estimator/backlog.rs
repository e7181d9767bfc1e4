//! Azul Scaler's `backlog`: a lag weighed by how fast it shrinks.

use std::time::Duration;

use crate::model::{Cell, Frame, TimestampMs, TopicName};

use super::{
    block::{BLOCK, Block},
    window::Window,
};

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

    fn add(&mut self, ends: &Ends) {
        let (Some(first), Some(last)) = (ends.first, ends.last) else {
            return;
        };
        if first.at == last.at {
            self.too_young += 1;
            return;
        }
        let added = last.log_end.saturating_sub(first.log_end);
        let processed = last.committed.saturating_sub(first.committed);
        let lag = last.log_end.saturating_sub(last.committed).max(0);
        self.added = self.added.saturating_add(added);
        self.processed = self.processed.saturating_add(processed);
        self.lag = self.lag.saturating_add(lag);
        self.minutes += last.at.seconds_since(first.at) / 60.0;
        self.partitions += 1;
        self.as_of = Some(self.as_of.map_or(last.at, |as_of| as_of.min(last.at)));
    }
}

/// A sample in which commit and log end were both read.
#[derive(Debug, Clone, Copy)]
struct Read {
    at: TimestampMs,
    committed: i64,
    log_end: i64,
}

impl Read {
    fn of(at: TimestampMs, committed: Cell, log_end: Cell) -> Option<Self> {
        Some(Self {
            at,
            committed: committed.value()?,
            log_end: log_end.value()?,
        })
    }
}

/// The first and the last such sample of one partition.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    first: Option<Read>,
    last: Option<Read>,
    commit_is_known: bool,
    log_is_known: bool,
    is_gone: bool,
}

impl Ends {
    /// Looks at the next older sample for the last. Is another one needed?
    fn look_back(&mut self, at: TimestampMs, committed: Cell, log_end: Cell) -> bool {
        if self.is_gone || self.last.is_some() {
            return false;
        }
        // The newest word on each tells whether it is gone.
        self.is_gone = (!self.commit_is_known && committed == Cell::GONE)
            || (!self.log_is_known && log_end == Cell::GONE);
        self.commit_is_known |= committed != Cell::ABSENT;
        self.log_is_known |= log_end != Cell::ABSENT;
        self.last = Read::of(at, committed, log_end);
        !self.is_gone && self.last.is_none()
    }

    /// Looks at the next newer sample for the first. Is another one needed?
    fn look_ahead(&mut self, at: TimestampMs, committed: Cell, log_end: Cell) -> bool {
        let is_needed = self.last.is_some() && self.first.is_none();
        if is_needed {
            self.first = Read::of(at, committed, log_end);
        }
        is_needed && self.first.is_none()
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
            for block in self.blocks(topic, commits) {
                for ends in self.ends(&block, edge).iter().take(block.len) {
                    terms.add(ends);
                }
            }
        }
    }

    /// As a rule the ticks at both edges have all that is needed.
    fn ends(&self, block: &Block, edge: TimestampMs) -> [Ends; BLOCK] {
        let mut ends = [Ends::default(); BLOCK];
        let frames = self.frames_since(self.place_of(edge));
        for frame in frames.clone().rev() {
            if !block.look_at(frame, &mut ends, Ends::look_back) {
                break;
            }
        }
        for frame in frames {
            if !block.look_at(frame, &mut ends, Ends::look_ahead) {
                break;
            }
        }
        ends
    }
}

impl Block {
    /// Is another sample needed of any partition?
    fn look_at(
        &self,
        frame: &Frame,
        ends: &mut [Ends; BLOCK],
        look: impl Fn(&mut Ends, TimestampMs, Cell, Cell) -> bool,
    ) -> bool {
        let (committed, log_end) = (self.committed(frame), self.log_end(frame));
        let cells = committed.iter().zip(log_end.iter());
        let mut is_needed = false;
        for (ends, (committed, log_end)) in ends.iter_mut().zip(cells) {
            is_needed |= look(ends, frame.at, *committed, *log_end);
        }
        is_needed
    }
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
        let read = |seconds, committed, log_end| {
            Read::of(at(seconds), Cell::of(committed), Cell::of(log_end))
        };
        let ends = |first, last| Ends {
            first,
            last,
            ..Ends::default()
        };
        let mut terms = BacklogTerms::default();
        terms.add(&ends(read(60, 10, 100), read(60, 10, 100)));
        assert_eq!((terms.partitions, terms.too_young, terms.lag), (0, 1, 0));
        terms.add(&ends(read(0, 0, 50), read(60, 10, 100)));
        assert_eq!((terms.partitions, terms.lag), (1, 90));
        assert_eq!((terms.added, terms.processed), (50, 10));
        assert_eq!(terms.minutes, 1.0);
    }
}
