//! Numbers about the polling itself, for the metrics page.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

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

/// How polling one cluster goes.
#[derive(Debug, Default)]
pub struct PollStats {
    cycles: AtomicU64,
    skipped_cycles: AtomicU64,
    incomplete_cycles: AtomicU64,
    last_cycle_us: AtomicU64,
    last_gaps: AtomicU64,
    requests: RequestCounts,
    broker_requests: NewestRequests,
}

impl PollStats {
    /// Cycles that came to their end since the start.
    pub fn cycles(&self) -> u64 {
        self.cycles.load(Ordering::Relaxed)
    }

    /// Cycles left out since the start, because the one before took too long.
    pub fn skipped_cycles(&self) -> u64 {
        self.skipped_cycles.load(Ordering::Relaxed)
    }

    /// Cycles since the start in which something could not be read.
    pub fn incomplete_cycles(&self) -> u64 {
        self.incomplete_cycles.load(Ordering::Relaxed)
    }

    /// How long the newest cycle took.
    pub fn last_cycle(&self) -> Duration {
        Duration::from_micros(self.last_cycle_us.load(Ordering::Relaxed))
    }

    /// How many gaps the newest tick has.
    pub fn last_gaps(&self) -> u64 {
        self.last_gaps.load(Ordering::Relaxed)
    }

    /// Requests made, by kind.
    pub fn requests(&self) -> &RequestCounts {
        &self.requests
    }

    /// What was really sent to brokers, as it was known when the newest cycle
    /// ended; `None` if nothing was.
    pub fn broker_requests(&self) -> Option<BrokerRequests> {
        self.broker_requests.get()
    }

    pub(super) fn cycle_ended(&self, took: Duration, gaps: usize, client: Option<&Client>) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.last_cycle_us.store(took_us, Ordering::Relaxed);
        self.last_gaps.store(gaps as u64, Ordering::Relaxed);
        if let Some(client) = client {
            self.requests.copy_from(client.requests());
            self.broker_requests.set(client.broker_requests());
        }
        let is_incomplete = u64::from(gaps > 0);
        self.incomplete_cycles
            .fetch_add(is_incomplete, Ordering::Relaxed);
        self.cycles.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cycles_skipped(&self, count: u64) {
        self.skipped_cycles.fetch_add(count, Ordering::Relaxed);
    }
}
