//! Where a whole group stands: its partitions, and their totals.

use crate::model::{Partition, TimestampMs, TopicName};

use super::{
    eta::{Eta, eta, unread},
    judge::Judge,
    membership::{MembershipEstimate, membership},
    partition::{Freshness, PartitionEstimate, PartitionStanding, Wanted},
    sample::Parameters,
    task::{RatesFrom, Task, TaskEstimate},
    time_lag::TimeLag,
    window::Window,
};

/// Where a group stands.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupEstimate {
    /// Its members.
    pub membership: MembershipEstimate,
    /// Its topics, sorted by name; those that are gone are left out.
    pub topics: Vec<TopicEstimate>,
    /// Over all its topics.
    pub totals: Totals,
    /// What its queue tells beside that, if it is a queue's task.
    pub task: Option<TaskEstimate>,
}

impl GroupEstimate {
    /// Is it a queue's task, and no consumer group of Kafka's?
    pub fn is_task(&self) -> bool {
        self.task.is_some()
    }

    /// What its rates are made of; `None`: of a task there is no usable reading.
    pub fn rates_from(&self) -> Option<RatesFrom> {
        let of_task = |task: TaskEstimate| task.rates_from;
        self.task.map_or(Some(RatesFrom::Offsets), of_task)
    }

    /// How many items wait in a queue; `None` also of a group of Kafka's.
    pub fn depth(&self) -> Option<u64> {
        let waits = self.totals.lag.filter(|_| self.totals.partitions > 0);
        waits.filter(|_| self.is_task())
    }
}

/// Where a group stands in one topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicEstimate {
    /// The topic.
    pub topic: TopicName,
    /// Its partitions by number; never [`PartitionStanding::Gone`].
    pub partitions: Vec<(Partition, PartitionStanding)>,
    /// Over all its partitions.
    pub totals: Totals,
}

/// Sums over partitions. A sum in which one term is unknown is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    /// How many partitions there are.
    pub partitions: u32,
    /// How many of them have no reading that could be used.
    pub unknown_partitions: u32,
    /// Since when the longest unknown of them has had none, if that is held.
    pub unknown_since: Option<TimestampMs>,
    /// In how many of them the group has committed nothing.
    pub partitions_without_commit: u32,
    /// Records in the logs of those partitions.
    pub records_without_commit: u64,
    /// Time of the oldest reading among them.
    pub as_of: Option<TimestampMs>,
    /// Age of the oldest reading among them.
    pub freshness: Freshness,
    /// Sum of the lags of partitions with a commit.
    pub lag: Option<u64>,
    /// Sum of the lost records of partitions with a commit.
    pub lost_records: Option<u64>,
    /// Sum of the arrival rates, in records/s.
    pub arrival_rate: Option<f64>,
    /// Sum of the consumption rates, in records/s; a partition without a
    /// commit consumes nothing.
    pub consumption_rate: Option<f64>,
    /// Sum of the records that are read and not committed yet.
    pub uncommitted_records: Option<f64>,
    /// The longest time lag.
    pub time_lag: Option<TimeLag>,
}

impl Window {
    /// Where `group` stands as of `now`, with what is `wanted` of each
    /// partition; `None` if it was never read.
    pub fn estimate_group(
        &self,
        group: &str,
        wanted: Wanted,
        parameters: &Parameters,
        now: TimestampMs,
    ) -> Option<GroupEstimate> {
        let series = self.index().groups().get(group)?;
        let mut totals = Totals::NOTHING;
        let mut topics = Vec::with_capacity(series.topics.len());
        for (topic, commits) in &series.topics {
            let mut partitions = Vec::with_capacity(commits.len() as usize);
            self.each_standing(
                group,
                topic,
                wanted,
                parameters,
                now,
                |partition, standing| {
                    partitions.push((partition, standing));
                },
            );
            if partitions.is_empty() {
                continue;
            }
            let topic_totals = Totals::over(partitions.iter().map(|(_, standing)| standing));
            totals = totals.plus(topic_totals);
            topics.push(TopicEstimate {
                topic: topic.clone(),
                partitions,
                totals: topic_totals,
            });
        }
        Some(GroupEstimate {
            membership: membership(series, self, parameters, now),
            task: Task::of(self, series).map(|task| task.estimate(&totals)),
            topics,
            totals,
        })
    }

