//! Reads log start and log end offsets.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt, stream};

use crate::model::{
    GapReason, GapScope, Partition, PartitionReading, TopicName, TopicReading, TopicState,
};

use super::{
    super::{
        client::{IsolationLevel, OffsetSpec},
        error::{ErrorCode, RequestError},
    },
    Cycle, MAX_IN_FLIGHT,
    deadline::jittered,
    gaps::Gaps,
    topics::{Knowledge, TopicCache, leader},
};

/// How many partitions are asked for in one request. Librdkafka takes time that
/// grows with the square; much smaller, and requests cost more than answers.
const PARTITIONS_A_REQUEST: usize = 200;

/// A leader that moved or a connection that broke is asked for again: brokers
/// may take a moment to agree on the new one.
const ROUNDS: u32 = 3;

/// Pause before it is asked for again.
const PAUSE: Duration = Duration::from_millis(50);

/// A partition: its topic's place among the rows, and its number.
type Place = (usize, Partition);

/// The logs of `names`, in their order; topics that could not be described
/// are left out.
pub(super) async fn read(
    cycle: Cycle<'_>,
    topics: &mut TopicCache,
    names: &BTreeSet<TopicName>,
    isolation: IsolationLevel,
    gaps: &mut Gaps,
) -> Vec<TopicReading> {
    let mut rows: Vec<Row> = names.iter().map(Row::new).collect();
    let mut pending: Vec<Place> = Vec::new();
    for (index, row) in rows.iter_mut().enumerate() {
        pending.extend(row.fit(topics).map(|partition| (index, partition)));
    }
    for round in 1..=ROUNDS {
        let failures = read_once(cycle, topics, &mut rows, &pending, isolation).await;
        // A broker that says nothing costs the whole time of a request each time.
        let last = round == ROUNDS || cycle.deadline.left() < cycle.client.request_timeout();
        let (again, given_up): (BTreeMap<_, _>, BTreeMap<_, _>) = failures
            .into_iter()
            .partition(|(_, failure)| failure.may_pass && !last);
        for ((row, partition), failure) in given_up {
            if failure.may_pass {
                topics.doubt(&rows[row].topic);
            }
            let scope = GapScope::Partition(rows[row].topic.clone(), partition);
            gaps.push(scope, failure.reason);
        }
        if again.is_empty() {
            break;
        }
        tokio::time::sleep(jittered(PAUSE * round)).await;
        pending = prepare_again(cycle, topics, &mut rows, again.into_keys()).await;
    }
    rows.into_iter()
        .filter_map(|row| row.into_reading(topics))
        .collect()
}

/// Describes the topics in question, and says what to ask for then: partitions
/// that are still there, and those that came to light.
async fn prepare_again(
    cycle: Cycle<'_>,
    topics: &mut TopicCache,
    rows: &mut [Row],
    places: impl Iterator<Item = Place>,
) -> Vec<Place> {
    let mut pending: Vec<Place> = places.collect();
    let doubtful: BTreeSet<usize> = pending.iter().map(|(row, _)| *row).collect();
    doubtful
        .iter()
        .for_each(|row| topics.doubt(&rows[*row].topic));
    topics
        .refresh(cycle, doubtful.iter().map(|row| &rows[*row].topic))
        .await;
    for index in doubtful {
        pending.extend(rows[index].fit(topics).map(|partition| (index, partition)));
    }
    pending.retain(|(row, partition)| rows[*row].get(*partition).is_some());
    pending
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
        let old = self.partitions.len();
        let new = match topics.get(&self.topic) {
            Some(Knowledge::Present(leaders)) => leaders.len(),
            _ => 0,
        };
        self.partitions.resize(new, PartitionReading::default());
        (0..).take(new).skip(old)
    }

    fn get(&mut self, partition: Partition) -> Option<&mut PartitionReading> {
        let index = usize::try_from(partition).ok()?;
        self.partitions.get_mut(index)
    }

    fn into_reading(self, topics: &TopicCache) -> Option<TopicReading> {
        let state = match topics.get(&self.topic)? {
            Knowledge::Present(_) => TopicState::Present(self.partitions),
            Knowledge::Missing => TopicState::Missing,
            Knowledge::Unreadable(_) => return None,
        };
        Some(TopicReading {
            topic: self.topic,
            state,
        })
    }
}

