//! Where a group stands in one partition.

use std::time::Duration;

use crate::model::{TimestampMs, lag_records};

use super::{
    eta::{Eta, eta, unread},
    reading::{Reading, Search},
    sample::{Parameters, Sample},
    time_lag::TimeLag,
};

/// Where a group stands in one partition.
#[derive(Debug, Clone, PartialEq)]
pub enum PartitionStanding {
    /// There is a reading young enough to use.
    Known(PartitionEstimate),
    /// There is none.
    Unknown {
        /// When there last was one, if that is still held.
        since: Option<TimestampMs>,
    },
    /// The topic was deleted, or the group has left it.
    Gone,
}

/// How old a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// At most [`Parameters::fresh_for`].
    Fresh,
    /// Older; still used.
    Stale,
}

/// What is known of a group in one partition.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionEstimate {
    /// Time of the reading.
    pub as_of: TimestampMs,
    /// Age of the reading.
    pub freshness: Freshness,
    /// Offset of the next record that the group will read; `None`: it has
    /// committed nothing here.
    pub committed_offset: Option<i64>,
    /// Offset of the first record still there.
    pub log_start_offset: i64,
    /// Offset that the next record will get.
    pub log_end_offset: i64,
    /// Records that the group has yet to read: `end - max(committed, start)`.
    /// `None` without a commit.
    pub lag: Option<u64>,
    /// Records deleted before the group read them: `start - committed`. `None`
    /// without a commit.
    pub lost_records: Option<u64>,
    /// Growth of the log in records/s; `None` until two readings are there.
    pub arrival_rate: Option<f64>,
    /// Growth of the commits in records/s; `None` without a commit or until
    /// two readings are there.
    pub consumption_rate: Option<f64>,
    /// Records of the lag that are read already, as far as the rate tells;
    /// `None` where there is no consumption rate.
    pub uncommitted_records: Option<f64>,
    /// How long the next record has waited; `None` without a commit.
    pub time_lag: Option<TimeLag>,
    /// Mean of the lag over the window, in records, weighed by time; `None`
    /// without a commit.
    pub mean_lag: Option<f64>,
    /// For how long the committed offset has not moved, as far as samples reach
    /// back; `None` without a commit.
    pub unmoved_for: Option<Duration>,
}

impl PartitionEstimate {
    /// Records in the log: `end - start`.
    pub fn retained_records(&self) -> u64 {
        distance(self.log_start_offset, self.log_end_offset)
    }

    /// When the lag will be gone at the present rates; `None`: unknown.
    pub fn eta(&self) -> Option<Eta> {
        eta(
            unread(self.lag?, self.uncommitted_records),
            self.arrival_rate,
            self.consumption_rate,
        )
    }
}

/// What is judged of a partition beyond its offsets, each of which takes time;
/// what is not wanted is `None` in the estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Arrival and consumption rate.
    pub rates: bool,
    /// Time lag.
    pub time_lag: bool,
    /// Mean lag.
    pub mean_lag: bool,
    /// For how long the commit has not moved.
    pub unmoved: bool,
}

impl Wanted {
    /// Offsets and lag alone.
    pub const OFFSETS: Self = Self {
        rates: false,
        time_lag: false,
        mean_lag: false,
        unmoved: false,
    };

    /// What a page shows of a group.
    pub const SHOWN: Self = Self {
        rates: true,
        time_lag: true,
        ..Self::OFFSETS
    };
}

impl PartitionStanding {
    /// Of these samples of one partition, oldest first, by its offsets alone.
    pub(super) fn of_samples(
        samples: &[Sample],
        parameters: &Parameters,
        now: TimestampMs,
    ) -> Self {
        let mut search = Search::Open;
        for sample in samples.iter().rev() {
            let (committed, start, end) = (sample.committed, sample.log_start, sample.log_end);
            if !search.add(sample.at, committed, start, end) {
                return Self::of(&search, parameters, now);
            }
        }
        Self::of(&search.ended(), parameters, now)
    }

    /// Of what was found in a partition's samples, by its offsets alone.
    pub(super) fn of(newest: &Search, parameters: &Parameters, now: TimestampMs) -> Self {
        match newest {
            Search::Gone => Self::Gone,
            Search::Open | Search::NeedsStart { .. } => Self::Unknown { since: None },
            Search::Found(reading) if !reading.is_usable(parameters, now) => Self::Unknown {
                since: Some(reading.at),
            },
            Search::Found(reading) => Self::Known(of_reading(reading, parameters, now)),
        }
    }
}

/// What the offsets that were read together tell.
pub(super) fn of_reading(
    reading: &Reading,
    parameters: &Parameters,
    now: TimestampMs,
) -> PartitionEstimate {
    let lag_from = |committed| lag_records(committed, reading.log_start, reading.log_end);
    PartitionEstimate {
        as_of: reading.at,
        freshness: freshness(now.since(reading.at), parameters),
        committed_offset: reading.committed,
        log_start_offset: reading.log_start,
        log_end_offset: reading.log_end,
        lag: reading.committed.map(lag_from),
        lost_records: reading
            .committed
            .map(|committed| distance(committed, reading.log_start)),
        arrival_rate: None,
        consumption_rate: None,
        uncommitted_records: None,
        time_lag: None,
        mean_lag: None,
        unmoved_for: None,
    }
}

