//! Traffic for benches: what the brokers of a busy cluster would say, tick by
//! tick, the same in each run.
//!
//! [`Traffic::steady`] is what most clusters see most of the time;
//! [`Traffic::bursty`] is all that goes otherwise, and nothing is tuned to it.

mod bursty;
mod random;
mod steady;

use tidegauge::model::{
    Assignment, Commit, GroupId, GroupReading, GroupState, GroupTopicReading, Members, Membership,
    PartitionReading, Tick, TimestampMs, TopicName, TopicReading, TopicState,
};

use bursty::Bursty;
use random::Random;
use steady::Steady;

pub(crate) const INTERVAL_MS: i64 = 10_000;
const INTERVAL_S: f64 = 10.0;
/// Midnight, UTC.
pub(crate) const EPOCH_MS: i64 = 1_767_225_600_000;

/// Partitions of the first topic, `topic-00000`, and so of its groups
/// `group-00000-live` and `group-00000-historic`, whatever the shape.
pub(crate) const FIRST_TOPIC_PARTITIONS: usize = 100;

/// Members of each group that has any: each has a share of the partitions.
const MEMBERS: usize = 4;

/// How large a cluster is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// At least [`FIRST_TOPIC_PARTITIONS`].
    pub(crate) partitions: usize,
    /// Of each topic but the first.
    pub(crate) partitions_a_topic: usize,
    pub(crate) groups_a_topic: usize,
}

impl Shape {
    /// 100,000 series beside those of members.
    pub(crate) const DEFAULT: Self = Self {
        partitions: 25_000,
        partitions_a_topic: 25,
        groups_a_topic: 2,
    };

    pub(crate) const fn with_partitions(self, partitions: usize) -> Self {
        Self { partitions, ..self }
    }

    /// Partitions by topic.
    fn topics(self) -> Vec<usize> {
        let mut left = self.partitions.saturating_sub(FIRST_TOPIC_PARTITIONS);
        let mut topics = vec![FIRST_TOPIC_PARTITIONS];
        while left > 0 {
            let partitions = left.min(self.partitions_a_topic);
            topics.push(partitions);
            left -= partitions;
        }
        topics
    }
}

/// A cluster that goes on from tick to tick.
pub(crate) struct Traffic {
    topics: Vec<Topic>,
    load: Load,
    random: Random,
    number: i64,
}

enum Load {
    Steady(Steady),
    Bursty(Bursty),
}

struct Topic {
    name: TopicName,
    id: i64,
    partitions: Vec<Partition>,
    groups: Vec<Group>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Partition {
    start: i64,
    end: i64,
    /// What came in at this tick.
    arrived: i64,
    /// Its leader doesn't answer.
    is_unread: bool,
}

struct Group {
    name: GroupId,
    membership: Membership,
    /// By partition.
    commits: Vec<Option<i64>>,
    /// Its coordinator doesn't answer.
    is_unread: bool,
}

impl Traffic {
    /// Rates that differ from topic to topic by orders of magnitude and rise and
    /// fall with the day; groups that commit each 5 s and stall now and then.
    pub(crate) fn steady(shape: Shape) -> Self {
        let mut random = Random::new();
        let mut topics = topics(shape);
        let load = Load::Steady(Steady::new(&mut topics, &mut random));
        Self {
            topics,
            load,
            random,
            number: 0,
        }
    }

    /// Bursts, batches, transactions, jobs that run now and then, resets, topics
    /// made anew or widened, polls that miss a part, ticks that are late.
    pub(crate) fn bursty(shape: Shape) -> Self {
        let mut random = Random::new();
        let mut topics = topics(shape);
        let load = Load::Bursty(Bursty::new(&mut topics, &mut random));
        Self {
            topics,
            load,
            random,
            number: 0,
        }
    }

    pub(crate) fn tick(&mut self) -> Tick {
        let late_ms = match &mut self.load {
            Load::Steady(load) => load.advance(&mut self.topics, self.number, &mut self.random),
            Load::Bursty(load) => load.advance(&mut self.topics, self.number, &mut self.random),
        };
        let at = EPOCH_MS + self.number * INTERVAL_MS + late_ms;
        self.number += 1;
        Tick {
            cluster: "bench".into(),
            at: TimestampMs(at),
            topics: self.topics.iter().map(Topic::reading).collect(),
            groups: self.topics.iter().flat_map(Topic::group_readings).collect(),
            gaps: Vec::new(),
        }
    }
}

fn topics(shape: Shape) -> Vec<Topic> {
    let widths = shape.topics().into_iter().enumerate();
    widths
        .map(|(number, partitions)| Topic::new(number, partitions, shape.groups_a_topic))
        .collect()
}

impl Topic {
    fn new(number: usize, partitions: usize, groups: usize) -> Self {
        let kinds = ["historic", "live"].into_iter().cycle().take(groups);
        let group = |(at, kind)| match at {
            0 | 1 => format!("group-{number:05}-{kind}"),
            _ => format!("group-{number:05}-{kind}-{at}"),
        };
        let mut names: Vec<_> = kinds.enumerate().map(group).collect();
        names.sort_unstable();
        Self {
            name: format!("topic-{number:05}").into(),
            id: number as i64,
            partitions: vec![Partition::default(); partitions],
            groups: names
                .into_iter()
                .map(|name| Group::new(name, partitions))
                .collect(),
        }
    }

    fn reading(&self) -> TopicReading {
        TopicReading {
            topic: self.name.clone(),
            id: Some(self.id),
            state: TopicState::Present(self.partitions.iter().map(Partition::reading).collect()),
        }
    }

    fn group_readings(&self) -> impl Iterator<Item = GroupReading> {
        let read = self.groups.iter().filter(|group| !group.is_unread);
        read.map(|group| group.reading(&self.name))
    }
}

impl Partition {
    fn reading(&self) -> PartitionReading {
        let read = |offset| (!self.is_unread).then_some(offset);
        PartitionReading {
            log_start_offset: read(self.start),
            log_end_offset: read(self.end),
        }
    }
}

impl Group {
    fn new(name: String, partitions: usize) -> Self {
        Self {
            name: name.into(),
            membership: membership(partitions, MEMBERS),
            commits: vec![Some(0); partitions],
            is_unread: false,
        }
    }

    fn reading(&self, topic: &TopicName) -> GroupReading {
        let commits = self.commits.iter().map(|commit| match commit {
            Some(offset) => Commit::At(*offset),
            None => Commit::None,
        });
        GroupReading {
            group: self.name.clone(),
            membership: Some(self.membership.clone()),
            topics: vec![GroupTopicReading {
                topic: topic.clone(),
                commits: commits.collect(),
            }],
            queue: None,
        }
    }
}

/// Of a group whose members share the partitions.
fn membership(partitions: usize, members: usize) -> Membership {
    let share = |member| (partitions + members - 1 - member) / members;
    Membership {
        state: match members {
            0 => GroupState::Empty,
            _ => GroupState::Stable,
        },
        members: Some(Members {
            count: members as u32,
            assignment: Some(Assignment {
                partitions_by_member: (0..members).map(|member| share(member) as u32).collect(),
                fingerprint: (1_000 * partitions + members) as i64,
            }),
        }),
    }
}

/// What a rate is multiplied by at a tick: most by day, least by night.
fn daily(number: i64) -> f64 {
    let day = number as f64 * INTERVAL_S / 86_400.0;
    1.0 - 0.6 * (day * std::f64::consts::TAU).cos()
}
