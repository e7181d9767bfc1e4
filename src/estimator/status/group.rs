//! The status of a group, from that of its partitions.

use crate::model::{GroupState, Partition, TimestampMs, TopicName};

use super::{
    super::{
        membership::membership,
        partition::{PartitionEstimate, PartitionStanding},
        sample::{Parameters, Sample},
        task::{RatesFrom, Task},
        window::Window,
    },
    commits::{Commit, Commits, MAX_COMMITS},
    finding::{Finding, PartitionVerdict},
    rules::judge,
};

/// Burrow's word for a group; the worst of its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupVerdict {
    /// There is no such group any more.
    NotFound,
    /// Nothing is wrong.
    Ok,
    /// A partition is [`PartitionVerdict::Warn`].
    Warn,
    /// A partition has stopped, stalled or gone back.
    Err,
}

impl GroupVerdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NotFound, Self::Ok, Self::Warn, Self::Err];

    /// As Burrow writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NOTFOUND",
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Err => "ERR",
        }
    }
}

impl From<PartitionVerdict> for GroupVerdict {
    fn from(verdict: PartitionVerdict) -> Self {
        match verdict {
            PartitionVerdict::Ok => Self::Ok,
            PartitionVerdict::Warn => Self::Warn,
            PartitionVerdict::Stop | PartitionVerdict::Stall | PartitionVerdict::Rewind => {
                Self::Err
            }
        }
    }
}

/// A group's status in one partition, with the evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionStatus {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: Partition,
    /// Which rule held.
    pub finding: Finding,
    /// The newest commits, oldest first; [`MAX_COMMITS`] at most.
    pub commits: Vec<Commit>,
    /// Records that the group has yet to read; `None` where that is not known.
    pub current_lag: Option<u64>,
}

impl PartitionStatus {
    /// From samples, oldest first; `None`: the topic was deleted, or the group
    /// has left it.
    pub(super) fn of(
        (topic, partition): (&TopicName, Partition),
        samples: &[Sample],
        task: Option<Task<'_>>,
        parameters: &Parameters,
        now: TimestampMs,
    ) -> Option<Self> {
        let status = |finding, commits: Commits, current_lag| Self {
            topic: topic.clone(),
            partition,
            finding,
            commits: commits.list,
            current_lag,
        };
        match PartitionStanding::of_samples(samples, parameters, now) {
            PartitionStanding::Gone => None,
            PartitionStanding::Unknown { since } => {
                let finding = Finding::Unread { since };
                Some(status(finding, Commits::default(), None))
            }
            PartitionStanding::Known(estimate) => {
                let commits = Commits::of(samples);
                let finding = found(&estimate, &commits, parameters);
                let rates_from = task.map(|task| task.rates_from(estimate.as_of));
                let finding = match rates_from {
                    Some(RatesFrom::Depth) => finding.of_depth_alone(),
                    _ => finding,
                };
                Some(status(finding, commits, estimate.lag))
            }
        }
    }

    /// Its status; `None` where that is not known.
    pub fn verdict(&self) -> Option<PartitionVerdict> {
        self.finding.verdict()
    }

    /// The oldest of the commits.
    pub fn start(&self) -> Option<&Commit> {
        self.commits.first()
    }

    /// The newest of the commits.
    pub fn end(&self) -> Option<&Commit> {
        self.commits.last()
    }

    /// Which part of ten commits there is, from 0 to 1.
    pub fn complete(&self) -> f64 {
        self.commits.len() as f64 / MAX_COMMITS as f64
    }

    fn is_complete(&self) -> bool {
        self.commits.len() == MAX_COMMITS
    }
}

fn found(estimate: &PartitionEstimate, commits: &Commits, parameters: &Parameters) -> Finding {
    match estimate.lag {
        Some(lag) => judge(commits, lag, parameters.window),
        None if estimate.retained_records() > 0 => Finding::NothingCommitted,
        None => Finding::NothingToRead,
    }
}

/// A group's status, with the evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupStatus {
    /// The worst of the partitions whose status is known; `None`: of none is it.
    pub verdict: Option<GroupVerdict>,
    /// The partitions, by topic and number; those that are gone are left out.
    pub partitions: Vec<PartitionStatus>,
}

