//! What is known of a queue's task beside its offsets, and what of them means
//! something else for it.
//!
//! A queue is a log of which only the depth is seen: the log end counts what has
//! come, the commit what has gone. So lag, rates and ETA are judged as those of any
//! group, and of the one partition that a task has only this is put right.

use crate::model::{GroupSeries, TimestampMs};

use super::{
    group::Totals,
    partition::{PartitionEstimate, PartitionStanding, Wanted},
    time_lag::TimeLag,
    window::Window,
};

/// What the rates of a group are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RatesFrom {
    /// Offsets of Kafka, which count each record.
    Offsets,
    /// Counters of the queue, which count each item.
    Counters,
    /// The depth of the queue alone. What comes and goes between two readings
    /// is not seen: both rates are lower bounds, and only their difference is
    /// exact.
    Depth,
}

impl RatesFrom {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Offsets, Self::Counters, Self::Depth];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offsets => "offsets",
            Self::Counters => "counters",
            Self::Depth => "depth",
        }
    }
}

/// What a queue told of a task in the reading that its lag is from. `None`: it
/// did not say, or there is no such reading.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TaskEstimate {
    /// For how long the oldest item had waited.
    pub oldest_age_seconds: Option<f64>,
    /// The queue's own count of items that have come.
    pub added: Option<i64>,
    /// The queue's own count of items that are done.
    pub done: Option<i64>,
    /// Counters or depth; `None` without a reading.
    pub rates_from: Option<RatesFrom>,
}

/// A task's columns, and the ticks that they are in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    window: &'a Window,
    series: &'a GroupSeries,
}

impl<'a> Task<'a> {
    /// `None`: it is a consumer group of Kafka's.
    pub(super) fn of(window: &'a Window, series: &'a GroupSeries) -> Option<Self> {
        series.is_task().then_some(Self { window, series })
    }

    /// Puts right what was judged as if it were a partition of Kafka's.
    pub(super) fn put_right(&self, standing: &mut PartitionStanding, wanted: Wanted) {
        let PartitionStanding::Known(estimate) = standing else {
            return;
        };
        // A queue has no retention that would delete what nobody has taken.
        estimate.lost_records = None;
        // What is taken is away from the depth at once, so that all of it waits.
        estimate.uncommitted_records = estimate.uncommitted_records.and(Some(0.0));
        if wanted.time_lag {
            let recorded = self.recorded_time_lag(estimate);
            estimate.time_lag = recorded.or(estimate.time_lag);
        }
    }

    /// Where nothing waits there is none, whatever the query says.
    fn recorded_time_lag(&self, estimate: &PartitionEstimate) -> Option<TimeLag> {
        let seconds = self.oldest_age_seconds(estimate.as_of);
        seconds
            .filter(|_| estimate.lag.is_some_and(|depth| depth > 0))
            .map(|seconds| TimeLag {
                seconds,
                at_least: false,
            })
    }

    /// What the queue told in the reading of these totals.
    pub(super) fn estimate(&self, totals: &Totals) -> TaskEstimate {
        let reading = totals.as_of.filter(|_| totals.unknown_partitions == 0);
        reading.map_or(TaskEstimate::default(), |at| TaskEstimate {
            oldest_age_seconds: self.oldest_age_seconds(at),
            added: self.told(at, self.series.added()),
            done: self.told(at, self.series.done()),
            rates_from: Some(self.rates_from(at)),
        })
    }

    /// What the rates up to the reading at `at` are made of.
    pub(super) fn rates_from(&self, at: TimestampMs) -> RatesFrom {
        let counters = [self.series.added(), self.series.done()];
        if counters.iter().any(|one| self.told(at, *one).is_some()) {
            RatesFrom::Counters
        } else {
            RatesFrom::Depth
        }
    }

    fn oldest_age_seconds(&self, at: TimestampMs) -> Option<f64> {
        let age_ms = self.told(at, self.series.oldest_age())?;
        Some(age_ms.max(0) as f64 / 1000.0)
    }

    fn told(&self, at: TimestampMs, column: Option<u32>) -> Option<i64> {
        let place = self.window.place_of(at);
        let frame = self.window.frames_since(place).next();
        let frame = frame.filter(|frame| frame.at == at)?;
        frame.optional_cell(column).value()
    }
}

#[cfg(test)]
mod tests;
