//! How many replicas a lag may ask for, as KEDA's `kafka` trigger bounds it.

use crate::{estimator::PartitionEstimate, scaler::trigger::OffsetResetPolicy};

use super::super::trigger::{Bound, LagPolicy};

impl LagPolicy {
    /// `lag` over `partitions`, `with_lag` of which have any, within the bound.
    pub(super) fn bounded(&self, lag: f64, partitions: u32, with_lag: u32) -> f64 {
        let lag = match self.bound {
            Bound::EvenDistribution => self.evenly(lag, partitions),
            _ => lag,
        };
        let bound = match self.bound {
            Bound::None => return lag,
            Bound::PartitionsWithLag => f64::from(with_lag),
            Bound::Partitions | Bound::EvenDistribution => f64::from(partitions),
        };
        let wants_more = (lag / self.threshold).floor() > bound;
        if wants_more {
            bound * self.threshold
        } else {
            lag
        }
    }

    /// The lag that asks for the fewest replicas that can bear `lag` and divide
    /// the partitions evenly; for all partitions if none can.
    fn evenly(&self, lag: f64, partitions: u32) -> f64 {
        let divisors = (1..=partitions).filter(|count| partitions.is_multiple_of(*count));
        let mut bearing = divisors.map(|count| f64::from(count) * self.threshold);
        let most = f64::from(partitions) * self.threshold;
        bearing.find(|borne| *borne >= lag).unwrap_or(most)
    }

    /// What a partition counts: its lag, or its `mean` lag instead.
    pub(super) fn lag_of(&self, partition: &PartitionEstimate, takes_mean: bool) -> Option<f64> {
        let Some(committed) = partition.committed_offset else {
            return Some(self.lag_without_commit(partition));
        };
        if takes_mean {
            return partition.mean_lag;
        }
        if self.as_keda {
            // Deleted records and a commit beyond the end count along.
            return Some(partition.log_end_offset as f64 - committed as f64);
        }
        partition.lag.map(|lag| lag as f64)
    }

    fn lag_without_commit(&self, partition: &PartitionEstimate) -> f64 {
        match self.offset_reset_policy {
            _ if self.scale_to_zero_on_invalid_offset => 0.0,
            OffsetResetPolicy::Latest => 1.0,
            OffsetResetPolicy::Earliest if self.as_keda => partition.log_end_offset as f64,
            OffsetResetPolicy::Earliest => partition.retained_records() as f64,
        }
    }

    /// Has nothing been committed for so long that the lag counts as stuck?
    pub(super) fn is_persistent(&self, partition: &PartitionEstimate) -> bool {
        let unmoved = self.persistent_after.zip(partition.unmoved_for);
        unmoved.is_some_and(|(after, unmoved)| !unmoved.is_zero() && unmoved >= after)
    }

    /// Does a group without a commit have the whole log before it?
    pub(super) fn reads_from_the_start(&self) -> bool {
        self.offset_reset_policy == OffsetResetPolicy::Earliest
            && !self.scale_to_zero_on_invalid_offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(bound: Bound, threshold: f64, lag: f64, partitions: u32, with_lag: u32) -> f64 {
        let policy = LagPolicy {
            bound,
            ..LagPolicy::unbounded(threshold)
        };
        policy.bounded(lag, partitions, with_lag)
    }

    #[test]
    fn lag_is_capped_at_a_replica_a_partition() {
        for (bound, lag, expected) in [
            (Bound::Partitions, 29.0, 29.0),
            // More than two thresholds, but not three: KEDA divides integers.
            (Bound::Partitions, 39.0, 39.0),
            (Bound::Partitions, 40.0, 30.0),
            (Bound::None, 1_000.0, 1_000.0),
            (Bound::PartitionsWithLag, 1_000.0, 10.0),
            (Bound::PartitionsWithLag, 19.0, 19.0),
        ] {
            assert_eq!(bounded(bound, 10.0, lag, 3, 1), expected, "{bound:?} {lag}");
        }
        assert_eq!(bounded(Bound::PartitionsWithLag, 10.0, 5.0, 3, 0), 5.0);
        assert_eq!(
            bounded(Bound::Partitions, 10.0, 50.0, 0, 0),
            0.0,
            "no partition"
        );
    }

    #[test]
    fn even_distribution_asks_for_the_next_divisor() {
        for (partitions, lag, expected) in [
            (12, 0.0, 10.0),
            (12, 10.0, 10.0),
            (12, 11.0, 20.0),
            (12, 41.0, 60.0),
            (12, 61.0, 120.0),
            (12, 5_000.0, 120.0),
            (7, 11.0, 70.0),
            (0, 100.0, 0.0),
        ] {
            let found = bounded(Bound::EvenDistribution, 10.0, lag, partitions, partitions);
            assert_eq!(found, expected, "{partitions} {lag}");
        }
    }
}