    /// Visits where `group` stands in each partition of `topic`, by number;
    /// never [`PartitionStanding::Gone`].
    pub fn each_standing(
        &self,
        group: &str,
        topic: &TopicName,
        wanted: Wanted,
        parameters: &Parameters,
        now: TimestampMs,
        mut visit: impl FnMut(Partition, PartitionStanding),
    ) {
        let Some(series) = self.index().groups().get(group) else {
            return;
        };
        let Some(commits) = series.topics.get(topic) else {
            return;
        };
        if self.is_empty() {
            return;
        }
        let judge = Judge::new(self, wanted, parameters, now);
        let blocks = self.blocks(topic, commits);
        let Some(task) = Task::of(self, series) else {
            return blocks.for_each(|block| judge.each_standing(&block, &mut visit));
        };
        let mut visit = |partition, mut standing| {
            task.put_right(&mut standing, wanted);
            visit(partition, standing);
        };
        blocks.for_each(|block| judge.each_standing(&block, &mut visit));
    }
}

impl Totals {
    /// Over no partition at all.
    pub const NOTHING: Self = Self {
        partitions: 0,
        unknown_partitions: 0,
        unknown_since: None,
        partitions_without_commit: 0,
        records_without_commit: 0,
        as_of: None,
        freshness: Freshness::Fresh,
        lag: Some(0),
        lost_records: Some(0),
        arrival_rate: Some(0.0),
        consumption_rate: Some(0.0),
        uncommitted_records: Some(0.0),
        time_lag: None,
    };

    const UNKNOWN: Self = Self {
        partitions: 1,
        unknown_partitions: 1,
        lag: None,
        lost_records: None,
        arrival_rate: None,
        consumption_rate: None,
        uncommitted_records: None,
        ..Self::NOTHING
    };

    fn over<'a>(standings: impl Iterator<Item = &'a PartitionStanding>) -> Self {
        standings.map(Self::of).fold(Self::NOTHING, Self::plus)
    }

    fn of(standing: &PartitionStanding) -> Self {
        match standing {
            PartitionStanding::Known(estimate) => Self::of_known(estimate),
            PartitionStanding::Unknown { since } => Self {
                unknown_since: *since,
                ..Self::UNKNOWN
            },
            PartitionStanding::Gone => Self::NOTHING,
        }
    }

    fn of_known(estimate: &PartitionEstimate) -> Self {
        let read = Self {
            partitions: 1,
            as_of: Some(estimate.as_of),
            freshness: estimate.freshness,
            arrival_rate: estimate.arrival_rate,
            ..Self::NOTHING
        };
        if estimate.committed_offset.is_none() {
            return Self {
                partitions_without_commit: 1,
                records_without_commit: estimate.retained_records(),
                ..read
            };
        }
        Self {
            lag: estimate.lag,
            lost_records: estimate.lost_records,
            consumption_rate: estimate.consumption_rate,
            uncommitted_records: estimate.uncommitted_records,
            time_lag: estimate.time_lag,
            ..read
        }
    }

    /// The totals over both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            partitions: self.partitions + other.partitions,
            unknown_partitions: self.unknown_partitions + other.unknown_partitions,
            unknown_since: earlier(self.unknown_since, other.unknown_since),
            partitions_without_commit: self.partitions_without_commit
                + other.partitions_without_commit,
            records_without_commit: self
                .records_without_commit
                .saturating_add(other.records_without_commit),
            as_of: earlier(self.as_of, other.as_of),
            freshness: self.freshness.max(other.freshness),
            lag: both(self.lag, other.lag, u64::saturating_add),
            lost_records: both(self.lost_records, other.lost_records, u64::saturating_add),
            arrival_rate: both(self.arrival_rate, other.arrival_rate, |a, b| a + b),
            consumption_rate: both(self.consumption_rate, other.consumption_rate, |a, b| a + b),
            uncommitted_records: both(
                self.uncommitted_records,
                other.uncommitted_records,
                |a, b| a + b,
            ),
            time_lag: either(self.time_lag, other.time_lag, TimeLag::longer),
        }
    }

    /// When the lag will be gone at the present rates; `None`: unknown, also
    /// while records wait in partitions without a commit, since nobody knows
    /// where their reader will begin.
    pub fn eta(&self) -> Option<Eta> {
        if self.records_without_commit > 0 {
            return None;
        }
        eta(
            unread(self.lag?, self.uncommitted_records),
            self.arrival_rate,
            self.consumption_rate,
        )
    }
}

fn both<T>(a: Option<T>, b: Option<T>, join: impl Fn(T, T) -> T) -> Option<T> {
    Some(join(a?, b?))
}

fn either<T>(a: Option<T>, b: Option<T>, join: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(join(a, b)),
        (one, other) => one.or(other),
    }
}

fn earlier(a: Option<TimestampMs>, b: Option<TimestampMs>) -> Option<TimestampMs> {
    either(a, b, TimestampMs::min)
}

