//! Arrival and consumption rate of one partition, read back from its newest
//! sample.

use crate::model::{Cell, TimestampMs};

use super::{
    epoch::{Epoch, LogEpoch},
    growth::{Growth, Walk},
    reading::Reading,
};

/// The [`Growth`] since a window's edge of one partition's log end and of the
/// offset committed in it, from one walk back that begins before the edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    log: LogEpoch,
    commits: Epoch,
    log_is_open: bool,
    commits_are_open: bool,
    arrival: Walk,
    consumption: Walk,
}

impl Rates {
    /// Before the newest sample is looked at; for nothing without a reading.
    pub(super) fn of(reading: Option<&Reading>) -> Self {
        let has_commit = reading.is_some_and(|reading| reading.committed.is_some());
        Self::begun(reading.is_some(), has_commit)
    }

    fn begun(log_is_open: bool, commits_are_open: bool) -> Self {
        Self {
            log: LogEpoch::NEWEST,
            commits: Epoch::NEWEST,
            log_is_open,
            commits_are_open,
            arrival: Walk::BEGUN,
            consumption: Walk::BEGUN,
        }
    }

    /// Looks at the next older sample. Can another one tell more?
    #[inline]
    pub(super) fn add(
        &mut self,
        edge: TimestampMs,
        at: TimestampMs,
        committed: Cell,
        log_start: Cell,
        log_end: Cell,
    ) -> bool {
        // A log that began anew makes the old commits another counter.
        self.log_is_open = self.log_is_open && self.log.holds(log_start, log_end);
        if !self.log_is_open {
            return false;
        }
        if let Some(log_end) = log_end.value() {
            self.arrival.add(edge, (at, log_end));
        }
        self.commits_are_open = self.commits_are_open && self.commits.holds(committed);
        if let (true, Some(committed)) = (self.commits_are_open, committed.value()) {
            self.consumption.add(edge, (at, committed));
        }
        !self.arrival.is_done() || self.commits_are_open && !self.consumption.is_done()
    }

    /// Of the log end; `None` when its epoch holds fewer than two readings.
    pub(super) fn arrival(&self) -> Option<Growth> {
        self.arrival.growth()
    }

    /// Of the commits; `None` when their epoch holds fewer than two readings.
    pub(super) fn consumption(&self) -> Option<Growth> {
        self.consumption.growth()
    }
}

#[cfg(test)]
mod testing {
    use super::*;
    use crate::estimator::{epoch::TopicEpoch, sample::Sample};

    fn rates(samples: &[Sample], edge: TimestampMs) -> Rates {
        let mut topic = TopicEpoch::default();
        let mut rates = Rates::begun(true, true);
        let same_topic = samples
            .iter()
            .rev()
            .take_while(|sample| topic.holds(sample.topic_id));
        for sample in same_topic {
            let Sample {
                at,
                committed,
                log_start,
                log_end,
                ..
            } = *sample;
            if !rates.add(edge, at, committed, log_start, log_end) {
                break;
            }
        }
        rates
    }

    pub(super) fn arrival_since(samples: &[Sample], edge: TimestampMs) -> Option<f64> {
        Some(rates(samples, edge).arrival()?.per_s)
    }

    pub(super) fn consumption_since(samples: &[Sample], edge: TimestampMs) -> Option<f64> {
        Some(rates(samples, edge).consumption()?.per_s)
    }

    pub(super) fn uncommitted_since(
        samples: &[Sample],
        edge: TimestampMs,
        lag: u64,
    ) -> Option<f64> {
        Some(rates(samples, edge).consumption()?.uncommitted(lag))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample::testing::*, testing::*, *};
    use crate::estimator::sample::Sample;

    fn arrival(samples: &[Sample]) -> Option<f64> {
        arrival_since(samples, BEFORE_ALL)
    }

    fn consumption(samples: &[Sample]) -> Option<f64> {
        consumption_since(samples, BEFORE_ALL)
    }

    fn uncommitted(samples: &[Sample], lag: u64) -> f64 {
        uncommitted_since(samples, BEFORE_ALL, lag).expect("known")
    }

