//! All that goes otherwise than in most clusters most of the time.

use super::{Group, INTERVAL_S, Partition, Random, Topic};

/// Records that a producer's batch has, by topic.
const BATCHES: [i64; 4] = [1, 100, 500, 5_000];
/// Batches a second while there are any, in the topic in the middle.
const MEDIAN_BATCH_RATE: f64 = 0.05;
const ON_S: f64 = 180.0;
const OFF_S: f64 = 900.0;
/// One topic in so many is written to in transactions: each ends with a marker
/// that takes an offset.
const TRANSACTIONAL_TOPICS: f64 = 0.3;
/// Log starts follow the ends at this distance, when a job deletes records.
const KEPT_RECORDS: i64 = 200_000;
const DELETIONS_A_TICK: f64 = 1.0 / 90.0;

/// Events of a topic or a group, by their chance in each tick.
const MADE_ANEW: f64 = 1.0 / 40_000.0;
const WIDENED: f64 = 1.0 / 20_000.0;
const RESET: f64 = 1.0 / 5_000.0;
const LEADER_LOST: f64 = 1.0 / 3_000.0;
const COORDINATOR_LOST: f64 = 1.0 / 3_000.0;
/// And how long the brokers then give no answer.
const LOST_S: f64 = 40.0;

/// A tick in so many is late by up to a second, the others by much less.
const LATE_TICKS: f64 = 0.05;

pub(super) struct Bursty {
    topics: Vec<TopicLoad>,
}

struct TopicLoad {
    batch: i64,
    is_transactional: bool,
    /// Batches a tick in each partition, while it is on.
    mean: f64,
    is_on: bool,
    consumers: Vec<Consumer>,
}

/// How a group reads.
struct Consumer {
    /// It wakes up each so many ticks.
    every_ticks: i64,
    phase: i64,
    /// It commits whole batches of its own only.
    batch: i64,
    /// Batches that it gets done when awake.
    batches_a_turn: i64,
}

impl Bursty {
    pub(super) fn new(topics: &mut [Topic], random: &mut Random) -> Self {
        let loads = topics.iter_mut().map(|topic| TopicLoad::new(topic, random));
        Self {
            topics: loads.collect(),
        }
    }

    /// Gives by how many milliseconds the tick is late.
    pub(super) fn advance(&mut self, topics: &mut [Topic], tick: i64, random: &mut Random) -> i64 {
        for (load, topic) in self.topics.iter_mut().zip(topics) {
            load.produce(&mut topic.partitions, random);
            for (consumer, group) in load.consumers.iter().zip(&mut topic.groups) {
                consumer.read(group, &topic.partitions, tick, random);
            }
            befall(topic, random);
        }
        match random.chance(LATE_TICKS) {
            true => random.between(0.0, 1_000.0) as i64,
            false => random.between(0.0, 40.0) as i64,
        }
    }
}

impl TopicLoad {
    fn new(topic: &mut Topic, random: &mut Random) -> Self {
        for partition in &mut topic.partitions {
            partition.end = random.log_normal(50_000.0, 3.0) as i64;
            partition.start = partition.end - partition.end.min(KEPT_RECORDS);
        }
        let groups = topic.groups.iter_mut();
        Self {
            batch: BATCHES[random.pick(BATCHES.len())],
            is_transactional: random.chance(TRANSACTIONAL_TOPICS),
            mean: random.log_normal(MEDIAN_BATCH_RATE, 2.0) * INTERVAL_S,
            is_on: random.chance(ON_S / (ON_S + OFF_S)),
            consumers: groups
                .map(|group| Consumer::new(group, &topic.partitions, random))
                .collect(),
        }
    }

    fn produce(&mut self, partitions: &mut [Partition], random: &mut Random) {
        let lasts_s = if self.is_on { ON_S } else { OFF_S };
        self.is_on ^= random.chance(INTERVAL_S / lasts_s);
        let deletes = random.chance(DELETIONS_A_TICK);
        for partition in partitions {
            let batches = match self.is_on {
                true => random.poisson(self.mean),
                false => 0,
            };
            let markers = if self.is_transactional { batches } else { 0 };
            partition.arrived = batches * self.batch + markers;
            partition.end += partition.arrived;
            if deletes {
                partition.start = partition.start.max(partition.end - KEPT_RECORDS);
            }
        }
    }
}

impl Consumer {
    /// Begins somewhere behind the logs' ends, in some partitions nowhere.
    fn new(group: &mut Group, partitions: &[Partition], random: &mut Random) -> Self {
        let commits = partitions.iter().map(|partition| {
            let lag = random.log_normal(20.0, 2.0) as i64;
            (!random.chance(0.02)).then_some((partition.end - lag).max(partition.start))
        });
        group.commits = commits.collect();
        let every_ticks = [1, 1, 3, 30, 90][random.pick(5)];
        Self {
            every_ticks,
            phase: random.pick(every_ticks as usize) as i64,
            batch: [1, 50, 500, 2_000][random.pick(4)],
            batches_a_turn: random.log_normal(40.0, 1.0) as i64 * every_ticks,
        }
    }

    fn read(&self, group: &mut Group, partitions: &[Partition], tick: i64, random: &mut Random) {
        let is_awake = (tick + self.phase) % self.every_ticks == 0;
        let is_reset = random.chance(RESET);
        let to_start = random.chance(0.5);
        for (commit, partition) in group.commits.iter_mut().zip(partitions) {
            if is_reset {
                *commit = Some(if to_start {
                    partition.start
                } else {
                    partition.end
                });
            } else if is_awake {
                *commit = commit.map(|commit| self.read_on(commit, partition));
            }
        }
    }

    fn read_on(&self, commit: i64, partition: &Partition) -> i64 {
        let begin = commit.max(partition.start);
        let batches = (partition.end - begin) / self.batch;
        begin + batches.clamp(0, self.batches_a_turn) * self.batch
    }
}

/// What happens to a topic and its groups beside the load.
fn befall(topic: &mut Topic, random: &mut Random) {
    if random.chance(MADE_ANEW) {
        topic.id += 1_000_000;
        topic.partitions.fill(Partition::default());
        for group in &mut topic.groups {
            group.commits.fill(Some(0));
        }
    }
    if random.chance(WIDENED) {
        let wider = topic.partitions.len() + 8;
        topic.partitions.resize(wider, Partition::default());
        for group in &mut topic.groups {
            group.commits.resize(wider, None);
        }
    }
    for partition in &mut topic.partitions {
        partition.is_unread = is_lost(partition.is_unread, LEADER_LOST, random);
    }
    for group in &mut topic.groups {
        group.is_unread = is_lost(group.is_unread, COORDINATOR_LOST, random);
    }
}

/// Is what answered or not now without an answer?
fn is_lost(was_lost: bool, chance: f64, random: &mut Random) -> bool {
    match was_lost {
        true => !random.chance(INTERVAL_S / LOST_S),
        false => random.chance(chance),
    }
}
