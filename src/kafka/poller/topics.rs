//! What is known of topics: that they exist, their partitions, their leaders.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream};
use tokio::time::Instant;

use crate::model::{GapReason, Partition, TopicName};

use super::{
    super::{
        client::{DescribedTopic, TopicCommits, TopicDescription},
        error::{ErrorCode, RequestError},
    },
    Cycle,
    commits::partitions_seen,
};

/// How many topics are described in one request.
const TOPICS_A_REQUEST: usize = 500;

/// How many such requests run at once.
const REQUESTS_IN_FLIGHT: usize = 4;

/// A topic that no group had in so many cycles is forgotten.
const FORGET_AFTER_CYCLES: u32 = 100;

/// What the brokers said of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// Its id, and leaders by partition.
    Present(TopicDescription),
    /// There is no such topic.
    Missing,
    /// They would not, or could not, say.
    Unreadable(GapReason),
}

#[derive(Debug)]
struct CachedTopic {
    knowledge: Knowledge,
    /// Something hints at a change: to be described before it is used again.
    stale: bool,
    cycles_unused: u32,
}

/// Topics by name, described anew every so often and whenever something hints
/// at a change.
#[derive(Debug)]
pub(super) struct TopicCache {
    topics: HashMap<TopicName, CachedTopic>,
    interval: Duration,
    due: Instant,
}

impl TopicCache {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            topics: HashMap::new(),
            interval,
            due: Instant::now() + interval,
        }
    }

    pub(super) fn get(&self, topic: &TopicName) -> Option<&Knowledge> {
        self.topics.get(topic).map(|cached| &cached.knowledge)
    }

    /// The cache's own copy of the name, so that a name is kept once.
    pub(super) fn name(&self, topic: &TopicName) -> TopicName {
        let cached = self.topics.get_key_value(topic);
        cached.map_or(topic, |(name, _)| name).clone()
    }

    /// Takes note of a topic in which a group has commits.
    pub(super) fn note_found(&mut self, found: &TopicCommits) -> TopicName {
        if let Some(cached) = self.topics.get_mut(&found.topic) {
            let more = matches!(&cached.knowledge, Knowledge::Present(topic)
                if topic.leaders.len() < partitions_seen(found));
            let doubted = |code: &ErrorCode| code.asks_for_metadata();
            let doubt = found
                .commits
                .iter()
                .any(|(_, commit)| commit.as_ref().is_err_and(doubted));
            cached.stale |= more || doubt;
        }
        self.name(&found.topic)
    }

    /// From now on the topic is to be described before it is used.
    pub(super) fn doubt(&mut self, topic: &TopicName) {
        if let Some(cached) = self.topics.get_mut(topic) {
            cached.stale = true;
        }
    }

    /// Describes those of `wanted` that are unknown, missing or in doubt, and
    /// all that is known when its time has come.
    pub(super) async fn refresh<'a>(
        &mut self,
        cycle: Cycle<'_>,
        wanted: impl Iterator<Item = &'a TopicName>,
    ) {
        if self.due <= Instant::now() {
            self.topics
                .values_mut()
                .for_each(|cached| cached.stale = true);
            self.due = Instant::now() + self.interval;
        }
        let mut doubtful = Vec::new();
        for topic in wanted {
            match self.topics.get_mut(topic) {
                Some(cached) => {
                    cached.cycles_unused = 0;
                    let present = matches!(cached.knowledge, Knowledge::Present(_));
                    if cached.stale || !present {
                        doubtful.push(topic.clone());
                    }
                }
                None => doubtful.push(topic.clone()),
            }
        }
        if !doubtful.is_empty() {
            self.describe(cycle, &doubtful).await;
        }
    }

    /// Ends a cycle. What has not been used for long goes, so that names of
    /// the past don't pile up.
    pub(super) fn forget_unused(&mut self) {
        self.topics.retain(|_, cached| {
            cached.cycles_unused += 1;
            cached.cycles_unused <= FORGET_AFTER_CYCLES
        });
    }

    async fn describe(&mut self, cycle: Cycle<'_>, topics: &[TopicName]) {
        let deadline = cycle.deadline.within(cycle.client.request_timeout());
        let describe = async |part| {
            let answer = deadline
                .ask(|left| cycle.client.describe_topics(part, left))
                .await;
            (part, answer)
        };
        let requests: Vec<_> = topics.chunks(TOPICS_A_REQUEST).map(describe).collect();
        let answers: Vec<_> = stream::iter(requests)
            .buffer_unordered(REQUESTS_IN_FLIGHT)
            .collect()
            .await;
        for (asked, answer) in answers {
            match answer {
                Ok(described) => self.learn(asked, described),
                Err(error) => self.learn_nothing(asked, &error),
            }
        }
    }

    fn learn(&mut self, asked: &[TopicName], described: Vec<DescribedTopic>) {
        let mut described: HashMap<_, _> = described.into_iter().collect();
        for topic in asked {
            let Some(answer) = described.remove(topic) else {
                let left_out = RequestError::Mismatch("a topic was left out");
                self.learn_nothing(std::slice::from_ref(topic), &left_out);
                continue;
            };
            let leaderless = |leader: &Option<i32>| leader.is_none();
            let (knowledge, stale) = match answer {
                Ok(topic) => {
                    let stale = topic.leaders.iter().any(leaderless);
                    (Knowledge::Present(topic), stale)
                }
                Err(ErrorCode::UNKNOWN_TOPIC) => (Knowledge::Missing, true),
                Err(code) => (Knowledge::Unreadable(code.into()), true),
            };
            self.put(topic, knowledge, stale);
        }
    }

    /// No answer: partitions that were known are still asked for.
    fn learn_nothing(&mut self, topics: &[TopicName], error: &RequestError) {
        for topic in topics {
            let knowledge = match self.get(topic) {
                Some(Knowledge::Present(known)) => Knowledge::Present(known.clone()),
                _ => Knowledge::Unreadable(error.into()),
            };
            self.put(topic, knowledge, true);
        }
    }

    fn put(&mut self, topic: &TopicName, knowledge: Knowledge, stale: bool) {
        let cached = CachedTopic {
            knowledge,
            stale,
            cycles_unused: 0,
        };
        self.topics.insert(topic.clone(), cached);
    }
}

/// The leader of a partition.
pub(super) fn leader(leaders: &[Option<i32>], partition: Partition) -> Option<i32> {
    let index = usize::try_from(partition).ok()?;
    leaders.get(index).copied().flatten()
}