impl GroupStatus {
    /// Over these partitions; `without`: what it is if there are none.
    fn over(partitions: Vec<PartitionStatus>, without: Option<GroupVerdict>) -> Self {
        let verdict = match &partitions[..] {
            [] => without,
            some => worst(some),
        };
        Self {
            verdict,
            partitions,
        }
    }

    /// The same of one topic alone; `None` also if the group is not there.
    pub fn topic_verdict(&self, topic: &TopicName) -> Option<GroupVerdict> {
        worst(self.partitions.iter().filter(|one| one.topic == *topic))
    }

    /// Of one partition; `None` also if the group is not there.
    pub fn partition_verdict(
        &self,
        topic: &TopicName,
        partition: Partition,
    ) -> Option<PartitionVerdict> {
        let key = |one: &PartitionStatus| (&one.topic, one.partition).cmp(&(topic, partition));
        let place = self.partitions.binary_search_by(key).ok()?;
        self.partitions[place].verdict()
    }

    /// Which part of the partitions has ten commits, from 0 to 1, as Burrow
    /// counts it; 0 without a partition.
    pub fn complete(&self) -> f64 {
        if self.partitions.is_empty() {
            return 0.0;
        }
        let complete = self.partitions.iter().filter(|one| one.is_complete());
        complete.count() as f64 / self.partitions.len() as f64
    }

    /// The partition with the largest lag; of equal ones the first.
    pub fn max_lag(&self) -> Option<&PartitionStatus> {
        let partitions = self.partitions.iter();
        let known = partitions.filter(|one| one.current_lag.is_some());
        known.reduce(|most, one| {
            if one.current_lag > most.current_lag {
                one
            } else {
                most
            }
        })
    }

    /// Records that the group has yet to read where it has committed; `None`
    /// if one of the terms is not known, or it has committed nowhere.
    pub fn total_lag(&self) -> Option<u64> {
        let partitions = self.partitions.iter();
        if self.partitions.iter().any(PartitionStatus::is_unread) {
            return None;
        }
        let lags = partitions.filter_map(|one| one.current_lag);
        match lags.reduce(u64::saturating_add) {
            None if self.partitions.is_empty() => Some(0),
            total => total,
        }
    }

    /// The first of the partitions that are as bad as the group.
    pub fn worst(&self) -> Option<&PartitionStatus> {
        let as_bad = |one: &&PartitionStatus| one.verdict().map(GroupVerdict::from) == self.verdict;
        self.partitions.iter().find(as_bad)
    }
}

/// Of those that are known.
fn worst<'a>(partitions: impl IntoIterator<Item = &'a PartitionStatus>) -> Option<GroupVerdict> {
    let partitions = partitions.into_iter();
    let verdicts = partitions.filter_map(PartitionStatus::verdict);
    verdicts.map(GroupVerdict::from).max()
}

impl PartitionStatus {
    fn is_unread(&self) -> bool {
        matches!(self.finding, Finding::Unread { .. })
    }
}

impl Window {
    /// The status of `group` as of `now`, from the ticks that are held; `None`
    /// if it was never read.
    pub fn status(
        &self,
        group: &str,
        parameters: &Parameters,
        now: TimestampMs,
    ) -> Option<GroupStatus> {
        let series = self.index().groups().get(group)?;
        let newest = self.as_of()?;
        // What is thinned out shows no single commit.
        let first = self.place_within(self.reach().dense, newest);
        let task = Task::of(self, series);
        let (mut partitions, mut any_is_gone) = (Vec::new(), false);
        for (topic, commits) in &series.topics {
            self.each_partition(first, topic, commits, |partition, samples| {
                match PartitionStatus::of((topic, partition), samples, task, parameters, now) {
                    Some(status) => partitions.push(status),
                    None => any_is_gone = true,
                }
            });
        }
        let is_usable = now.since(newest) <= parameters.max_staleness;
        let members = is_usable.then(|| membership(series, self, parameters, now));
        let without = match members.and_then(|members| members.state) {
            Some(GroupState::Dead) => Some(GroupVerdict::NotFound),
            Some(_) => Some(GroupVerdict::Ok),
            None => any_is_gone.then_some(GroupVerdict::NotFound),
        };
        Some(GroupStatus::over(partitions, without))
    }
}
