//! One observation of one cluster: what crosses from collection to the rest.

use super::{ClusterName, Gap, GroupId, Membership, Partition, TimestampMs, TopicName};

/// One observation of all that is watched in one cluster at one time.
///
/// Committed offsets were read before log end offsets, so that a lag made of
/// them is never negative for a group that only reads what is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// The cluster that was observed.
    pub cluster: ClusterName,
    /// When. Strictly later than the cluster's tick before.
    pub at: TimestampMs,
    /// Topics in which a group of this tick has an interest, sorted by name.
    pub topics: Vec<TopicReading>,
    /// Groups whose offsets could be read, sorted by name. A group that could
    /// not be read is not here; [`Tick::gaps`] says why.
    pub groups: Vec<GroupReading>,
    /// What is missing, sorted.
    pub gaps: Vec<Gap>,
}

/// One topic's logs.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicReading {
    /// Its name.
    pub topic: TopicName,
    /// Another number once a topic was deleted and made anew under the same
    /// name: Kafka's topic id, folded; never negative. `None` where brokers
    /// are too old to have one.
    pub id: Option<i64>,
    /// What the brokers say of it.
    pub state: TopicState,
}

/// What the brokers say of a topic.
#[derive(Debug, Clone, PartialEq)]
pub enum TopicState {
    /// It exists. Partition p stands at index p.
    Present(Vec<PartitionReading>),
    /// The brokers know no such topic.
    Missing,
}

/// One partition's log. `None`: could not be read in this tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionReading {
    /// Offset of the first record that is still there.
    pub log_start_offset: Option<i64>,
    /// Offset that the next record will get.
    pub log_end_offset: Option<i64>,
}

/// One consumer group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupReading {
    /// Its `group.id`.
    pub group: GroupId,
    /// Its state and members; `None` where the broker can't tell.
    pub membership: Option<Membership>,
    /// The topics that it has commits in or was asked about, sorted by name.
    /// A topic that was here before and is no more has been left by the group.
    pub topics: Vec<GroupTopicReading>,
    /// What its queue says beside that, if it is a queue's task and no consumer
    /// group of Kafka's.
    pub queue: Option<QueueReading>,
}

/// What a queue says of one of its tasks, beside what its offsets tell: the log
/// end counts what has come, the commit what has gone, and the lag is the depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueReading {
    /// For how long the oldest item has waited, in milliseconds; `None`: the
    /// queue does not say, or nothing waits.
    pub oldest_age_ms: Option<i64>,
    /// The queue's own count of items that have come; `None`: it has none.
    pub added: Option<i64>,
    /// The queue's own count of items that are done; `None`: it has none.
    pub done: Option<i64>,
}

/// What one group has committed in one topic.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupTopicReading {
    /// The topic.
    pub topic: TopicName,
    /// Partition p stands at index p.
    pub commits: Vec<Commit>,
}

impl GroupTopicReading {
    /// The commit in `partition`; unread where the tick doesn't reach.
    pub fn commit(&self, partition: Partition) -> Commit {
        usize::try_from(partition)
            .ok()
            .and_then(|index| self.commits.get(index))
            .copied()
            .unwrap_or(Commit::Unread)
    }
}

/// A group's committed offset in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// The offset of the next record that the group will read.
    At(i64),
    /// The group has committed nothing here.
    None,
    /// Could not be read in this tick.
    Unread,
}