fn freshness(age: Duration, parameters: &Parameters) -> Freshness {
    if age <= parameters.fresh_for {
        Freshness::Fresh
    } else {
        Freshness::Stale
    }
}

/// How far `to` is beyond `from`; 0 if it isn't.
fn distance(from: i64, to: i64) -> u64 {
    if to > from { to.abs_diff(from) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::{super::sample::testing::*, *};
    use crate::model::Cell;

    fn known(samples: &[Sample], now: i64) -> PartitionEstimate {
        match standing(samples, Wanted::SHOWN, at(now)) {
            PartitionStanding::Known(estimate) => estimate,
            other => panic!("expected a known standing, found {other:?}"),
        }
    }

    #[test]
    fn lag_counts_what_is_still_there_and_loss_what_is_not() {
        // committed, log start, log end -> lag, lost
        for (committed, log_start, log_end, lag, lost) in [
            (40, 0, 100, 60, 0),
            (100, 0, 100, 0, 0),
            (10, 70, 100, 30, 60),
            (10, 100, 100, 0, 90),
            (500, 0, 100, 0, 0),
            (0, 0, i64::MAX, i64::MAX as u64, 0),
        ] {
            let mut rows = samples(&[(10, committed, log_end)]);
            rows[0].log_start = Cell::of(log_start);
            let estimate = known(&rows, 10);
            assert_eq!(
                (estimate.lag, estimate.lost_records),
                (Some(lag), Some(lost))
            );
        }
    }

    #[test]
    fn what_is_read_and_not_committed_yet_does_not_delay_the_eta() {
        // 50 records/s come in, 100 are read, and committed once a minute.
        let row = |seconds: i64| (seconds, seconds / 60 * 6_000, 100_000 + seconds * 50);
        let rows: Vec<_> = (0..30).map(|tick| row(tick * 10)).collect();
        let estimate = known(&samples(&rows), 290);
        assert_eq!(estimate.lag, Some(90_500));
        assert_eq!(estimate.uncommitted_records, Some(5_500.0));
        assert_eq!(estimate.eta(), Some(Eta::In(1_700.0)));
    }

    #[test]
    fn no_commit_is_not_a_lag_of_zero() {
        let mut rows = samples(&[(10, 0, 100)]);
        rows[0].committed = Cell::NO_COMMIT;
        let estimate = known(&rows, 10);
        assert_eq!(estimate.committed_offset, None);
        assert_eq!(estimate.lag, None);
        assert_eq!(estimate.lost_records, None);
        assert_eq!(estimate.consumption_rate, None);
        assert_eq!(estimate.uncommitted_records, None);
        assert_eq!(estimate.time_lag, None);
        assert_eq!(estimate.retained_records(), 100);
    }

    #[test]
    fn a_reading_ages_from_fresh_to_stale_to_unknown() {
        let rows = samples(&[(0, 0, 100)]);
        assert_eq!(known(&rows, 30).freshness, Freshness::Fresh);
        assert_eq!(known(&rows, 31).freshness, Freshness::Stale);
        assert_eq!(known(&rows, 300).freshness, Freshness::Stale);
        assert_eq!(
            standing(&rows, Wanted::SHOWN, at(301)),
            PartitionStanding::Unknown { since: Some(at(0)) }
        );
    }

    #[test]
    fn a_gap_keeps_the_last_reading_and_its_time() {
        let mut rows = samples(&[(0, 10, 100), (10, 20, 110), (20, 30, 120)]);
        rows[1].log_end = Cell::ABSENT;
        rows[2].committed = Cell::ABSENT;
        let estimate = known(&rows, 20);
        assert_eq!(estimate.as_of, at(0));
        assert_eq!(estimate.lag, Some(90));
        let never = [rows[1], rows[2]];
        assert_eq!(
            standing(&never, Wanted::SHOWN, at(20)),
            PartitionStanding::Unknown { since: None }
        );
    }

    #[test]
    fn the_log_start_may_come_from_an_earlier_sample_but_not_an_earlier_topic() {
        let mut rows = samples(&[(0, 10, 100), (10, 10, 110)]);
        rows[0].log_start = Cell::of(50);
        rows[1].log_start = Cell::ABSENT;
        assert_eq!(known(&rows, 10).lag, Some(60));
        rows[0].log_start = Cell::GONE;
        rows[0].log_end = Cell::GONE;
        assert_eq!(
            standing(&rows, Wanted::SHOWN, at(10)),
            PartitionStanding::Gone
        );
    }

    #[test]
    fn a_commit_stands_still_since_it_was_first_seen() {
        let mut rows = samples(&[
            (0, 10, 100),
            (10, 20, 110),
            (20, 20, 120),
            (30, 20, 130),
            (40, 20, 140),
        ]);
        rows[2].committed = Cell::ABSENT;
        let wanted = Wanted {
            unmoved: true,
            ..Wanted::OFFSETS
        };
        let unmoved = |rows: &[Sample]| match standing(rows, wanted, at(40)) {
            PartitionStanding::Known(estimate) => estimate.unmoved_for,
            other => panic!("expected a known standing, found {other:?}"),
        };
        assert_eq!(unmoved(&rows), Some(Duration::from_secs(30)));
        // The newest reading is older than a commit that came without an end.
        rows[4].log_end = Cell::ABSENT;
        assert_eq!(unmoved(&rows), Some(Duration::from_secs(20)));
        rows[3].committed = Cell::of(21);
        assert_eq!(unmoved(&rows), Some(Duration::ZERO));
        rows[3].committed = Cell::NO_COMMIT;
        assert_eq!(unmoved(&rows), None);
    }

    #[test]
    fn what_is_gone_is_not_unknown() {
        let mut rows = samples(&[(0, 10, 100), (10, 10, 100)]);
        rows[1].log_end = Cell::GONE;
        assert_eq!(
            standing(&rows, Wanted::SHOWN, at(10)),
            PartitionStanding::Gone
        );
    }
}

#[cfg(test)]
mod properties {
    use std::time::Duration;

    use proptest::{collection::vec, prelude::*};

    use super::{super::sample::testing::*, *};
    use crate::model::Cell;

    fn cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            6 => (0..2_000_i64).prop_map(Cell::of),
            1 => any::<i64>().prop_map(Cell::of),
            1 => Just(Cell::ABSENT),
            1 => Just(Cell::NO_COMMIT),
            1 => Just(Cell::GONE),
        ]
    }

    fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
        vec((1..60_000_i64, cell(), cell(), cell()), 0..40).prop_map(|rows| {
            let mut at = 0;
            rows.into_iter()
                .map(|(step_ms, committed, log_start, log_end)| {
                    at += step_ms;
                    let at = TimestampMs(at);
                    Sample {
                        at,
                        committed,
                        log_start,
                        log_end,
                        topic_id: Cell::ABSENT,
                    }
                })
                .collect()
        })
    }

    fn known(samples: &[Sample], now: TimestampMs) -> Option<PartitionEstimate> {
        match standing(samples, Wanted::SHOWN, now) {
            PartitionStanding::Known(estimate) => Some(estimate),
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn whatever_was_read_no_number_is_nonsense(samples in any_samples(), later_ms in 0..400_000_i64) {
            let last = samples.last().map_or(TimestampMs(0), |sample| sample.at);
            let now = last.plus(Duration::from_millis(later_ms.unsigned_abs()));
            if let Some(estimate) = known(&samples, now) {
                prop_assert!(now.since(estimate.as_of) <= PARAMETERS.max_staleness);
                prop_assert!(estimate.lag.is_none_or(|lag| lag <= estimate.retained_records()));
                prop_assert_eq!(estimate.lag.is_some(), estimate.committed_offset.is_some());
                for rate in [estimate.arrival_rate, estimate.consumption_rate].into_iter().flatten() {
                    prop_assert!(rate.is_finite() && rate >= 0.0, "{}", rate);
                }
                if let Some(time_lag) = estimate.time_lag {
                    prop_assert!(time_lag.seconds.is_finite() && time_lag.seconds >= 0.0);
                    prop_assert!(estimate.lag != Some(0) || time_lag.seconds == 0.0);
                }
            }
        }

        #[test]
        fn more_records_never_lower_the_lag(samples in any_samples(), more in 0..1_000_i64) {
            let Some(last) = samples.last().copied() else { return Ok(()) };
            let Some(before) = known(&samples, last.at) else { return Ok(()) };
            if before.as_of != last.at || before.log_end_offset >= i64::MAX - more {
                return Ok(());
            }
            let mut longer = samples.clone();
            let index = longer.len() - 1;
            longer[index].log_end = Cell::of(before.log_end_offset + more);
            let after = known(&longer, last.at).expect("still known");
            prop_assert!(after.lag >= before.lag);
        }

        #[test]
        fn what_came_before_the_windows_edge_changes_no_lag(samples in any_samples(), cut in 0..40_usize) {
            let Some(last) = samples.last().copied() else { return Ok(()) };
            let Some(whole) = known(&samples, last.at) else { return Ok(()) };
            let kept = &samples[cut.min(samples.len() - 1)..];
            if let Some(part) = known(kept, last.at) && part.as_of == whole.as_of
                && part.log_start_offset == whole.log_start_offset
            {
                prop_assert_eq!(part.lag, whole.lag);
                prop_assert_eq!(part.lost_records, whole.lost_records);
            }
        }
    }
}
