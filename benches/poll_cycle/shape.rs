//! How large a measured cluster is, what is in it, and what of it is polled.

use std::{fmt, str::FromStr};

use anyhow::{Context, Error, Result, ensure};
use tidegauge::model::{Interest, Partition, TopicName, TopicSelection};

/// So many groups share a narrow topic.
const GROUPS_A_NARROW_TOPIC: usize = 50;
/// A wide topic has so many partitions; the last one may have less.
const WIDE_PARTITIONS: usize = 500;

/// Partitions and groups. Written `10000x500`.
///
/// Each group has commits in one topic: most in all partitions of a narrow one,
/// which they share, and one for each wide topic in its first partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) partitions: usize,
    pub(crate) groups: usize,
}

/// What is asked about each group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The topic that it reads, by name: a trigger with `topic`.
    Named,
    /// All that it has committed: a trigger without.
    Committed,
}

/// The commits of one group: in the first partitions of a topic.
pub(crate) struct GroupCommits {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) partitions: usize,
}

impl Shape {
    pub(crate) const fn new(partitions: usize, groups: usize) -> Self {
        Self { partitions, groups }
    }

    /// As many as in the shapes that others have published: 60 in small
    /// clusters, 25 in large ones.
    fn commits_a_group(self) -> usize {
        if self.partitions <= 10_000 { 60 } else { 25 }
    }

    pub(crate) fn commits(self) -> usize {
        self.groups * self.commits_a_group()
    }

    /// All topics with their partitions.
    pub(crate) fn topics(self) -> Vec<(String, usize)> {
        let narrow = (0..self.narrow_topics()).map(|at| (narrow_topic(at), self.commits_a_group()));
        let wide = (0..self.wide_topics()).map(|at| (wide_topic(at), self.width(at)));
        narrow.chain(wide).collect()
    }

    /// Every second topic: its partitions have one record each, and commits are
    /// at offset 0, so that groups which read it have a lag. The other logs are
    /// empty.
    pub(crate) fn topics_with_records(self) -> Vec<(String, usize)> {
        self.topics().into_iter().step_by(2).collect()
    }

    /// The group at this place.
    pub(crate) fn group(self, at: usize) -> GroupCommits {
        let commits = self.commits_a_group();
        let (topic, partitions) = match at < self.wide_topics() {
            true => (wide_topic(at), commits.min(self.width(at))),
            false => (narrow_topic(at % self.narrow_topics()), commits),
        };
        GroupCommits {
            group: format!("bench-group-{at:04}"),
            topic,
            partitions,
        }
    }

    pub(crate) fn interest(self, asked: Asked) -> Interest {
        let mut interest = Interest::default();
        for GroupCommits { group, topic, .. } in (0..self.groups).map(|at| self.group(at)) {
            let selection = match asked {
                Asked::Named => TopicSelection::only([TopicName::from(topic)]),
                Asked::Committed => TopicSelection::committed(),
            };
            interest.add_group(group.into(), selection);
        }
        interest
    }

    fn narrow_topics(self) -> usize {
        self.groups.div_ceil(GROUPS_A_NARROW_TOPIC)
    }

    fn wide_topics(self) -> usize {
        self.in_wide_topics().div_ceil(WIDE_PARTITIONS)
    }

    fn in_wide_topics(self) -> usize {
        self.partitions - self.narrow_topics() * self.commits_a_group()
    }

    fn width(self, wide_topic: usize) -> usize {
        WIDE_PARTITIONS.min(self.in_wide_topics() - wide_topic * WIDE_PARTITIONS)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.partitions, self.groups)
    }
}

impl FromStr for Shape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (partitions, groups) = text.split_once('x').context("as in 10000x500")?;
        let shape = Self::new(partitions.parse()?, groups.parse()?);
        let narrow = shape.narrow_topics() * shape.commits_a_group();
        ensure!(narrow <= shape.partitions, "too few partitions: {shape}");
        ensure!(
            shape.wide_topics() <= shape.groups,
            "too few groups: {shape}"
        );
        Ok(shape)
    }
}

/// A number of partitions as Kafka takes it.
pub(crate) fn partitions_i32(partitions: usize) -> Result<Partition> {
    Ok(Partition::try_from(partitions)?)
}

fn narrow_topic(at: usize) -> String {
    format!("bench-narrow-{at:03}")
}

fn wide_topic(at: usize) -> String {
    format!("bench-wide-{at:03}")
}