/// Why a partition could not be read.
struct Failure {
    reason: GapReason,
    /// May another attempt succeed, once the topic is described anew?
    may_pass: bool,
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self {
            reason: code.into(),
            may_pass: code.asks_for_metadata() || code.is_retriable(),
        }
    }
}

impl From<&RequestError> for Failure {
    fn from(error: &RequestError) -> Self {
        Self {
            reason: error.into(),
            may_pass: error.code().is_some_and(|code| Self::from(code).may_pass),
        }
    }
}

async fn read_once(
    cycle: Cycle<'_>,
    topics: &TopicCache,
    rows: &mut [Row],
    pending: &[Place],
    isolation: IsolationLevel,
) -> BTreeMap<Place, Failure> {
    let mut failures = BTreeMap::new();
    let (led, leaderless) = by_leader(topics, rows, pending);
    for place in leaderless {
        failures.insert(place, ErrorCode::LEADER_NOT_AVAILABLE.into());
    }
    let batches: Vec<&[(i32, Place)]> = led
        .chunk_by(|(one, _), (other, _)| one == other)
        .flat_map(|of_one_leader| of_one_leader.chunks(PARTITIONS_A_REQUEST))
        .collect();
    let mut requests = Vec::with_capacity(2 * batches.len());
    for spec in [OffsetSpec::Earliest, OffsetSpec::Latest] {
        requests.extend(
            batches
                .iter()
                .map(|batch| ask(cycle, rows, batch, spec, isolation)),
        );
    }
    let answers: Vec<_> = stream::iter(requests)
        .buffer_unordered(MAX_IN_FLIGHT)
        .collect()
        .await;
    for Answer {
        spec,
        batch,
        offsets: answer,
    } in answers
    {
        match answer {
            Ok(offsets) => {
                for (&(_, place), offset) in batch.iter().zip(offsets) {
                    if let Err(code) = put(rows, place, spec, offset) {
                        failures.insert(place, code.into());
                    }
                }
            }
            Err(error) => failures.extend(batch.iter().map(|(_, place)| (*place, (&error).into()))),
        }
    }
    failures
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
            Some(Knowledge::Present(leaders)) => leaders,
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
    spec: OffsetSpec,
    batch: &'a [(i32, Place)],
    offsets: Result<Vec<Result<i64, ErrorCode>>, RequestError>,
}

async fn ask<'a>(
    cycle: Cycle<'_>,
    rows: &[Row],
    batch: &'a [(i32, Place)],
    spec: OffsetSpec,
    isolation: IsolationLevel,
) -> Answer<'a> {
    let partitions: Vec<_> = batch
        .iter()
        .map(|(_, (row, partition))| (&rows[*row].topic, *partition))
        .collect();
    let deadline = cycle.deadline.within(cycle.client.request_timeout());
    let offsets = deadline
        .ask(|left| {
            cycle
                .client
                .list_offsets(&partitions, spec, isolation, left)
        })
        .await;
    Answer {
        spec,
        batch,
        offsets,
    }
}

fn put(
    rows: &mut [Row],
    (row, partition): Place,
    spec: OffsetSpec,
    offset: Result<i64, ErrorCode>,
) -> Result<(), ErrorCode> {
    let Some(reading) = rows[row].get(partition) else {
        return Ok(());
    };
    let offset = offset?;
    match spec {
        OffsetSpec::Earliest => reading.log_start_offset = Some(offset),
        OffsetSpec::Latest => reading.log_end_offset = Some(offset),
    }
    Ok(())
}
