//! Which column of a [`Frame`](super::Frame) holds which series.

use std::sync::Arc;

use super::{GroupId, Partition, TopicName, WatchName};

mod columns;
mod index;
mod missing;
mod named;
mod place;

pub use columns::Columns;
pub use index::{MisplacedRun, SeriesIndex};
pub use named::{GroupSeries, ToldSeries, TopicSeries};

/// What a series measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeriesKind {
    /// Of a topic's partition: offset of the first record still there.
    LogStartOffset,
    /// Of a topic's partition: offset that the next record will get.
    LogEndOffset,
    /// Of a group in a topic's partition: offset of the next record to read.
    CommittedOffset,
    /// Of a group: how many members it has.
    Members,
    /// Of a group: [`GroupState::number`](super::GroupState::number).
    State,
    /// Of a group's members, the one with the most first: how many partitions
    /// it has. The member's rank stands for a partition.
    AssignedPartitions,
    /// Of a group: [`Assignment::fingerprint`](super::Assignment::fingerprint).
    Assignment,
    /// Of a topic: [`TopicReading::id`].
    TopicId,
    /// Of a queue's task: [`QueueReading::oldest_age_ms`](super::QueueReading).
    OldestAge,
    /// Of a queue's task: [`QueueReading::added`](super::QueueReading).
    Added,
    /// Of a queue's task: [`QueueReading::done`](super::QueueReading).
    Done,
    /// Of a watch: [`Told::metric_value`](super::Told::metric_value).
    MetricValue,
    /// Of a watch: [`Told::target`](super::Told::target).
    Target,
    /// Of a watch: [`Told::active`](super::Told::active).
    Active,
}

/// A run of neighbouring columns: the partitions of one thing, from
/// `first_partition` on. The catalogue's unit, on disk and in memory.
///
/// Groups and topics are named by the kind that needs them: `LogStartOffset`,
/// `LogEndOffset` and `TopicId` a topic, `CommittedOffset` both, the others a group.
/// What was told is of a watch, which has a name of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesRun {
    /// Column of the first partition.
    pub base: u32,
    /// How many columns.
    pub count: u32,
    /// What they measure.
    pub kind: SeriesKind,
    /// The group, if the kind has one.
    pub group: Option<GroupId>,
    /// The topic, if the kind has one.
    pub topic: Option<TopicName>,
    /// The watch, if the kind has one.
    pub watch: Option<Arc<WatchName>>,
    /// The partition in column `base`; 0 for kinds without partitions.
    pub first_partition: Partition,
}

#[cfg(test)]
mod tests;
