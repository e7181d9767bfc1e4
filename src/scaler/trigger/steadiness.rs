//! How what is told changes more slowly than what is read.

use std::{ops::RangeInclusive, time::Duration};

use super::super::metadata::Reader;

/// How long a hold or a look back may be. Longer than the HPA's own longest
/// stabilization it would be no steadiness any more.
pub(super) const HOLDS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);
/// How long a window is at least.
pub(super) const LEAST_PERIOD: Duration = Duration::from_secs(10);

/// How what is told changes more slowly than what is read. The default is not
/// at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Steadiness {
    /// `rebalanceGracePeriod`: for so long after a rebalance, what was read
    /// before it is told.
    pub rebalance_grace: Duration,
    /// `scaleDownWindow`: the highest value of so long is told.
    pub scale_down_window: Duration,
}

impl Steadiness {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            rebalance_grace: reader.duration("rebalanceGracePeriod", HOLDS, Duration::ZERO),
            scale_down_window: reader.duration("scaleDownWindow", HOLDS, Duration::ZERO),
        }
    }

    pub(super) fn looks_back(&self) -> Duration {
        // What was read before a rebalance was read before its grace.
        (self.rebalance_grace * 2).max(self.scale_down_window)
    }
}
