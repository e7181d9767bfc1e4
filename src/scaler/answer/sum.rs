//! What the partitions of the groups add up to.

use crate::{
    estimator::{PartitionEstimate, TimeLag, Wanted},
    model::TimestampMs,
    scaler::trigger::{LagPolicy, Measure},
};

/// What the partitions of the groups add up to. A sum in which one term is
/// unknown is `None`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sum {
    pub(super) partitions: u32,
    pub(super) partitions_without_commit: u32,
    /// Records in the logs of those.
    pub(super) records_without_commit: u64,
    pub(super) partitions_with_lag: u32,
    /// Lag by the policy, without what is persistent.
    pub(super) lag: f64,
    pub(super) lag_with_persistent: f64,
    /// Lag of partitions with a commit, by no policy.
    pub(super) committed_lag: u64,
    /// In records/s.
    pub(super) arrival_rate: Option<f64>,
    /// In records/s; a partition without a commit consumes nothing.
    pub(super) consumption_rate: Option<f64>,
    /// Records that are read and not committed yet.
    pub(super) uncommitted_records: Option<f64>,
    /// The longest, in seconds.
    pub(super) time_lag_s: Option<f64>,
    /// Time of the oldest reading.
    pub(super) as_of: Option<TimestampMs>,
}

impl Sum {
    pub(super) const NOTHING: Self = Self {
        partitions: 0,
        partitions_without_commit: 0,
        records_without_commit: 0,
        partitions_with_lag: 0,
        lag: 0.0,
        lag_with_persistent: 0.0,
        committed_lag: 0,
        arrival_rate: Some(0.0),
        consumption_rate: Some(0.0),
        uncommitted_records: Some(0.0),
        time_lag_s: Some(0.0),
        as_of: None,
    };

    /// Adds one partition; `None` if its lag by the policy is not known.
    pub(super) fn add(&mut self, partition: &PartitionEstimate, measure: &Measure) -> Option<()> {
        let policy = measure.policy();
        let takes_mean = matches!(measure, Measure::AverageLag(..));
        self.add_lag(policy.lag_of(partition, takes_mean)?, partition, policy);
        self.partitions += 1;
        let as_of = self.as_of.unwrap_or(partition.as_of);
        self.as_of = Some(as_of.min(partition.as_of));
        self.arrival_rate = both(self.arrival_rate, partition.arrival_rate);
        if partition.committed_offset.is_none() {
            self.partitions_without_commit += 1;
            let records = partition.retained_records();
            self.records_without_commit = self.records_without_commit.saturating_add(records);
            return Some(());
        }
        self.committed_lag = self.committed_lag.saturating_add(partition.lag?);
        self.consumption_rate = both(self.consumption_rate, partition.consumption_rate);
        let uncommitted = partition.uncommitted_records;
        self.uncommitted_records = both(self.uncommitted_records, uncommitted);
        let time_lag = partition.time_lag.and_then(known_s);
        self.time_lag_s = self.time_lag_s.zip(time_lag).map(|(a, b)| a.max(b));
        Some(())
    }

    fn add_lag(&mut self, lag: f64, partition: &PartitionEstimate, policy: &LagPolicy) {
        self.lag_with_persistent += lag;
        if policy.is_persistent(partition) {
            return;
        }
        self.lag += lag;
        self.partitions_with_lag += u32::from(lag > 0.0);
    }
}

/// Of one reading alone nothing is known but that a record waits.
fn known_s(time_lag: TimeLag) -> Option<f64> {
    let is_unknown = time_lag.at_least && time_lag.seconds == 0.0;
    (!is_unknown).then_some(time_lag.seconds)
}

fn both(sum: Option<f64>, term: Option<f64>) -> Option<f64> {
    Some(sum? + term?)
}

impl Measure {
    /// What is wanted of each partition.
    pub(super) fn wanted(&self) -> Wanted {
        let of_measure = match self {
            Self::Lag(_) | Self::Backlog(..) => Wanted::OFFSETS,
            Self::AverageLag(..) => Wanted {
                mean_lag: true,
                ..Wanted::OFFSETS
            },
            Self::TimeLag(_) => Wanted {
                time_lag: true,
                ..Wanted::OFFSETS
            },
            Self::Eta { .. } | Self::ConsumptionDeficit(..) => Wanted {
                rates: true,
                ..Wanted::OFFSETS
            },
        };
        Wanted {
            unmoved: self.policy().persistent_after.is_some(),
            ..of_measure
        }
    }
}