    /// The window holds all samples.
    const BEFORE_ALL: TimestampMs = TimestampMs(i64::MIN);

    fn assert_close(found: Option<f64>, expected: f64) {
        let found = found.expect("a rate");
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn arrival_is_the_growth_of_the_log() {
        assert_close(
            arrival(&samples(&[(0, 0, 100), (10, 0, 150), (20, 0, 300)])),
            10.0,
        );
        assert_eq!(arrival(&samples(&[(0, 0, 100)])), None);
        assert_eq!(arrival(&[]), None);
    }

    #[test]
    fn a_gap_does_not_change_a_rate() {
        let mut rows = samples(&[(0, 0, 0), (10, 50, 100), (20, 100, 200), (100, 500, 1000)]);
        rows[1].log_end = Cell::ABSENT;
        rows[2].committed = Cell::ABSENT;
        assert_close(arrival(&rows), 10.0);
        assert_close(consumption(&rows), 5.0);
    }

    #[test]
    fn the_place_of_the_windows_edge_does_not_bias_consumption() {
        // 100 records committed each 30 s, sampled each 10 s.
        let committed = |seconds: i64| seconds / 30 * 100;
        for offset in 0..3 {
            let rows: Vec<_> = (0..31)
                .map(|tick| (tick + offset) * 10)
                .map(|seconds| (seconds, committed(seconds), 10_000))
                .collect();
            assert_close(consumption(&samples(&rows)), 100.0 / 30.0);
        }
    }

    #[test]
    fn a_stall_lowers_consumption_and_a_long_one_ends_it() {
        let rows: Vec<_> = (0..=30)
            .map(|tick| (tick * 10, (tick * 100).min(1000), 10_000))
            .collect();
        // 10/s for 100 s, then nothing for 200 s.
        let rate = consumption(&samples(&rows)).expect("a rate");
        assert!((3.0..4.0).contains(&rate), "{rate}");
        assert_close(consumption(&samples(&rows[15..])), 0.0);
    }

    #[test]
    fn a_single_commit_is_spread_over_the_time_observed() {
        let rows = samples(&[(0, 0, 500), (10, 0, 500), (20, 100, 500), (50, 100, 500)]);
        assert_close(consumption(&rows), 2.0);
    }

    #[test]
    fn no_difference_is_taken_across_an_epoch() {
        let reset = samples(&[
            (0, 900, 1000),
            (10, 1000, 1100),
            (20, 100, 1200),
            (30, 150, 1300),
        ]);
        assert_close(consumption(&reset), 5.0);
        assert_close(arrival(&reset), 10.0);

        let recreated = samples(&[(0, 900, 1000), (10, 950, 1100), (20, 950, 5), (30, 950, 25)]);
        assert_close(arrival(&recreated), 2.0);
        assert_close(consumption(&recreated), 0.0);
    }

    #[test]
    fn a_longer_topic_made_anew_shows_in_its_log_start() {
        let mut rows = samples(&[(0, 90, 100), (10, 100, 150), (20, 100, 400), (30, 100, 420)]);
        rows[0].log_start = Cell::of(70);
        rows[1].log_start = Cell::of(80);
        assert_close(arrival(&rows), 2.0);
        assert_close(consumption(&rows), 0.0);
        // A log start that was not read, or that moves on, means nothing.
        rows[2].log_start = Cell::ABSENT;
        rows[3].log_start = Cell::of(90);
        assert_close(arrival(&rows), 320.0 / 30.0);
    }

    #[test]
    fn a_topic_with_another_id_is_another_log() {
        let mut rows = samples(&[
            (0, 90, 100),
            (10, 100, 150),
            (20, 4_000, 5_000),
            (30, 4_010, 5_020),
        ]);
        for (row, id) in rows.iter_mut().zip([1, 1, 2, 2]) {
            row.topic_id = Cell::of(id);
        }
        assert_close(arrival(&rows), 2.0);
        assert_close(consumption(&rows), 1.0);
        // Where it was not read, nothing is known to have changed.
        rows[3].topic_id = Cell::ABSENT;
        assert_close(arrival(&rows), 2.0);
        rows[2].topic_id = Cell::ABSENT;
        assert_close(arrival(&rows), 4_920.0 / 30.0);
    }

    #[test]
    fn a_deleted_topic_ends_an_epoch_even_if_the_next_one_is_longer() {
        let mut rows = samples(&[(0, 10, 10), (10, 0, 0), (20, 500, 1000), (30, 510, 1020)]);
        rows[1].log_end = Cell::GONE;
        assert_close(arrival(&rows), 2.0);
        assert_close(consumption(&rows), 1.0);
    }

    /// 100 records committed each `every_s`, read each 10 s up to `newest_s`.
    fn stepwise(every_s: i64, newest_s: i64) -> Vec<Sample> {
        let row = |seconds: i64| (seconds, seconds / every_s * 100, 1_000_000);
        let rows: Vec<_> = (0..=newest_s / 10).map(|tick| row(tick * 10)).collect();
        samples(&rows)
    }

    #[test]
    fn the_step_that_had_begun_at_the_edge_is_whole() {
        // Commits at 60, 120 and 180; the edge is in the midst of a step.
        let rows = stepwise(60, 200);
        for edge in [60, 70, 110] {
            assert_close(consumption_since(&rows, at(edge)), 100.0 / 60.0);
        }
        // Nothing is known of what was before, and one step alone is none.
        assert_close(consumption_since(&rows[13..], at(130)), 100.0 / 70.0);
    }

    #[test]
    fn a_commit_that_is_a_little_late_hardly_lowers_consumption() {
        let mut rows = stepwise(60, 300);
        rows.last_mut().expect("rows").committed = Cell::of(400);
        assert_close(consumption(&rows), 100.0 / 60.0);
        rows.extend(samples(&[(310, 400, 1_000_000)]));
        assert_close(consumption(&rows), 300.0 / 190.0);
    }

    #[test]
    fn a_stall_before_the_edge_counts_only_from_the_edge() {
        let rows: Vec<_> = (0..=30)
            .map(|tick| (tick * 10, (tick - 15).max(0) * 100, 10_000))
            .collect();
        let mut rows = samples(&rows);
        rows[0].committed = Cell::of(-50);
        assert_close(consumption_since(&rows, at(100)), 1_500.0 / 200.0);
    }

    #[test]
    fn what_was_read_since_the_last_commit_is_told_by_the_rate() {
        // The commit came at 235 s, as far as can be seen.
        let rows = stepwise(60, 270);
        assert_eq!(
            uncommitted(&rows, 1_000).round(),
            58.0,
            "35 s at 100 / 60 s"
        );
        assert_eq!(uncommitted(&rows, 66), 66.0, "it can have come at 230 s");
        let mut stalled = rows.clone();
        stalled.extend(samples(&[(400, 400, 1_000_000)]));
        let of_a_step = 300.0 / 280.0 * 60.0;
        assert_eq!(uncommitted(&stalled, 1_000), of_a_step);
        // Each reading sees a commit: how often they come can't be told.
        let rows = stepwise(5, 100);
        assert_eq!(uncommitted(&rows, 1_000), 0.0);
        assert_eq!(uncommitted(&rows, 200), 200.0, "10 s at 20/s");
    }
}

#[cfg(test)]
mod properties {
    use std::time::Duration;

