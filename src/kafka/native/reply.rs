//! Reads answers: copies what is needed out of an event.

use std::ffi::CStr;

use rdkafka::bindings as k;

use super::{
    super::{
        client::{
            DescribedTopic, GroupList, GroupMembers, ListedGroup, TopicCommits, TopicDescription,
        },
        error::{ErrorCode, RequestError},
    },
    handle::Event,
    list, rd_kafka_ConsumerGroupDescription_state, rd_kafka_ConsumerGroupDescription_type,
    rd_kafka_ConsumerGroupListing_state, rd_kafka_ConsumerGroupListing_type, rd_kafka_error_code,
    refusal,
    request::ListedPartition,
    text,
};
use crate::model::{Assignment, GroupId, GroupState, Members, Membership, Partition, TopicName};

impl Event {
    /// Log offsets in the order of the `asked` partitions.
    ///
    /// `silent` stands for a partition whose leader gave no answer: librdkafka
    /// reports those as a success without an offset.
    pub(crate) fn log_offsets<'a>(
        &self,
        asked: impl ExactSizeIterator<Item = ListedPartition<'a>>,
        silent: ErrorCode,
    ) -> Result<Vec<Result<i64, ErrorCode>>, RequestError> {
        self.check()?;
        let mut count = 0;
        // SAFETY: a successful ListOffsets event holds `count` infos, which
        // live as long as the event.
        let infos = unsafe {
            let result = k::rd_kafka_event_ListOffsets_result(self.0.as_ptr());
            k::rd_kafka_ListOffsets_result_infos(result, &mut count)
        };
        if count != asked.len() {
            return Err(RequestError::Mismatch("another number of partitions"));
        }
        asked
            .enumerate()
            .map(|(index, (topic, partition))| {
                // SAFETY: `index` is below `count`.
                let entry = unsafe {
                    let info = *infos.add(index);
                    list::read(k::rd_kafka_ListOffsetsResultInfo_topic_partition(info))
                };
                if entry.partition != partition || entry.topic.to_bytes() != topic.as_bytes() {
                    return Err(RequestError::Mismatch("another partition"));
                }
                Ok(match (entry.error, entry.offset) {
                    (0, offset) if offset >= 0 => Ok(offset),
                    (0, _) => Err(silent),
                    (code, _) => Err(ErrorCode(code)),
                })
            })
            .collect()
    }

    /// A group's commits, a topic's partitions together where they came so.
    pub(crate) fn group_offsets(&self) -> Result<Vec<TopicCommits>, RequestError> {
        self.check()?;
        let mut count = 0;
        // SAFETY: a successful event of this kind holds `count` results, which
        // live as long as the event.
        let group = unsafe {
            let result = k::rd_kafka_event_ListConsumerGroupOffsets_result(self.0.as_ptr());
            let groups = k::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &mut count);
            only(groups, count)?
        };
        // SAFETY: the result is one of the event's.
        unsafe { commits(group) }
    }

    /// Did each of the commits that were asked for succeed?
    pub(crate) fn committed(&self) -> Result<(), RequestError> {
        self.check()?;
        let mut count = 0;
        // SAFETY: as in `group_offsets`.
        let commits = unsafe {
            let result = k::rd_kafka_event_AlterConsumerGroupOffsets_result(self.0.as_ptr());
            let groups = k::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &mut count);
            commits(only(groups, count)?)?
        };
        let failed = commits
            .iter()
            .flat_map(|topic| &topic.commits)
            .find_map(|(_, commit)| commit.err());
        match failed {
            None => Ok(()),
            Some(code) => Err(RequestError::Refused {
                code,
                message: code.to_string(),
            }),
        }
    }

    /// The groups that were found, and the errors of brokers that kept theirs.
    pub(crate) fn groups(&self) -> Result<GroupList, RequestError> {
        self.check()?;
        let (mut found, mut failed) = (0, 0);
        // SAFETY: a successful event of this kind holds `found` listings and
        // `failed` errors, which live as long as the event; texts are copied.
        unsafe {
            let result = k::rd_kafka_event_ListConsumerGroups_result(self.0.as_ptr());
            let listings = k::rd_kafka_ListConsumerGroups_result_valid(result, &mut found);
            let errors = k::rd_kafka_ListConsumerGroups_result_errors(result, &mut failed);
            Ok(GroupList {
                groups: (0..found)
                    .map(|index| listed(*listings.add(index)))
                    .collect(),
                errors: (0..failed)
                    .filter_map(|index| refusal(*errors.add(index)))
                    .collect(),
            })
        }
    }

    /// Members and state of each group.
    pub(crate) fn members(&self) -> Result<Vec<GroupMembers>, RequestError> {
        self.check()?;
        let mut count = 0;
        // SAFETY: a successful event of this kind holds `count` descriptions,
        // which live as long as the event.
        unsafe {
            let result = k::rd_kafka_event_DescribeConsumerGroups_result(self.0.as_ptr());
            let groups = k::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
            Ok((0..count)
                .map(|index| membership(*groups.add(index)))
                .collect())
        }
    }

    /// Leaders by partition of each topic that the answer names.
    pub(crate) fn topics(&self) -> Result<Vec<DescribedTopic>, RequestError> {
        self.check()?;
        let mut count = 0;
        // SAFETY: a successful event of this kind holds `count` places, which
        // live as long as the event; a topic that the broker left out is null.
        unsafe {
            let result = k::rd_kafka_event_DescribeTopics_result(self.0.as_ptr());
            let topics = k::rd_kafka_DescribeTopics_result_topics(result, &mut count);
            Ok((0..count)
                .map(|index| *topics.add(index))
                .filter(|topic| !topic.is_null())
                .map(|topic| description(topic))
                .collect())
        }
    }
}

