//! Reads log start and log end offsets.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::model::{
    GapReason, GapScope, Partition, PartitionReading, TopicName, TopicReading, TopicState,
};

use super::{
    super::{
        client::{IsolationLevel, OffsetSpec},
        error::{ErrorCode, RequestError},
    },
    Cycle, IN_FLIGHT_A_BROKER,
    commits::GroupCommits,
    deadline::jittered,
    gaps::Gaps,
    log_starts::{LogStarts, LowestCommits},
    side_by_side::side_by_side,
    silence::silent_if_all,
    topics::{Knowledge, TopicCache, leader},
};

/// How many partitions are asked for in one request. Librdkafka takes time that
/// grows with the square; much smaller, and requests cost more than answers.
const PARTITIONS_A_REQUEST: usize = 500;

/// A leader that moved or a connection that broke is asked for again: brokers
/// may take a moment to agree on the new one.
const ROUNDS: u32 = 3;

/// Pause before it is asked for again.
const PAUSE: Duration = Duration::from_millis(50);

/// While it is read, a topic may turn out to have more partitions. That often
/// they are read as well; what comes later is for the next cycle.
const LOOKS: u32 = 2;

/// A partition: its topic's place among the rows, and its number.
type Place = (usize, Partition);

/// The logs of `names`, in their order; topics that could not be described
/// are left out.
pub(super) async fn read(
    cycle: Cycle<'_>,
    topics: &mut TopicCache,
    names: &BTreeSet<TopicName>,
    isolation: IsolationLevel,
    starts: &mut LogStarts,
    commits: &[GroupCommits],
    gaps: &mut Gaps,
) -> Vec<TopicReading> {
    let mut rows = Rows {
        rows: names.iter().map(Row::new).collect(),
        isolation,
    };
    for _ in 0..LOOKS {
        let new = rows.fit(topics);
        if new.is_empty() {
            break;
        }
        let latest = OffsetSpec::Latest;
        rows.read(cycle, topics, latest, new.clone(), gaps).await;
        let unread = rows.fill_starts(&new, starts, &LowestCommits::of(commits, topics));
        let earliest = OffsetSpec::Earliest;
        rows.read(cycle, topics, earliest, unread, gaps).await;
    }
    starts.learn(
        rows.rows
            .iter()
            .map(|row| (&row.topic, &row.partitions[..])),
    );
    let readings = rows.rows.into_iter();
    readings
        .filter_map(|row| row.into_reading(topics))
        .collect()
}

/// All topics' readings so far.
struct Rows {
    rows: Vec<Row>,
    isolation: IsolationLevel,
}

impl Rows {
    /// Gives each topic the size that it has now, and says which partitions
    /// are new.
    fn fit(&mut self, topics: &TopicCache) -> Vec<Place> {
        let mut new = Vec::new();
        for (index, row) in self.rows.iter_mut().enumerate() {
            new.extend(row.fit(topics).map(|partition| (index, partition)));
        }
        new
    }

    /// Reads one end of the logs, in a few rounds.
    async fn read(
        &mut self,
        cycle: Cycle<'_>,
        topics: &mut TopicCache,
        spec: OffsetSpec,
        mut pending: Vec<Place>,
        gaps: &mut Gaps,
    ) {
        for round in 1..=ROUNDS {
            let failures = self.read_once(cycle, topics, spec, &pending).await;
            // A broker that says nothing costs the whole time of a request each
            // time.
            let last = round == ROUNDS || cycle.deadline.left() < cycle.client.request_timeout();
            let (again, given_up): (BTreeMap<_, _>, BTreeMap<_, _>) = failures
                .into_iter()
                .partition(|(_, failure)| failure.may_pass && !last);
            for ((row, partition), failure) in given_up {
                let topic = &self.rows[row].topic;
                if failure.casts_doubt {
                    topics.doubt(topic);
                }
                let scope = GapScope::Partition(topic.clone(), partition);
                gaps.push(scope, failure.reason);
            }
            if again.is_empty() {
                break;
            }
            tokio::time::sleep(jittered(PAUSE * round)).await;
            pending = self.prepare_again(cycle, topics, again.into_keys()).await;
        }
    }

