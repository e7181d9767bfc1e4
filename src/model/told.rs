//! What KEDA was told, as it is kept.

use std::sync::Arc;

use super::{Cell, ClusterName, GroupId, TimestampMs, TopicName};

/// What one watch is called and found by in history, where it stays when the
/// watch itself is long forgotten.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchName {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its group; `None` for a trigger that picks groups by a rule.
    pub group: Option<GroupId>,
    /// Its topic; `None` for a trigger that is about all topics of its groups.
    pub topic: Option<TopicName>,
    /// The name of its metric.
    pub metric_name: String,
    /// [`WatchRecord::key`](super::WatchRecord::key).
    pub key: String,
}

/// What KEDA was told last of one watch: numbers in thousandths, which is as
/// precise as KEDA's own quantities are. A cell is absent where KEDA was told
/// an error, or nothing since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The metric's value, in thousandths.
    pub metric_value: Cell,
    /// What one replica is to bear, in thousandths.
    pub target: Cell,
    /// Is there anything to do? 1 or 0.
    pub active: Cell,
}

impl Told {
    /// Nothing was told.
    pub const NOTHING: Self = Self {
        metric_value: Cell::ABSENT,
        target: Cell::ABSENT,
        active: Cell::ABSENT,
    };

    /// The watch has expired: nobody asks for it any more.
    pub const GONE: Self = Self {
        metric_value: Cell::GONE,
        target: Cell::GONE,
        active: Cell::GONE,
    };

    /// Is there nothing that is known to have been told?
    pub fn is_unknown(&self) -> bool {
        let cells = [self.metric_value, self.target, self.active];
        cells.iter().all(|cell| cell.value().is_none())
    }
}

/// Something else was told of a watch than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldChange {
    /// When.
    pub at: TimestampMs,
    /// Of which watch.
    pub watch: Arc<WatchName>,
    /// What is told of it from then on.
    pub told: Told,
}