/// # Safety
/// `groups` points to `count` live results.
unsafe fn only(
    groups: *mut *const k::rd_kafka_group_result_t,
    count: usize,
) -> Result<*const k::rd_kafka_group_result_t, RequestError> {
    if count != 1 {
        return Err(RequestError::Mismatch("another number of groups"));
    }
    // SAFETY: there is one.
    Ok(unsafe { *groups })
}

/// # Safety
/// `group` is live.
unsafe fn commits(
    group: *const k::rd_kafka_group_result_t,
) -> Result<Vec<TopicCommits>, RequestError> {
    // SAFETY: error and partitions live as long as the result.
    let entries = unsafe {
        if let Some(error) = refusal(k::rd_kafka_group_result_error(group)) {
            return Err(error);
        }
        list::entries(k::rd_kafka_group_result_partitions(group))
    };
    let mut topics: Vec<TopicCommits> = Vec::new();
    for entry in entries {
        let commit = match (entry.error, entry.offset) {
            (0, offset) if offset >= 0 => Ok(Some(offset)),
            (0, _) => Ok(None),
            (code, _) => Err(ErrorCode(code)),
        };
        match topics.last_mut() {
            Some(last) if last.topic.as_str().as_bytes() == entry.topic.to_bytes() => {
                last.commits.push((entry.partition, commit));
            }
            _ => topics.push(TopicCommits {
                topic: name(entry.topic),
                commits: vec![(entry.partition, commit)],
            }),
        }
    }
    Ok(topics)
}

/// # Safety
/// `listing` is live.
unsafe fn listed(listing: *const k::rd_kafka_ConsumerGroupListing_t) -> ListedGroup {
    // SAFETY: live by the caller's promise; the text is copied.
    unsafe {
        let kind = rd_kafka_ConsumerGroupListing_type(listing);
        ListedGroup {
            group: text(k::rd_kafka_ConsumerGroupListing_group_id(listing)).into(),
            state: group_state(rd_kafka_ConsumerGroupListing_state(listing), kind),
        }
    }
}

/// # Safety
/// `group` is live.
unsafe fn membership(group: *const k::rd_kafka_ConsumerGroupDescription_t) -> GroupMembers {
    // SAFETY: live by the caller's promise; texts are copied.
    unsafe {
        let id = GroupId::from(text(k::rd_kafka_ConsumerGroupDescription_group_id(group)));
        let error = k::rd_kafka_ConsumerGroupDescription_error(group);
        if !error.is_null() && rd_kafka_error_code(error) != 0 {
            return (id, Err(ErrorCode(rd_kafka_error_code(error))));
        }
        let kind = rd_kafka_ConsumerGroupDescription_type(group);
        let state = group_state(rd_kafka_ConsumerGroupDescription_state(group), kind);
        let membership = match state {
            GroupState::Dead => Membership {
                state,
                members: Some(Members::none()),
            },
            state => Membership {
                state,
                members: members(group, state),
            },
        };
        (id, Ok(membership))
    }
}