    /// Describes the topics in question anew, and hands back the partitions
    /// that are still there.
    async fn prepare_again(
        &mut self,
        cycle: Cycle<'_>,
        topics: &mut TopicCache,
        places: impl Iterator<Item = Place>,
    ) -> Vec<Place> {
        let mut pending: Vec<Place> = places.collect();
        let doubtful: BTreeSet<usize> = pending.iter().map(|(row, _)| *row).collect();
        for row in &doubtful {
            topics.doubt(&self.rows[*row].topic);
        }
        let names = doubtful.iter().map(|row| &self.rows[*row].topic);
        topics.refresh(cycle, names).await;
        for row in doubtful {
            self.rows[row].shrink(topics);
        }
        pending.retain(|(row, partition)| self.rows[*row].get(*partition).is_some());
        pending
    }

    /// Sets the log starts that need not be read, and says which of `new` must.
    fn fill_starts(
        &mut self,
        new: &[Place],
        starts: &LogStarts,
        commits: &LowestCommits<'_>,
    ) -> Vec<Place> {
        let mut unread = Vec::new();
        for of_one_topic in new.chunk_by(|(one, _), (other, _)| one == other) {
            let (index, first) = of_one_topic[0];
            let Row { topic, partitions } = &mut self.rows[index];
            let of_topic = starts.fill(topic, first, partitions, commits);
            unread.extend(of_topic.into_iter().map(|partition| (index, partition)));
        }
        unread
    }

    /// Asks each leader once, and says what failed.
    async fn read_once(
        &mut self,
        cycle: Cycle<'_>,
        topics: &TopicCache,
        spec: OffsetSpec,
        pending: &[Place],
    ) -> BTreeMap<Place, Failure> {
        let mut failures = BTreeMap::new();
        let (led, leaderless) = by_leader(topics, &self.rows, pending);
        for place in leaderless {
            failures.insert(place, ErrorCode::LEADER_NOT_AVAILABLE.into());
        }
        let batches = led
            .chunk_by(|(one, _), (other, _)| one == other)
            .flat_map(|of_one_leader| of_one_leader.chunks(PARTITIONS_A_REQUEST))
            .map(|batch| (Some(batch[0].0), self.ask(cycle, batch, spec)));
        let answers = side_by_side(batches.collect(), IN_FLIGHT_A_BROKER).await;
        for Answer { batch, offsets } in answers {
            match offsets {
                Ok(offsets) => {
                    for (&(_, (row, partition)), offset) in batch.iter().zip(offsets) {
                        if let Err(code) = self.rows[row].put(partition, spec, offset) {
                            failures.insert((row, partition), code.into());
                        }
                    }
                }
                Err(error) => {
                    failures.extend(batch.iter().map(|(_, place)| (*place, (&error).into())));
                }
            }
        }
        failures
    }

    /// Asks the leader of a batch.
    async fn ask<'a>(
        &self,
        cycle: Cycle<'_>,
        batch: &'a [(i32, Place)],
        spec: OffsetSpec,
    ) -> Answer<'a> {
        let leader = batch[0].0;
        let partitions: Vec<_> = batch
            .iter()
            .map(|(_, (row, partition))| (&self.rows[*row].topic, *partition))
            .collect();
        let deadline = cycle.deadline.within(cycle.client.request_timeout());
        let ask = |left| {
            let client = cycle.client;
            client.list_offsets(&partitions, spec, self.isolation, left)
        };
        let request = async {
            let error = |offset: &Result<i64, ErrorCode>| offset.err();
            silent_if_all(deadline.ask(ask).await, error)
        };
        let offsets = cycle.ask_broker(leader, deadline, request);
        Answer {
            batch,
            offsets: offsets.await,
        }
    }
}

