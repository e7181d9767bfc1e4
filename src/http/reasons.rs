//! Why something of one group is not known.

use std::collections::HashMap;

use crate::{
    board::Snapshot,
    model::{Gap, GapScope, GroupId, Partition, TimestampMs, TopicName},
};

/// The newest tick's gaps that concern one group, by what they cover.
#[derive(Debug, Default)]
pub(super) struct Reasons<'a> {
    group: Option<&'a Gap>,
    topics: HashMap<&'a TopicName, &'a Gap>,
    partitions: HashMap<(&'a TopicName, Partition), &'a Gap>,
    any_of_topic: HashMap<&'a TopicName, &'a Gap>,
}

impl<'a> Reasons<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, group: &GroupId) -> Self {
        let mut reasons = Self::default();
        for gap in snapshot.gaps.iter() {
            reasons.take_in(gap, group);
        }
        reasons
    }

    fn take_in(&mut self, gap: &'a Gap, group: &GroupId) {
        match &gap.scope {
            GapScope::Cluster => {
                self.group.get_or_insert(gap);
            }
            GapScope::Group(id) if id == group => {
                self.group.get_or_insert(gap);
            }
            GapScope::Topic(topic) => {
                self.topics.entry(topic).or_insert(gap);
            }
            GapScope::Commit(id, topic, partition) if id == group => {
                self.note_partition(topic, *partition, gap);
            }
            GapScope::Partition(topic, partition) => self.note_partition(topic, *partition, gap),
            GapScope::Group(_)
            | GapScope::Commit(..)
            | GapScope::Discovery
            | GapScope::Membership(_) => {}
        }
    }

    fn note_partition(&mut self, topic: &'a TopicName, partition: Partition, gap: &'a Gap) {
        self.partitions.entry((topic, partition)).or_insert(gap);
        self.any_of_topic.entry(topic).or_insert(gap);
    }

    /// Why the group is not known at all.
    pub(super) fn of_group(&self) -> String {
        told(self.group, None)
    }

    /// Why the topic, or a part of it, is not known.
    pub(super) fn of_topic(&self, topic: &TopicName, since: Option<TimestampMs>) -> String {
        told(self.gap_of_topic(topic), since)
    }

    /// Why the partition is not known.
    pub(super) fn of_partition(
        &self,
        topic: &TopicName,
        partition: Partition,
        since: Option<TimestampMs>,
    ) -> String {
        let whole = self.group.or_else(|| self.topics.get(topic).copied());
        let gap = whole.or_else(|| self.partitions.get(&(topic, partition)).copied());
        told(gap, since)
    }

    fn gap_of_topic(&self, topic: &TopicName) -> Option<&'a Gap> {
        let of_topic = || {
            self.topics
                .get(topic)
                .or_else(|| self.any_of_topic.get(topic))
        };
        self.group.or_else(|| of_topic().copied())
    }
}

fn told(gap: Option<&Gap>, since: Option<TimestampMs>) -> String {
    match (gap, since) {
        (Some(gap), _) => gap.to_string(),
        (None, Some(since)) => format!("no usable reading since {since}"),
        (None, None) => "no usable reading".to_owned(),
    }
}
