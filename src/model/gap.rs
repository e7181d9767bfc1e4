//! What could not be read, and why.

use std::fmt;

use super::{GroupId, Partition, TopicName};

/// A hole in a tick: what is missing from it, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// What could not be read.
    pub scope: GapScope,
    /// Why.
    pub reason: GapReason,
}

/// What a gap covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapScope {
    /// The whole cluster.
    Cluster,
    /// The list of the cluster's groups; groups known before are still read.
    Discovery,
    /// All that is read of one group.
    Group(GroupId),
    /// Only members and state of one group; its offsets are there.
    Membership(GroupId),
    /// The committed offset of one partition.
    Commit(GroupId, TopicName, Partition),
    /// All that is read of one topic.
    Topic(TopicName),
    /// Log start or log end offset of one partition.
    Partition(TopicName, Partition),
}

/// Why a reading is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GapReason {
    /// A short stable word for metrics and JSON, such as `timed_out`.
    pub code: String,
    /// The sentence for people.
    pub message: String,
}

impl GapScope {
    /// The group that it names.
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Group(group) | Self::Membership(group) | Self::Commit(group, ..) => Some(group),
            Self::Cluster | Self::Discovery | Self::Topic(_) | Self::Partition(..) => None,
        }
    }

    /// The topic that it names.
    pub fn topic(&self) -> Option<&TopicName> {
        match self {
            Self::Commit(_, topic, _) | Self::Topic(topic) | Self::Partition(topic, _) => {
                Some(topic)
            }
            Self::Cluster | Self::Discovery | Self::Group(_) | Self::Membership(_) => None,
        }
    }

    /// The partition that it names.
    pub fn partition(&self) -> Option<Partition> {
        match self {
            Self::Commit(_, _, partition) | Self::Partition(_, partition) => Some(*partition),
            _ => None,
        }
    }
}

impl fmt::Display for GapScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => write!(f, "cluster"),
            Self::Discovery => write!(f, "list of groups"),
            Self::Group(group) => write!(f, "group {group:?}"),
            Self::Membership(group) => write!(f, "members of group {group:?}"),
            Self::Commit(group, topic, partition) => {
                write!(f, "commit of group {group:?} on {topic}-{partition}")
            }
            Self::Topic(topic) => write!(f, "topic {topic:?}"),
            Self::Partition(topic, partition) => write!(f, "partition {topic}-{partition}"),
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.scope, self.reason.message)
    }
}
