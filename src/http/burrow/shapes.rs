//! Burrow's JSON: the structs of its `httpserver/structs.go` and `protocol/`,
//! field by field.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    estimator::{Commit, GroupVerdict, MAX_COMMITS, PartitionStatus, PartitionVerdict},
    model::{Partition, TimestampMs},
};

/// What each answer has, around what was asked for.
#[derive(Debug, Serialize)]
pub(super) struct Envelope<B> {
    pub(super) error: bool,
    pub(super) message: String,
    #[serde(flatten)]
    pub(super) body: B,
    pub(super) request: Request,
}

#[derive(Debug, Serialize)]
pub(super) struct Request {
    pub(super) url: String,
    pub(super) host: &'static str,
}

/// An answer that has nothing but a message.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

#[derive(Debug, Serialize)]
pub(super) struct Clusters {
    pub(super) clusters: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Topics {
    pub(super) topics: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Consumers {
    pub(super) consumers: Vec<String>,
}

/// Log end offsets, by partition.
#[derive(Debug, Serialize)]
pub(super) struct Offsets {
    pub(super) offsets: Vec<i64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Module {
    pub(super) module: ClusterModule,
}

/// How Burrow reads a cluster. Nothing of our configuration is told to who may
/// read lags: what is empty here says nothing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ClusterModule {
    pub(super) class_name: &'static str,
    pub(super) servers: [&'static str; 0],
    pub(super) client_profile: ClientProfile,
    pub(super) topic_refresh: u64,
    pub(super) offset_refresh: u64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ClientProfile {
    name: &'static str,
    client_id: &'static str,
    kafka_version: &'static str,
    tls: Option<Nothing>,
    sasl: Option<Nothing>,
}

/// By topic; a partition's place in the list is its number.
#[derive(Debug, Serialize)]
pub(super) struct ConsumerDetail {
    pub(super) topics: BTreeMap<String, Vec<ConsumerPartition>>,
}

#[derive(Debug, Serialize)]
pub(super) struct ConsumerPartition {
    /// Oldest first, and `null` before them; empty without a commit.
    offsets: Vec<Option<Offset>>,
    owner: &'static str,
    client_id: &'static str,
    #[serde(rename = "current-lag")]
    current_lag: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Offset {
    offset: i64,
    timestamp: i64,
    #[serde(rename = "observedAt")]
    observed_at: i64,
    lag: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct ConsumerStatus {
    pub(super) status: GroupStatus,
}

#[derive(Debug, Serialize)]
pub(super) struct GroupStatus {
    pub(super) cluster: String,
    pub(super) group: String,
    pub(super) status: &'static str,
    pub(super) complete: f64,
    pub(super) partitions: Vec<LaggingPartition>,
    pub(super) partition_count: usize,
    pub(super) maxlag: Option<LaggingPartition>,
    pub(super) totallag: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct LaggingPartition {
    topic: String,
    partition: Partition,
    owner: &'static str,
    client_id: &'static str,
    status: &'static str,
    start: Option<Offset>,
    end: Option<Offset>,
    current_lag: u64,
    complete: f64,
}

impl ConsumerPartition {
    /// Where the group has committed nothing. It has no lag; Burrow's shape
    /// wants a number, and that there are no offsets says what it is worth.
    pub(super) const WITHOUT_COMMIT: Self = Self {
        offsets: Vec::new(),
        owner: "",
        client_id: "",
        current_lag: 0,
    };

    /// `None`: the group has committed nothing.
    pub(super) fn of(status: &PartitionStatus) -> Option<Self> {
        let current_lag = status.current_lag?;
        let known = status.commits.iter().filter(|commit| commit.lag.is_some());
        let known: Vec<_> = known.map(|commit| Some(Offset::from(commit))).collect();
        let missing = MAX_COMMITS.saturating_sub(known.len());
        let mut offsets: Vec<_> = std::iter::repeat_with(|| None).take(missing).collect();
        offsets.extend(known);
        Some(Self {
            offsets,
            current_lag,
            ..Self::WITHOUT_COMMIT
        })
    }
}

impl LaggingPartition {
    /// `None`: the group has committed nothing.
    pub(super) fn of(status: &PartitionStatus) -> Option<Self> {
        Some(Self {
            topic: status.topic.to_string(),
            partition: status.partition,
            owner: "",
            client_id: "",
            status: status.verdict().map(PartitionVerdict::as_str)?,
            start: status.start().map(Offset::from),
            end: status.end().map(Offset::from),
            current_lag: status.current_lag?,
            complete: status.complete(),
        })
    }
}

impl From<&Commit> for Offset {
    fn from(commit: &Commit) -> Self {
        let TimestampMs(seen_ms) = commit.observed_at;
        Self {
            offset: commit.offset,
            timestamp: seen_ms,
            observed_at: seen_ms,
            lag: commit.lag,
        }
    }
}

impl GroupStatus {
    /// Of a group that is not known.
    pub(super) fn not_found(cluster: &str, group: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            group: group.to_owned(),
            status: GroupVerdict::NotFound.as_str(),
            complete: 1.0,
            partitions: Vec::new(),
            partition_count: 0,
            maxlag: None,
            totallag: 0,
        }
    }
}
