//! Which broker has a group's commits.
//!
//! Librdkafka would find that out by itself, but frees memory twice, and aborts
//! the process, when a coordinator that was away for longer than the request's
//! timeout comes back (confluentinc/librdkafka issue 4605, pull request 5397).
//! Requests that name their broker don't take that path. So coordinators are
//! found here: from the leaders of Kafka's own topic of commits, and where that
//! can't be seen, by asking one broker after the other.
//!
//! Where the leaders are known, a coordinator that says nothing is not looked
//! for elsewhere: the next cycle begins with asking who leads now.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::model::{GroupId, Partition, TopicName};

use super::{
    super::error::{ErrorCode, RequestError},
    Cycle,
    deadline::{Deadline, jittered},
    silence::Silence,
    topics,
};

/// The topic in which Kafka keeps commits; a partition's leader is the
/// coordinator of the groups in it.
pub(in crate::kafka) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// While a coordinator moves, all brokers may say that it is another. They are
/// asked so many times.
const ROUNDS: u32 = 3;

/// Pause between two such rounds.
const PAUSE: Duration = Duration::from_millis(100);

/// Finds coordinators, and remembers them.
#[derive(Debug)]
pub(super) struct Coordinators {
    interval: Duration,
    due: Instant,
    /// Leaders of [`OFFSETS_TOPIC`]; empty if it can't be seen.
    leaders: Vec<Option<i32>>,
    brokers: Vec<i32>,
    /// Why no broker is known.
    unreachable: Option<RequestError>,
    // Requests run side by side and share what they learn.
    learned: Mutex<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    found: HashMap<GroupId, i32>,
    /// Something has moved: look again before the next cycle.
    doubt: bool,
}

impl Coordinators {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            due: Instant::now(),
            leaders: Vec::new(),
            brokers: Vec::new(),
            unreachable: None,
            learned: Mutex::default(),
        }
    }

    /// Starts a cycle: looks again if something moved, or if it is time.
    /// `groups` are the only ones that stay remembered.
    pub(super) async fn refresh(&mut self, cycle: Cycle<'_>, groups: &HashSet<&GroupId>) {
        let learned = self
            .learned
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        learned.found.retain(|group, _| groups.contains(group));
        let doubt = std::mem::take(&mut learned.doubt);
        if !doubt && Instant::now() < self.due {
            return;
        }
        let deadline = cycle.deadline.within(cycle.client.request_timeout());
        let topic = [TopicName::from(OFFSETS_TOPIC)];
        let described = deadline
            .ask(|left| cycle.client.describe_topics(&topic, left))
            .await;
        let described = described.ok().and_then(|mut topics| topics.pop());
        if let Some((_, Ok(described))) = described {
            self.leaders = described.leaders;
        }
        if doubt && self.leaders.is_empty() {
            // Each broker that is known was asked; there may be new ones.
            cycle.client.forget_brokers();
        }
        match cycle.client.brokers(deadline.left()).await {
            Ok(brokers) => {
                cycle.silence.retain(&brokers);
                self.brokers = brokers;
                self.unreachable = None;
                self.due = Instant::now() + self.interval;
            }
            Err(error) => self.unreachable = Some(error).filter(|_| self.brokers.is_empty()),
        }
    }

    /// Why no broker is known, if none is.
    pub(super) fn unreachable(&self) -> Option<&RequestError> {
        self.unreachable.as_ref()
    }

    /// Has each group a coordinator, as far as can be seen?
    pub(super) fn all_led(&self) -> bool {
        self.leaders.iter().all(Option::is_some)
    }

    /// The group's coordinator, as far as is known without asking.
    pub(super) fn of(&self, group: &GroupId) -> Option<i32> {
        self.with(|learned| learned.found.get(group).copied())
            .or_else(|| self.by_hash(group))
    }

    /// Asks the group's coordinator. `ask` is told a broker and how long it has.
    pub(super) async fn ask<T, F>(
        &self,
        group: &GroupId,
        cycle: Cycle<'_>,
        deadline: Deadline,
        mut ask: impl FnMut(i32, Duration) -> F,
    ) -> Result<T, RequestError>
    where
        F: Future<Output = Result<T, RequestError>>,
    {
        let leaders_are_known = !self.leaders.is_empty();
        if leaders_are_known && self.of(group).is_none() {
            // Its partition has no leader: nobody to ask, nobody to wait for.
            self.moved(group);
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE.into());
        }
        // If any broker keeps silent, it may be the one: that tells more than
        // that the others are not.
        let mut failure = self.unreachable.clone();
        for _ in 0..ROUNDS {
            let mut moved = false;
            for broker in self.candidates(group, cycle.silence) {
                let turn = if leaders_are_known {
                    deadline
                } else {
                    // Half of the time is left for the others.
                    deadline.within(deadline.left() / 2)
                };
                let request = turn.ask(|left| ask(broker, left));
                match cycle.ask_broker(broker, turn, request).await {
                    Err(error) if error.code() == Some(ErrorCode::NOT_COORDINATOR) => {
                        self.moved(group);
                        moved = true;
                    }
                    Err(error) if error.may_be_the_brokers() => {
                        self.moved(group);
                        if leaders_are_known && error.is_silence() {
                            return Err(error);
                        }
                        failure = Some(error);
                    }
                    answer => {
                        self.with(|learned| learned.found.insert(group.clone(), broker));
                        return answer;
                    }
                }
            }
            if !moved {
                break;
            }
            failure = failure.or(Some(ErrorCode::NOT_COORDINATOR.into()));
            tokio::time::sleep(jittered(PAUSE)).await;
        }
        Err(failure.unwrap_or(RequestError::TimedOut))
    }

    /// Brokers in the order in which they are asked: the likely one first, those
    /// that gave no answer last.
    fn candidates(&self, group: &GroupId, silence: &Silence) -> Vec<i32> {
        let mut candidates: Vec<i32> = Vec::with_capacity(self.brokers.len() + 2);
        let likely = [self.of(group), self.by_hash(group)];
        for broker in likely
            .into_iter()
            .flatten()
            .chain(self.brokers.iter().copied())
        {
            if !candidates.contains(&broker) {
                candidates.push(broker);
            }
        }
        candidates.sort_by_cached_key(|broker| silence.of(*broker).is_some());
        candidates
    }

    fn by_hash(&self, group: &GroupId) -> Option<i32> {
        topics::leader(
            &self.leaders,
            offsets_partition(group.as_str(), self.leaders.len())?,
        )
    }

    /// From now on the group's coordinator is to be looked for.
    pub(super) fn moved(&self, group: &GroupId) {
        self.with(|learned| {
            learned.found.remove(group);
            learned.doubt = true;
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut Learned) -> T) -> T {
        change(&mut self.learned.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The partition of [`OFFSETS_TOPIC`] in which a group's commits are: Kafka's
/// `GroupMetadataManager.partitionFor`, Java's hash of the name.
pub(in crate::kafka) fn offsets_partition(group: &str, partitions: usize) -> Option<Partition> {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive.checked_rem(i32::try_from(partitions).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_java_does() {
        // From jshell: Math.abs("...".hashCode()) % 50.
        for (group, partition) in [("", 0), ("a", 47), ("polygenelubricants", 0), ("hello", 22)] {
            assert_eq!(offsets_partition(group, 50), Some(partition), "{group:?}");
        }
        assert_eq!(offsets_partition("a", 0), None);
    }
}
