//! Which log start offsets are to be read, and what the others were.
//!
//! Where each group's commit is at the log's end or beyond, the log start
//! changes neither lag nor lost records, both of which are 0 whatever it is: it
//! is never beyond the end. There it is read from time to time; everywhere else
//! in each cycle.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::model::{Partition, PartitionReading, TopicName};

use super::{
    super::client::TopicDescription,
    commits::GroupCommits,
    deadline::jittered,
    topics::{Knowledge, TopicCache},
};

/// How old a log start may get where it changes nothing but what is shown.
const LONGEST_UNREAD: Duration = Duration::from_secs(300);

/// Log starts as last read.
#[derive(Debug, Default)]
pub(super) struct LogStarts(HashMap<TopicName, Topic>);

#[derive(Debug)]
struct Topic {
    /// When all are to be read again.
    due: Instant,
    partitions: Vec<PartitionReading>,
}

impl LogStarts {
    /// Sets the log starts of a topic whose log ends have just been read, from
    /// partition `first` on and as far as they are known, and hands back the
    /// partitions whose log start is to be read.
    pub(super) fn fill(
        &self,
        topic: &TopicName,
        first: Partition,
        partitions: &mut [PartitionReading],
        commits: &LowestCommits<'_>,
    ) -> Vec<Partition> {
        let known = self.0.get(topic);
        let known = known.filter(|topic| Instant::now() < topic.due);
        let known = known.map_or(&[][..], |topic| &topic.partitions);
        let mut unread = Vec::new();
        let new = (0..)
            .zip(partitions)
            .skip_while(|(place, _)| *place < first);
        for (place, reading) in new {
            let before = usize::try_from(place).ok().and_then(|at| known.get(at));
            let is_settled = |before: &&PartitionReading| {
                // An end that has fallen is another log's.
                reading.log_end_offset >= before.log_end_offset
                    && reading
                        .log_end_offset
                        .is_some_and(|end| commits.lowest(topic, place) >= end)
            };
            match before.filter(is_settled).and_then(|it| it.log_start_offset) {
                Some(start) => reading.log_start_offset = Some(start),
                None => unread.push(place),
            }
        }
        unread
    }

    /// Takes in what a cycle has read. Topics that are not in it are forgotten.
    pub(super) fn learn<'a>(
        &mut self,
        read: impl Iterator<Item = (&'a TopicName, &'a [PartitionReading])>,
    ) {
        let now = Instant::now();
        let mut topics = HashMap::with_capacity(self.0.len());
        for (topic, partitions) in read {
            let before = self.0.remove(topic).filter(|topic| now < topic.due);
            let next = || now + jittered(LONGEST_UNREAD);
            let mut kept = before.unwrap_or_else(|| Topic {
                due: next(),
                partitions: Vec::new(),
            });
            kept.partitions.clear();
            kept.partitions.extend_from_slice(partitions);
            topics.insert(topic.clone(), kept);
        }
        self.0 = topics;
    }
}

/// By topic and partition, the lowest commit of all groups that read it.
pub(super) struct LowestCommits<'a>(HashMap<&'a TopicName, Vec<i64>>);

/// A group has no commit there, or none that could be read: all of its log may
/// count.
const NO_COMMIT: i64 = i64::MIN;

impl<'a> LowestCommits<'a> {
    /// Of the commits of one cycle.
    pub(super) fn of(commits: &'a [GroupCommits], topics: &TopicCache) -> Self {
        let mut lowest: HashMap<&TopicName, Vec<i64>> = HashMap::new();
        let mut of_one = Vec::new();
        for found in commits.iter().flatten().flatten() {
            let Some(Knowledge::Present(TopicDescription { leaders, .. })) =
                topics.get(&found.topic)
            else {
                continue;
            };
            of_one.clear();
            of_one.resize(leaders.len(), NO_COMMIT);
            for (partition, commit) in &found.commits {
                let place = usize::try_from(*partition).ok();
                let place = place.and_then(|place| of_one.get_mut(place));
                if let (Some(place), Ok(Some(offset))) = (place, commit) {
                    *place = *offset;
                }
            }
            let of_all = lowest
                .entry(&found.topic)
                .or_insert_with(|| vec![i64::MAX; leaders.len()]);
            for (all, one) in of_all.iter_mut().zip(&of_one) {
                *all = (*all).min(*one);
            }
        }
        Self(lowest)
    }

    fn lowest(&self, topic: &TopicName, partition: Partition) -> i64 {
        let place = usize::try_from(partition).ok();
        let of_topic = self.0.get(topic).zip(place);
        of_topic
            .and_then(|(lowest, place)| lowest.get(place).copied())
            .unwrap_or(NO_COMMIT)
    }
}
