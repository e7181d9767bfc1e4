//! One cluster, one cycle: what is of interest becomes a [`Tick`].
//!
//! It owns what is remembered from cycle to cycle: topics and their leaders,
//! discovered groups, and whether brokers can describe groups. It never decides
//! when to poll. Its key invariants: committed offsets are read before log
//! offsets; whatever fails becomes a gap of its own and nothing else; and a
//! cycle ends, finished or not, at [`Deadline`].

mod commits;
mod coordinators;
mod deadline;
mod discovery;
mod gaps;
mod logs;
mod membership;
mod topics;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::model::{
    ClusterName, Commit, GapScope, GroupId, GroupReading, GroupTopicReading, Interest, Tick,
    TimestampMs, TopicName, TopicReading, TopicState,
};

use super::{
    client::{Client, IsolationLevel, TopicCommits},
    error::ErrorCode,
};
pub(super) use coordinators::{OFFSETS_TOPIC, offsets_partition};

use commits::GroupCommits;
use coordinators::Coordinators;
use deadline::{Deadline, GRACE};
use discovery::{Discovery, Target};
use gaps::Gaps;
use membership::{Members, MembershipReader};
use topics::{Knowledge, TopicCache};

/// How many requests may wait for their answer at once. More than this gains
/// nothing: brokers answer the requests of one connection in turn.
const MAX_IN_FLIGHT: usize = 100;

/// What a poller is told once.
#[derive(Debug, Clone)]
pub struct PollerSettings {
    /// The cluster's name in ticks.
    pub cluster: ClusterName,
    /// May the cluster's groups be listed, for matchers to pick from?
    pub discover: bool,
    /// How old the list of groups may get.
    pub discovery_interval: Duration,
    /// How old partition counts and leaders may get while nothing hints at a
    /// change.
    pub metadata_interval: Duration,
    /// Which records count into the log end offset.
    pub isolation: IsolationLevel,
}

/// Reads one cluster, cycle after cycle.
#[derive(Debug)]
pub struct Poller {
    client: Client,
    settings: PollerSettings,
    topics: TopicCache,
    coordinators: Coordinators,
    discovery: Discovery,
    membership: MembershipReader,
}

/// What the requests of one cycle share.
#[derive(Clone, Copy)]
struct Cycle<'a> {
    client: &'a Client,
    deadline: Deadline,
}

impl Poller {
    /// A poller that remembers nothing yet.
    pub fn new(client: Client, settings: PollerSettings) -> Self {
        Self {
            client,
            topics: TopicCache::new(settings.metadata_interval),
            coordinators: Coordinators::new(settings.metadata_interval),
            discovery: Discovery::new(settings.discovery_interval),
            membership: MembershipReader::default(),
            settings,
        }
    }

    /// The client that it polls with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reads all that is of interest once. `at` becomes the tick's time; it
    /// should be now. Ends within twice the request timeout and a second.
    pub async fn poll(&mut self, interest: &Interest, at: TimestampMs) -> Tick {
        let longest = 2 * self.client.request_timeout() + Duration::from_secs(1);
        let cycle = Cycle {
            client: &self.client,
            deadline: Deadline::after(longest.saturating_sub(GRACE)),
        };
        let discover = self.settings.discover && !interest.matchers.is_empty();
        if discover && self.discovery.is_first() {
            self.discovery.refresh(cycle, &self.coordinators).await;
        }
        let targets = self.discovery.targets(interest, discover);
        let groups = targets.iter().map(|target| &target.group).collect();
        self.coordinators.refresh(cycle, &groups).await;

        let read = Reading::read(
            cycle,
            &mut self.topics,
            &self.coordinators,
            &mut self.membership,
            &targets,
            self.settings.isolation,
        );
        let discovered = self
            .discovery
            .refresh_if_due(cycle, &self.coordinators, discover);
        let ((mut reading, members), ()) = futures::join!(read, discovered);
        let groups = reading.groups(&targets, &self.topics, members);
        if let Some(reason) = self.discovery.failure().filter(|_| discover) {
            reading.gaps.push(GapScope::Discovery, reason.clone());
        }
        self.topics.forget_unused();
        reading.into_tick(self.settings.cluster.clone(), at, groups)
    }
}

/// All offsets of one cycle.
struct Reading {
    /// By target.
    commits: Vec<GroupCommits>,
    topics: Vec<TopicReading>,
    gaps: Gaps,
}