    use proptest::{collection::vec, prelude::*};

    use super::{super::sample::testing::*, testing::*, *};
    use crate::estimator::sample::Sample;

    /// Readings some seconds apart of a counter that stands still or grows, and
    /// how many of them are before the edge.
    fn readings() -> impl Strategy<Value = (Vec<Sample>, usize)> {
        let growth = prop_oneof![2 => Just(0), 3 => 0..1_000_i64];
        vec((1..60_i64, growth), 2..40).prop_flat_map(|steps| {
            let (mut seconds, mut offset) = (0, 0);
            let rows: Vec<_> = steps
                .iter()
                .map(|(later, more)| {
                    (seconds, offset) = (seconds + later, offset + more);
                    (seconds, offset, offset)
                })
                .collect();
            let count = rows.len();
            (Just(samples(&rows)), 0..count)
        })
    }

    fn rates(samples: &[Sample], edge: TimestampMs) -> Option<f64> {
        let rate = consumption_since(samples, edge);
        assert_eq!(
            rate,
            arrival_since(samples, edge),
            "both are measured alike"
        );
        rate
    }

    fn changed(samples: &[Sample], change: impl Fn(i64) -> i64) -> Vec<Sample> {
        let changed = |cell: Cell| Cell::of(change(cell.value().expect("read")));
        samples
            .iter()
            .map(|sample| Sample {
                committed: changed(sample.committed),
                log_end: changed(sample.log_end),
                ..*sample
            })
            .collect()
    }

