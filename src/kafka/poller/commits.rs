//! Reads the committed offsets of groups.

use crate::model::{GapReason, Partition, TopicName};

use super::{
    super::{client::TopicCommits, error::RequestError},
    Cycle, IN_FLIGHT_A_BROKER,
    coordinators::Coordinators,
    deadline::Deadline,
    discovery::Target,
    side_by_side::side_by_side,
    topics::{Knowledge, TopicCache},
};

/// How many partitions are asked for in one request. Librdkafka takes time that
/// grows with the square.
const PARTITIONS_A_REQUEST: usize = 500;

/// All commits of one group, or why they could not be read.
pub(super) type GroupCommits = Result<Vec<TopicCommits>, RequestError>;

/// The commits of each target, in their order.
pub(super) async fn read(
    cycle: Cycle<'_>,
    topics: &TopicCache,
    coordinators: &Coordinators,
    targets: &[Target<'_>],
) -> Vec<GroupCommits> {
    let requests = targets.iter().enumerate().map(|(place, target)| {
        let read = async move {
            let commits = read_group(cycle, topics, coordinators, target).await;
            (place, commits)
        };
        (coordinators.of(&target.group), read)
    });
    let mut read = side_by_side(requests.collect(), IN_FLIGHT_A_BROKER).await;
    read.sort_unstable_by_key(|(place, _)| *place);
    read.into_iter().map(|(_, commits)| commits).collect()
}

async fn read_group(
    cycle: Cycle<'_>,
    topics: &TopicCache,
    coordinators: &Coordinators,
    target: &Target<'_>,
) -> GroupCommits {
    let deadline = cycle.deadline.within(cycle.client.request_timeout());
    let fetch = |partitions| fetch(cycle, deadline, coordinators, target, partitions);
    if target.committed.is_asked() {
        let mut found = fetch(None).await?;
        found.retain(|found| target.wants(&found.topic));
        return Ok(found);
    }
    let wanted = explicit_partitions(topics, target);
    let mut found = Vec::new();
    for part in wanted.chunks(PARTITIONS_A_REQUEST) {
        found.extend(fetch(Some(part)).await?);
    }
    Ok(found)
}

async fn fetch(
    cycle: Cycle<'_>,
    deadline: Deadline,
    coordinators: &Coordinators,
    target: &Target<'_>,
    partitions: Option<&[(&TopicName, Partition)]>,
) -> GroupCommits {
    let group = &target.group;
    coordinators
        .ask(group, cycle, deadline, |broker, left| {
            cycle.client.group_offsets(group, broker, partitions, left)
        })
        .await
}

/// Each partition of the topics that were asked for, as far as they exist.
fn explicit_partitions<'a>(
    topics: &TopicCache,
    target: &Target<'a>,
) -> Vec<(&'a TopicName, Partition)> {
    let mut wanted = Vec::new();
    for topic in target.topics {
        if let Some(Knowledge::Present(known)) = topics.get(topic) {
            wanted.extend(
                (0..)
                    .zip(&known.leaders)
                    .map(|(partition, _)| (topic, partition)),
            );
        }
    }
    wanted
}

/// Why nothing at all could be asked about a group: none of the topics that it
/// is asked about can be described.
pub(super) fn nothing_to_ask<'a>(
    topics: &'a TopicCache,
    target: &Target<'_>,
) -> Option<&'a GapReason> {
    let mut reasons = target.topics.iter().map(|topic| match topics.get(topic) {
        Some(Knowledge::Unreadable(reason)) => Some(reason),
        _ => None,
    });
    if target.committed.is_asked() {
        return None;
    }
    let first = reasons.next()??;
    reasons.all(|reason| reason.is_some()).then_some(first)
}

/// One more than the highest partition with a commit.
pub(super) fn partitions_seen(found: &TopicCommits) -> usize {
    let highest = found.commits.iter().map(|(partition, _)| *partition).max();
    highest.map_or(0, |highest| {
        usize::try_from(highest).map_or(0, |highest| highest + 1)
    })
}
