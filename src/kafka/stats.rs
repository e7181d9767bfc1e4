//! Numbers about what is asked of brokers, for the metrics page.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    broker_requests::{BrokerRequests, NewestRequests},
    client::Client,
};

/// What is asked of brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// ListOffsets: log start or log end, a batch of partitions.
    LogOffsets,
    /// OffsetFetch: commits of one group.
    GroupOffsets,
    /// ListGroups on each broker.
    ListGroups,
    /// DescribeGroups: members and state, a batch of groups.
    DescribeGroups,
    /// Metadata: partitions and leaders, a batch of topics.
    DescribeTopics,
}

impl RequestKind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 5] = [
        Self::LogOffsets,
        Self::GroupOffsets,
        Self::ListGroups,
        Self::DescribeGroups,
        Self::DescribeTopics,
    ];

    /// The kind's stable word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LogOffsets => "log_offsets",
            Self::GroupOffsets => "group_offsets",
            Self::ListGroups => "list_groups",
            Self::DescribeGroups => "describe_groups",
            Self::DescribeTopics => "describe_topics",
        }
    }
}

/// How many requests were made since the start, by kind.
#[derive(Debug, Default)]
pub struct RequestCounts([AtomicU64; RequestKind::ALL.len()]);

impl RequestCounts {
    /// How many of this kind.
    pub fn of(&self, kind: RequestKind) -> u64 {
        self.0[kind as usize].load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, kind: RequestKind) {
        self.0[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn copy_from(&self, other: &Self) {
        for (own, other) in self.0.iter().zip(&other.0) {
            own.store(other.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// What polling one cluster asks of its brokers, as it was known when the newest
/// cycle ended.
#[derive(Debug, Default)]
pub struct RequestStats {
    requests: RequestCounts,
    broker_requests: NewestRequests,
}

impl RequestStats {
    /// Requests made, by kind.
    pub fn requests(&self) -> &RequestCounts {
        &self.requests
    }

    /// What was really sent to brokers; `None` if nothing was.
    pub fn broker_requests(&self) -> Option<BrokerRequests> {
        self.broker_requests.get()
    }

    pub(super) fn note(&self, client: &Client) {
        self.requests.copy_from(client.requests());
        self.broker_requests.set(client.broker_requests());
    }
}
