//! A status as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    estimator::{Commit, GroupStatus, GroupVerdict, PartitionStatus, PartitionVerdict},
    model::{ClusterName, GroupId, Partition, TimestampMs},
};

use super::super::openapi::words::{GroupStatusWord, PartitionStatusWord};

/// A group's status; what is not known is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupStatus)]
pub(super) struct StatusJson {
    cluster: String,
    group: String,
    /// As of when it is judged.
    #[schema(format = DateTime)]
    at: String,
    /// The newest tick by then.
    #[schema(format = DateTime)]
    as_of: Option<String>,
    #[schema(value_type = Option<GroupStatusWord>)]
    status: Option<&'static str>,
    reason: String,
    complete: f64,
    partition_count: usize,
    total_lag: Option<u64>,
    max_lag: Option<MaxLagJson>,
    partitions: Vec<PartitionJson>,
}

/// The partition with the largest lag.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MaxLag)]
struct MaxLagJson {
    topic: String,
    #[schema(value_type = i32)]
    partition: Partition,
    lag: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PartitionStatus)]
struct PartitionJson {
    topic: String,
    #[schema(value_type = i32)]
    partition: Partition,
    #[schema(value_type = Option<PartitionStatusWord>)]
    status: Option<&'static str>,
    reason: String,
    complete: f64,
    current_lag: Option<u64>,
    start: Option<CommitJson>,
    end: Option<CommitJson>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Commit)]
struct CommitJson {
    offset: i64,
    /// The reading before, when it was not made yet; `null`: it may be of any
    /// time before `observed_at`.
    #[schema(format = DateTime)]
    made_after: Option<String>,
    #[schema(format = DateTime)]
    observed_at: String,
    lag: Option<u64>,
}

impl StatusJson {
    /// `None`: the group was not known. `reason` is that of a partition.
    pub(super) fn new(
        (cluster, group): (&ClusterName, &GroupId),
        at: TimestampMs,
        as_of: Option<TimestampMs>,
        status: Option<GroupStatus>,
        reason: impl Fn(&PartitionStatus) -> String,
    ) -> Self {
        let status = status.unwrap_or(GroupStatus {
            verdict: None,
            partitions: Vec::new(),
        });
        let partitions = status.partitions.iter();
        Self {
            cluster: cluster.to_string(),
            group: group.to_string(),
            at: at.to_string(),
            as_of: as_of.map(|at| at.to_string()),
            status: status.verdict.map(GroupVerdict::as_str),
            reason: reason_of_group(&status, as_of, &reason),
            complete: status.complete(),
            partition_count: status.partitions.len(),
            total_lag: status.verdict.and_then(|_| status.total_lag()),
            max_lag: status.max_lag().map(MaxLagJson::from),
            partitions: partitions
                .map(|one| PartitionJson::new(one, reason(one)))
                .collect(),
        }
    }
}

/// What the rules say of the partition.
pub(super) fn finding_text(partition: &PartitionStatus) -> String {
    partition.finding.to_string()
}

/// Why the verdict on the group is what it is.
pub(in crate::http) fn reason_in_words(status: &GroupStatus) -> String {
    reason_of_group(status, None, finding_text)
}

fn reason_of_group(
    status: &GroupStatus,
    as_of: Option<TimestampMs>,
    reason: impl Fn(&PartitionStatus) -> String,
) -> String {
    match (status.worst(), status.verdict) {
        (Some(worst), _) => {
            let reason = reason(worst);
            format!(
                "topic {} partition {}: {reason}",
                worst.topic, worst.partition
            )
        }
        (None, Some(GroupVerdict::NotFound)) => "the group and its commits are gone".to_owned(),
        (None, Some(_)) => "the group has no commits".to_owned(),
        (None, None) if as_of.is_none() => "nothing was recorded by then".to_owned(),
        (None, None) => "the group was not read".to_owned(),
    }
}

impl PartitionJson {
    fn new(status: &PartitionStatus, reason: String) -> Self {
        Self {
            topic: status.topic.to_string(),
            partition: status.partition,
            status: status.verdict().map(PartitionVerdict::as_str),
            reason,
            complete: status.complete(),
            current_lag: status.current_lag,
            start: status.start().map(CommitJson::from),
            end: status.end().map(CommitJson::from),
        }
    }
}

impl From<&PartitionStatus> for MaxLagJson {
    fn from(status: &PartitionStatus) -> Self {
        Self {
            topic: status.topic.to_string(),
            partition: status.partition,
            lag: status.current_lag,
        }
    }
}

impl From<&Commit> for CommitJson {
    fn from(commit: &Commit) -> Self {
        Self {
            offset: commit.offset,
            made_after: commit.made_after.map(|at| at.to_string()),
            observed_at: commit.observed_at.to_string(),
            lag: commit.lag,
        }
    }
}
