//! What the estimator is given: samples of one partition, and parameters.

use std::time::Duration;

use crate::model::{Cell, TimestampMs};

/// What one tick says of one group's partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: TimestampMs,
    /// Offset of the next record that the group will read.
    pub committed: Cell,
    /// Offset of the first record still there.
    pub log_start: Cell,
    /// Offset that the next record will get.
    pub log_end: Cell,
    /// Which of the topics that had this name it is.
    pub topic_id: Cell,
}

/// How samples are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Over how long rates are measured.
    pub window: Duration,
    /// Up to which age a reading is fresh.
    pub fresh_for: Duration,
    /// Up to which age a reading is used at all.
    pub max_staleness: Duration,
}

/// The samples that a window of `span` before `now` holds. When it holds fewer
/// than two, the newest one before it is taken in: offsets are counters, so a
/// rate over a gap or a restart is still right.
pub(super) fn within(samples: &[Sample], span: Duration, now: TimestampMs) -> &[Sample] {
    let edge = now.minus(span);
    let first = samples.partition_point(|sample| sample.at < edge);
    let first = if samples.len() - first < 2 {
        first.saturating_sub(1)
    } else {
        first
    };
    &samples[first..]
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Samples from `(seconds, committed, log end)`, with log start 0.
    pub(crate) fn samples(rows: &[(i64, i64, i64)]) -> Vec<Sample> {
        rows.iter()
            .map(|&(seconds, committed, log_end)| Sample {
                at: TimestampMs(seconds * 1000),
                committed: Cell::of(committed),
                log_start: Cell::of(0),
                log_end: Cell::of(log_end),
                topic_id: Cell::ABSENT,
            })
            .collect()
    }

    pub(crate) fn at(seconds: i64) -> TimestampMs {
        TimestampMs(seconds * 1000)
    }

    pub(crate) const PARAMETERS: Parameters = Parameters {
        window: Duration::from_secs(300),
        fresh_for: Duration::from_secs(30),
        max_staleness: Duration::from_secs(300),
    };
}

#[cfg(test)]
mod tests {
    use super::{testing::*, *};

    #[test]
    fn a_window_reaches_back_over_a_gap_only_when_it_must() {
        let samples = samples(&[(0, 0, 0), (10, 0, 0), (400, 0, 0), (410, 0, 0)]);
        let held = |span, now| within(&samples, Duration::from_secs(span), at(now)).len();
        assert_eq!(held(300, 410), 2, "two in the window: the gap is left out");
        assert_eq!(held(5, 410), 2, "one in the window: one more before it");
        assert_eq!(held(5, 1000), 1, "none in the window: the newest before it");
        assert_eq!(within(&[], Duration::from_secs(5), at(10)).len(), 0);
    }
}
