//! One group: its commits, and its status.

use axum::http::StatusCode;

use crate::{
    estimator::{self, Finding, GroupVerdict, PartitionStatus, PartitionVerdict},
    model::GroupId,
};

use super::{
    super::{error::ApiError, reasons::Reasons, standing::View},
    answer::{Answer, Asked, Failure, Outcome},
    catalogue::known,
    shapes::{ConsumerDetail, ConsumerPartition, ConsumerStatus, GroupStatus, LaggingPartition},
};

const NOT_FOUND: &str = "cluster or consumer not found";

/// As a partition with ten commits takes some 800 bytes, 16 MB an answer.
const MAX_PARTITIONS: u32 = 20_000;

/// The newest commits, by topic and partition.
pub(super) fn detail(asked: &Asked<'_>) -> Outcome<ConsumerDetail> {
    let judged = judged(asked)?;
    let mut detail = ConsumerDetail {
        topics: Default::default(),
    };
    for one in &judged.partitions {
        let topic = detail.topics.entry(one.topic.to_string()).or_default();
        let place = usize::try_from(one.partition).unwrap_or(usize::MAX);
        topic.resize_with(place.max(topic.len()), || ConsumerPartition::WITHOUT_COMMIT);
        let partition = ConsumerPartition::of(one);
        topic.push(partition.unwrap_or(ConsumerPartition::WITHOUT_COMMIT));
    }
    Ok(Answer::ok("consumer detail returned", detail))
}

/// The partitions that are not OK.
pub(super) fn status(asked: &Asked<'_>) -> Outcome<ConsumerStatus> {
    told(asked, |one| one.verdict() != Some(PartitionVerdict::Ok))
}

/// All partitions.
pub(super) fn lag(asked: &Asked<'_>) -> Outcome<ConsumerStatus> {
    told(asked, |_| true)
}

fn told(asked: &Asked<'_>, picks: impl Fn(&PartitionStatus) -> bool) -> Outcome<ConsumerStatus> {
    let (cluster, group) = (&asked.names.cluster, &asked.names.group);
    let (code, status) = match judged(asked) {
        Ok(judged) => (StatusCode::OK, told_status(asked, &judged, picks)?),
        Err(Failure::NotFound(_)) => (
            StatusCode::NOT_FOUND,
            GroupStatus::not_found(cluster, group),
        ),
        Err(why) => return Err(why),
    };
    Ok(Answer {
        status: code,
        message: "consumer status returned",
        body: ConsumerStatus { status },
    })
}

fn told_status(
    asked: &Asked<'_>,
    judged: &estimator::GroupStatus,
    picks: impl Fn(&PartitionStatus) -> bool,
) -> Result<GroupStatus, Failure> {
    let unknown = || Failure::Unread("its lag is not known".to_owned());
    let partitions = judged.partitions.iter().filter(|one| picks(one));
    Ok(GroupStatus {
        cluster: asked.names.cluster.clone(),
        group: asked.names.group.clone(),
        status: judged
            .verdict
            .map(GroupVerdict::as_str)
            .ok_or_else(unknown)?,
        complete: judged.complete(),
        partitions: partitions.filter_map(LaggingPartition::of).collect(),
        partition_count: judged.partitions.len(),
        maxlag: judged.max_lag().and_then(LaggingPartition::of),
        totallag: judged.total_lag().ok_or_else(unknown)?,
    })
}

/// The group's status, of which each part could be read.
fn judged(asked: &Asked<'_>) -> Result<estimator::GroupStatus, Failure> {
    let view = asked.view(NOT_FOUND)?;
    let group = GroupId::from(asked.names.group.as_str());
    let not_found = || match view.snapshot.gap_of(&group, None) {
        Some(gap) => Failure::Unread(gap.to_string()),
        None => Failure::NotFound(NOT_FOUND),
    };
    refuse_too_many(&view, &group)?;
    let status = known(&view, &group).and_then(|_| view.status(&group));
    let status = status.filter(|status| status.verdict != Some(GroupVerdict::NotFound));
    let status = status.ok_or_else(not_found)?;
    match unread(&view, &group, &status) {
        Some(why) => Err(Failure::Unread(why)),
        None => Ok(status),
    }
}

fn refuse_too_many(view: &View<'_>, group: &GroupId) -> Result<(), ApiError> {
    let series = view.snapshot.window.index().groups().get(group);
    let topics = series.into_iter().flat_map(|series| series.topics.values());
    let count: u32 = topics.map(|commits| commits.len()).sum();
    if count <= MAX_PARTITIONS {
        return Ok(());
    }
    Err(ApiError::TooLarge {
        found: format!("{count} partitions"),
        limit: format!("at most {MAX_PARTITIONS}"),
        remedy: "ask /api/v1/history for one topic",
    })
}

/// The first partition that can't be read, and why.
fn unread(view: &View<'_>, group: &GroupId, status: &estimator::GroupStatus) -> Option<String> {
    status.partitions.iter().find_map(|one| {
        let Finding::Unread { since } = one.finding else {
            return None;
        };
        let reasons = Reasons::of(view.snapshot, group);
        let reason = reasons.of_partition(&one.topic, one.partition, since);
        Some(format!(
            "topic {} partition {}: {reason}",
            one.topic, one.partition
        ))
    })
}