impl Reading {
    /// Committed offsets first, then log offsets, so that a lag made of them
    /// is never negative.
    async fn read(
        cycle: Cycle<'_>,
        topics: &mut TopicCache,
        coordinators: &Coordinators,
        membership: &mut MembershipReader,
        targets: &[Target<'_>],
        isolation: IsolationLevel,
    ) -> (Self, Members) {
        let mut gaps = Gaps::default();
        let explicit: BTreeSet<&TopicName> =
            targets.iter().flat_map(|target| target.topics).collect();
        topics.refresh(cycle, explicit.iter().copied()).await;
        let commits = commits::read(cycle, topics, coordinators, targets).await;

        let mut names: BTreeSet<TopicName> = explicit.iter().copied().cloned().collect();
        for found in commits.iter().flatten().flatten() {
            names.insert(topics.note_found(found));
        }
        topics.refresh(cycle, names.iter()).await;
        // Once the commits are read, the coordinators are known.
        let (readings, members) = futures::join!(
            logs::read(cycle, topics, &names, isolation, &mut gaps),
            membership.read(cycle, coordinators, targets),
        );
        for name in &names {
            match topics.get(name) {
                Some(Knowledge::Missing) if explicit.contains(name) => {
                    gaps.push(
                        GapScope::Topic(name.clone()),
                        ErrorCode::UNKNOWN_TOPIC.into(),
                    );
                }
                Some(Knowledge::Unreadable(reason)) => {
                    gaps.push(GapScope::Topic(name.clone()), reason.clone());
                }
                _ => {}
            }
        }
        let reading = Self {
            commits,
            topics: readings,
            gaps,
        };
        (reading, members)
    }

    /// The groups that were read whole; the others become gaps.
    fn groups(
        &mut self,
        targets: &[Target<'_>],
        topics: &TopicCache,
        mut members: Members,
    ) -> Vec<GroupReading> {
        let mut groups = Vec::with_capacity(targets.len());
        for (target, commits) in targets.iter().zip(std::mem::take(&mut self.commits)) {
            let group = &target.group;
            let unread = match &commits {
                Ok(_) => commits::nothing_to_ask(topics, target).cloned(),
                Err(error) => Some(error.into()),
            };
            if let Some(reason) = unread {
                self.gaps.push(GapScope::Group(group.clone()), reason);
                continue;
            }
            let found = commits.unwrap_or_default();
            let membership = match members.remove(group) {
                Some(Err(error)) => {
                    self.gaps
                        .push(GapScope::Membership(group.clone()), (&error).into());
                    None
                }
                Some(Ok(membership)) => Some(membership),
                None => None,
            };
            groups.push(GroupReading {
                group: group.clone(),
                membership,
                topics: group_topics(target, found, topics, &mut self.gaps),
            });
        }
        groups
    }

    fn into_tick(self, cluster: ClusterName, at: TimestampMs, groups: Vec<GroupReading>) -> Tick {
        let nothing_read = groups.is_empty() && !self.topics.iter().any(says_something);
        Tick {
            cluster,
            at,
            topics: if nothing_read {
                Vec::new()
            } else {
                self.topics
            },
            groups,
            gaps: self.gaps.into_sorted(nothing_read),
        }
    }
}

fn says_something(reading: &TopicReading) -> bool {
    match &reading.state {
        TopicState::Missing => true,
        TopicState::Present(partitions) => partitions.iter().any(|partition| {
            partition
                .log_start_offset
                .or(partition.log_end_offset)
                .is_some()
        }),
    }
}

/// One group's commits by topic and partition.
fn group_topics(
    target: &Target<'_>,
    found: Vec<TopicCommits>,
    topics: &TopicCache,
    gaps: &mut Gaps,
) -> Vec<GroupTopicReading> {
    // Asked for all commits, what is not among them is known not to be there.
    let unsaid = if target.committed {
        Commit::None
    } else {
        Commit::Unread
    };
    let mut rows: BTreeMap<TopicName, Vec<Commit>> = BTreeMap::new();
    for topic in target.topics {
        match topics.get(topic) {
            Some(Knowledge::Present(leaders)) => {
                rows.insert(topic.clone(), vec![unsaid; leaders.len()]);
            }
            Some(Knowledge::Missing) => {}
            // Listed all the same: it was not left, it could not be read.
            Some(Knowledge::Unreadable(_)) | None => {
                rows.insert(topic.clone(), Vec::new());
            }
        }
    }
    for found in found {
        let Some(partitions) = partitions_of(&found, topics) else {
            continue;
        };
        let known = rows.contains_key(&found.topic);
        if !known && found.commits.iter().all(|(_, commit)| *commit == Ok(None)) {
            continue;
        }
        let row = rows.entry(topics.name(&found.topic)).or_default();
        row.resize(partitions, unsaid);
        place_commits(&target.group, &found, row, gaps);
    }
    rows.into_iter()
        .map(|(topic, commits)| GroupTopicReading { topic, commits })
        .collect()
}

/// How many partitions the topic has; `None`: there is no such topic.
fn partitions_of(found: &TopicCommits, topics: &TopicCache) -> Option<usize> {
    match topics.get(&found.topic) {
        Some(Knowledge::Missing) => None,
        Some(Knowledge::Present(leaders)) => Some(leaders.len()),
        Some(Knowledge::Unreadable(_)) | None => Some(commits::partitions_seen(found)),
    }
}

fn place_commits(group: &GroupId, found: &TopicCommits, row: &mut [Commit], gaps: &mut Gaps) {
    for (partition, commit) in &found.commits {
        // A commit beyond the topic's partitions is of a topic that was
        // deleted and made again, smaller.
        let Some(place) = usize::try_from(*partition)
            .ok()
            .and_then(|at| row.get_mut(at))
        else {
            continue;
        };
        *place = match commit {
            Ok(Some(offset)) => Commit::At(*offset),
            Ok(None) => Commit::None,
            Err(code) => {
                let scope = GapScope::Commit(group.clone(), found.topic.clone(), *partition);
                gaps.push(scope, (*code).into());
                Commit::Unread
            }
        };
    }
}