    fn are_close(one: Option<f64>, other: Option<f64>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs().max(1.0),
            (one, other) => one == other,
        }
    }

    proptest! {
        #[test]
        fn a_rate_is_what_a_counter_can_have((samples, before) in readings()) {
            let edge = samples[before].at;
            let steepest = samples.windows(2).map(|pair| {
                let grown = pair[1].log_end.value().expect("read") - pair[0].log_end.value().expect("read");
                grown as f64 / pair[1].at.seconds_since(pair[0].at)
            }).fold(0.0, f64::max);
            if let Some(rate) = rates(&samples, edge) {
                prop_assert!((0.0..=steepest + 1e-9).contains(&rate), "{} of {}", rate, steepest);
            } else {
                prop_assert_eq!(before, samples.len() - 1);
            }
        }

        #[test]
        fn only_differences_count((samples, before) in readings(), offset in 0..1_i64 << 40, later_s in 0..1_u64 << 30) {
            let edge = samples[before].at;
            let rate = rates(&samples, edge);
            prop_assert_eq!(rates(&changed(&samples, |value| value + offset), edge), rate);
            let later = Duration::from_secs(later_s);
            let moved: Vec<_> = samples.iter().map(|sample| Sample { at: sample.at.plus(later), ..*sample }).collect();
            prop_assert_eq!(rates(&moved, edge.plus(later)), rate);
        }

        #[test]
        fn so_many_times_the_records_are_so_many_times_the_rate((samples, before) in readings(), times in 1..1_000_i64) {
            let edge = samples[before].at;
            let scaled = rates(&changed(&samples, |value| value * times), edge);
            let expected = rates(&samples, edge).map(|rate| rate * times as f64);
            prop_assert!(are_close(scaled, expected), "{:?} {:?}", scaled, expected);
        }

        #[test]
        fn a_stall_never_raises_the_rate((samples, before) in readings(), silences in vec(1..100_u64, 1..20)) {
            let edge = samples[before].at;
            let Some(mut rate) = rates(&samples, edge) else { return Ok(()) };
            let mut stalled = samples.clone();
            for silence_s in silences {
                let last = stalled[stalled.len() - 1];
                stalled.push(Sample { at: last.at.plus(Duration::from_secs(silence_s)), ..last });
                let now = rates(&stalled, edge).expect("it was known");
                prop_assert!(now <= rate + 1e-9, "{} after {}", now, rate);
                rate = now;
            }
            // Once the window holds nothing else, it has ended.
            let newest = stalled[stalled.len() - 1].at;
            let quiet = stalled.last().copied().map(|last| Sample { at: last.at.plus(Duration::from_secs(1)), ..last });
            stalled.extend(quiet);
            prop_assert_eq!(rates(&stalled, newest), Some(0.0));
        }

        #[test]
        fn what_is_uncommitted_is_part_of_the_lag((samples, before) in readings(), lag in 0..2_000_u64) {
            let uncommitted = uncommitted_since(&samples, samples[before].at, lag);
            if let Some(uncommitted) = uncommitted {
                prop_assert!((0.0..=lag as f64).contains(&uncommitted));
            }
        }
    }
}