#[cfg(test)]
mod tests {
    use super::{super::sample::testing::*, *};
    use proptest::{collection::vec, prelude::*};

    use crate::{
        estimator::sample::Sample,
        model::{Cell, SeriesKind},
    };

    fn shown(samples: &[Sample], now: i64) -> PartitionStanding {
        standing(samples, Wanted::SHOWN, at(now))
    }

    #[test]
    fn totals_add_up() {
        let first = shown(&samples(&[(0, 0, 0), (10, 100, 200), (20, 200, 400)]), 20);
        let second = shown(&samples(&[(0, 50, 50), (10, 50, 50), (20, 50, 50)]), 20);
        let totals = Totals::over([&first, &second].into_iter());
        assert_eq!(totals.partitions, 2);
        assert_eq!(totals.lag, Some(200));
        assert_eq!(totals.arrival_rate, Some(20.0));
        assert_eq!(totals.consumption_rate, Some(10.0));
        assert_eq!(totals.eta(), Some(Eta::Never));
        let time_lag = totals.time_lag.expect("known");
        assert!((time_lag.seconds - 9.975).abs() < 1e-9, "{time_lag:?}");
    }

    #[test]
    fn one_unknown_partition_makes_the_sum_unknown() {
        let known = shown(&samples(&[(600, 0, 10), (610, 5, 20)]), 610);
        let unknown = shown(&samples(&[(0, 0, 10)]), 610);
        let totals = Totals::over([&known, &unknown].into_iter());
        assert_eq!(totals.lag, None);
        assert_eq!(totals.arrival_rate, None);
        assert_eq!(totals.eta(), None);
        assert_eq!((totals.partitions, totals.unknown_partitions), (2, 1));
        assert_eq!(totals.unknown_since, Some(at(0)));
        assert_eq!(totals.as_of, Some(at(610)));
    }

    #[test]
    fn partitions_without_a_commit_are_counted_apart() {
        let mut rows = samples(&[(0, 0, 10), (10, 0, 30)]);
        for row in &mut rows {
            row.committed = Cell::NO_COMMIT;
        }
        let totals = Totals::over([&shown(&rows, 10)].into_iter());
        assert_eq!(totals.lag, Some(0));
        assert_eq!(totals.partitions_without_commit, 1);
        assert_eq!(totals.records_without_commit, 30);
        assert_eq!(totals.arrival_rate, Some(2.0));
        assert_eq!(totals.consumption_rate, Some(0.0));
        assert_eq!(totals.eta(), None);
    }

    /// Of `g` in two partitions of `t`: log starts, log ends and commits.
    fn window_of(ticks: &[[Cell; 6]]) -> Window {
        let kinds = [
            (SeriesKind::LogStartOffset, 2),
            (SeriesKind::LogEndOffset, 2),
            (SeriesKind::CommittedOffset, 2),
        ];
        window_of_rows(&kinds, ticks)
    }

    fn without_rates(totals: Totals) -> Totals {
        Totals {
            arrival_rate: None,
            consumption_rate: None,
            uncommitted_records: None,
            time_lag: None,
            ..totals
        }
    }

    proptest! {
        #[test]
        fn offsets_are_the_same_without_rates(
            ticks in vec(proptest::array::uniform6(prop_oneof![
                6 => (0_i64..50).prop_map(Cell::of),
                1 => Just(Cell::ABSENT),
                1 => Just(Cell::NO_COMMIT),
                1 => Just(Cell::GONE),
            ]), 1..6),
        ) {
            let window = window_of(&ticks);
            let now = window.as_of().expect("ticks");
            let whole = window.estimate_group("g", Wanted::SHOWN, &PARAMETERS, now).expect("known");
            let offsets = window.estimate_group("g", Wanted::OFFSETS, &PARAMETERS, now).expect("known");
            prop_assert_eq!(without_rates(offsets.totals), without_rates(whole.totals));
            prop_assert_eq!(offsets.topics.len(), whole.topics.len());
            for (offsets, whole) in offsets.topics.iter().zip(&whole.topics) {
                prop_assert_eq!(without_rates(offsets.totals), without_rates(whole.totals));
                for (one, other) in offsets.partitions.iter().zip(&whole.partitions) {
                    match (&one.1, &other.1) {
                        (PartitionStanding::Known(one), PartitionStanding::Known(other)) => {
                            let offsets = |of: &PartitionEstimate| (
                                of.as_of, of.committed_offset, of.log_start_offset,
                                of.log_end_offset, of.lag, of.lost_records,
                            );
                            prop_assert_eq!(offsets(one), offsets(other));
                        }
                        (one, other) => prop_assert_eq!(one, other),
                    }
                }
            }
        }
    }
}