/// One topic's readings so far.
struct Row {
    topic: TopicName,
    partitions: Vec<PartitionReading>,
}

impl Row {
    fn new(topic: &TopicName) -> Self {
        Self {
            topic: topic.clone(),
            partitions: Vec::new(),
        }
    }

    /// Takes the size that the topic has now, and says which partitions are new.
    fn fit(&mut self, topics: &TopicCache) -> impl Iterator<Item = Partition> + use<> {
        let (old, new) = (self.partitions.len(), self.size(topics));
        self.partitions.resize(new, PartitionReading::default());
        (0..).take(new).skip(old)
    }

    /// Loses the partitions that the topic has no more.
    fn shrink(&mut self, topics: &TopicCache) {
        self.partitions.truncate(self.size(topics));
    }

    fn size(&self, topics: &TopicCache) -> usize {
        match topics.get(&self.topic) {
            Some(Knowledge::Present(known)) => known.leaders.len(),
            _ => 0,
        }
    }

    fn put(
        &mut self,
        partition: Partition,
        spec: OffsetSpec,
        offset: Result<i64, ErrorCode>,
    ) -> Result<(), ErrorCode> {
        let Some(reading) = self.get(partition) else {
            return Ok(());
        };
        let offset = offset?;
        match spec {
            OffsetSpec::Earliest => reading.log_start_offset = Some(offset),
            OffsetSpec::Latest => reading.log_end_offset = Some(offset),
        }
        Ok(())
    }

    fn get(&mut self, partition: Partition) -> Option<&mut PartitionReading> {
        let index = usize::try_from(partition).ok()?;
        self.partitions.get_mut(index)
    }

    fn into_reading(self, topics: &TopicCache) -> Option<TopicReading> {
        let (id, state) = match topics.get(&self.topic)? {
            Knowledge::Present(known) => (known.id, TopicState::Present(self.partitions)),
            Knowledge::Missing => (None, TopicState::Missing),
            Knowledge::Unreadable(_) => return None,
        };
        Some(TopicReading {
            topic: self.topic,
            id,
            state,
        })
    }
}

/// Why a partition could not be read.
struct Failure {
    reason: GapReason,
    /// May another attempt succeed, once the topic is described anew?
    may_pass: bool,
    /// May the partition have another leader by now?
    casts_doubt: bool,
}

impl Failure {
    fn new(reason: GapReason, code: Option<ErrorCode>) -> Self {
        let may_pass = code.is_some_and(|code| code.asks_for_metadata() || code.is_retriable());
        Self {
            reason,
            may_pass,
            casts_doubt: may_pass || code.is_some_and(ErrorCode::is_silence),
        }
    }
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::new(code.into(), Some(code))
    }
}

impl From<&RequestError> for Failure {
    fn from(error: &RequestError) -> Self {
        Self::new(error.into(), error.code())
    }
}

/// Sorted by leader, so that a broker that is down takes only its own
/// partitions with it, and those without a leader, for which nobody can answer.
fn by_leader(
    topics: &TopicCache,
    rows: &[Row],
    pending: &[Place],
) -> (Vec<(i32, Place)>, Vec<Place>) {
    let (mut led, mut leaderless) = (Vec::with_capacity(pending.len()), Vec::new());
    for of_one_topic in pending.chunk_by(|(one, _), (other, _)| one == other) {
        let leaders: &[Option<i32>] = match topics.get(&rows[of_one_topic[0].0].topic) {
            Some(Knowledge::Present(known)) => &known.leaders,
            _ => &[],
        };
        for &place in of_one_topic {
            match leader(leaders, place.1) {
                Some(broker) => led.push((broker, place)),
                None => leaderless.push(place),
            }
        }
    }
    led.sort_unstable();
    led.dedup();
    (led, leaderless)
}

/// One request's answer, and what was asked.
struct Answer<'a> {
    batch: &'a [(i32, Place)],
    offsets: Result<Vec<Result<i64, ErrorCode>>, RequestError>,
}