/// `None`: it has no protocol, so its consumers, if any, don't join it.
///
/// # Safety
/// `group` is live.
unsafe fn members(
    group: *const k::rd_kafka_ConsumerGroupDescription_t,
    state: GroupState,
) -> Option<Members> {
    // SAFETY: live by the caller's promise; members live as long as the group,
    // and `index` is below their number.
    unsafe {
        if k::rd_kafka_ConsumerGroupDescription_is_simple_consumer_group(group) != 0 {
            return None;
        }
        let count = k::rd_kafka_ConsumerGroupDescription_member_count(group);
        let assignment = || {
            let members = (0..count).map(|index| {
                let member = k::rd_kafka_ConsumerGroupDescription_member(group, index);
                let id = text(k::rd_kafka_MemberDescription_consumer_id(member));
                (id, assigned(member))
            });
            Assignment::of(members.collect())
        };
        Some(Members {
            count: u32::try_from(count).unwrap_or(u32::MAX),
            assignment: (!state.is_rebalancing()).then(assignment),
        })
    }
}

/// # Safety
/// `member` is live.
unsafe fn assigned(member: *const k::rd_kafka_MemberDescription_t) -> Vec<(TopicName, Partition)> {
    // SAFETY: live by the caller's promise; a list lives as long as its member.
    unsafe {
        let assignment = k::rd_kafka_MemberDescription_assignment(member);
        if assignment.is_null() {
            return Vec::new();
        }
        let mut topic: Option<TopicName> = None;
        list::entries(k::rd_kafka_MemberAssignment_partitions(assignment))
            .map(|entry| {
                let same = topic
                    .take()
                    .filter(|last| last.as_str().as_bytes() == entry.topic.to_bytes());
                let name = same.unwrap_or_else(|| name(entry.topic));
                (topic.insert(name).clone(), entry.partition)
            })
            .collect()
    }
}

/// Librdkafka's number of a group on the new consumer protocol.
const CONSUMER_TYPE: i32 = 1;

/// Librdkafka's numbers. It has none for the states that only the new consumer
/// protocol has, and calls them unknown: of these, `Assigning` passes at once.
fn group_state(state: i32, kind: i32) -> GroupState {
    match state {
        1 => GroupState::PreparingRebalance,
        2 => GroupState::CompletingRebalance,
        3 => GroupState::Stable,
        4 => GroupState::Dead,
        5 => GroupState::Empty,
        _ if kind == CONSUMER_TYPE => GroupState::Reconciling,
        _ => GroupState::Unknown,
    }
}

/// # Safety
/// `topic` is live.
unsafe fn description(topic: *const k::rd_kafka_TopicDescription_t) -> DescribedTopic {
    // SAFETY: live by the caller's promise; its partitions and their leaders
    // live as long as it.
    unsafe {
        let name = TopicName::from(text(k::rd_kafka_TopicDescription_name(topic)));
        let error = k::rd_kafka_TopicDescription_error(topic);
        let code = if error.is_null() {
            0
        } else {
            rd_kafka_error_code(error)
        };
        if code != 0 {
            return (name, Err(ErrorCode(code)));
        }
        let mut count = 0;
        let partitions = k::rd_kafka_TopicDescription_partitions(topic, &mut count);
        let mut leaders = vec![None; count];
        for index in 0..count {
            let partition = *partitions.add(index);
            let number = k::rd_kafka_TopicPartitionInfo_partition(partition);
            let leader = k::rd_kafka_TopicPartitionInfo_leader(partition);
            let place = usize::try_from(number)
                .ok()
                .and_then(|at| leaders.get_mut(at));
            if let (Some(place), false) = (place, leader.is_null()) {
                *place = Some(k::rd_kafka_Node_id(leader)).filter(|id| *id >= 0);
            }
        }
        let id = topic_id(k::rd_kafka_TopicDescription_topic_id(topic));
        (name, Ok(TopicDescription { id, leaders }))
    }
}

/// # Safety
/// `id` is null or live.
unsafe fn topic_id(id: *const k::rd_kafka_Uuid_t) -> Option<i64> {
    if id.is_null() {
        return None;
    }
    // SAFETY: not null, and live by the caller's promise.
    let halves = unsafe {
        let high = k::rd_kafka_Uuid_most_significant_bits(id);
        (high, k::rd_kafka_Uuid_least_significant_bits(id))
    };
    // All zeros stand for none. Both halves are random.
    (halves != (0, 0)).then_some((halves.0 ^ halves.1) & i64::MAX)
}

fn name(text: &CStr) -> TopicName {
    TopicName::from(text.to_string_lossy().as_ref())
}
