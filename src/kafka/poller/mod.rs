//! One cluster, one cycle: what is of interest becomes a [`Tick`].
//!
//! It owns what is remembered from cycle to cycle: topics, leaders and
//! coordinators, discovered groups, what changes slowly (members, log starts),
//! and which brokers keep silent. It never decides when to poll. Its key
//! invariants: committed offsets are read before log offsets; whatever fails
//! becomes a gap of its own and nothing else; a broker that is slow or silent
//! holds up no other; and a cycle ends, finished or not, at [`Deadline`].

mod activity;
mod commits;
mod coordinators;
mod deadline;
mod discovery;
mod gaps;
mod log_starts;
mod logs;
mod membership;
mod side_by_side;
mod silence;
mod strangers;
mod topics;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    model::{
        ClusterName, Commit, GapScope, GroupId, GroupReading, GroupState, GroupTopicReading,
        Interest, Membership, Tick, TimestampMs, TopicName, TopicReading, TopicState,
    },
    polling::Pollable,
};

use super::{
    client::{Client, IsolationLevel, TopicCommits},
    error::{ErrorCode, RequestError},
    rotation::{self, Rotation},
    stats::RequestStats,
};
pub(super) use coordinators::{OFFSETS_TOPIC, offsets_partition};

pub use discovery::DiscoverySettings;

use activity::Activity;
use commits::GroupCommits;
use coordinators::Coordinators;
pub(crate) use deadline::jittered;
use deadline::{Deadline, GRACE};
use discovery::{Discovery, Target};
use gaps::Gaps;
use log_starts::LogStarts;
use membership::MembershipReader;
use silence::Silence;
use strangers::Strangers;
use topics::{Knowledge, TopicCache};

/// How many requests to one broker may wait for their answer at once. More
/// than this gains nothing: it answers the requests of one connection in turn.
const IN_FLIGHT_A_BROKER: usize = 50;

/// What a poller is told once.
#[derive(Debug, Clone)]
pub struct PollerSettings {
    /// The cluster's name in ticks.
    pub cluster: ClusterName,
    /// Which groups are found.
    pub discovery: DiscoverySettings,
    /// How old partition counts and leaders may get while nothing hints at a
    /// change.
    pub metadata_interval: Duration,
    /// Which records count into the log end offset.
    pub isolation: IsolationLevel,
    /// How long one cycle may take; more than the request timeout.
    pub cycle_limit: Duration,
}

/// Reads one cluster, cycle after cycle.
#[derive(Debug)]
pub struct Poller {
    client: Client,
    rotation: Option<Rotation>,
    settings: PollerSettings,
    discovery: Discovery,
    silence: Silence,
    memory: Memory,
    requests: Arc<RequestStats>,
}

/// What is remembered from cycle to cycle.
#[derive(Debug)]
struct Memory {
    topics: TopicCache,
    coordinators: Coordinators,
    activity: Activity,
    log_starts: LogStarts,
    membership: MembershipReader,
    strangers: Strangers,
}

/// What the requests of one cycle share.
#[derive(Clone, Copy)]
struct Cycle<'a> {
    client: &'a Client,
    deadline: Deadline,
    silence: &'a Silence,
}

impl Cycle<'_> {
    /// Makes a request to a broker, unless it has kept silent. If there is no
    /// answer for want of a connection, the error says what is wrong with that.
    async fn ask_broker<T>(
        self,
        broker: i32,
        deadline: Deadline,
        request: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        let answer = self.silence.unless_silent(broker, deadline, request).await;
        self.client.judged(broker, answer)
    }
}

impl Poller {
    /// A poller that remembers nothing yet.
    pub fn new(client: Client, settings: PollerSettings) -> Self {
        Self {
            client,
            rotation: None,
            discovery: Discovery::new(settings.discovery.clone()),
            silence: Silence::default(),
            memory: Memory {
                topics: TopicCache::new(settings.metadata_interval),
                coordinators: Coordinators::new(settings.metadata_interval),
                activity: Activity::default(),
                log_starts: LogStarts::default(),
                membership: MembershipReader::default(),
                strangers: Strangers::default(),
            },
            requests: Arc::default(),
            settings,
        }
    }

    /// Takes another client between two cycles when passwords or certificates
    /// change; what it remembers stays.
    pub fn rotating(mut self, rotation: Rotation) -> Self {
        self.rotation = Some(rotation);
        self
    }

    /// What it asks of brokers.
    pub fn requests(&self) -> Arc<RequestStats> {
        Arc::clone(&self.requests)
    }

    /// The client that it polls with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    async fn rotate(&mut self) {
        let Some(rotation) = &mut self.rotation else {
            return;
        };
        if let Some(next) = rotation.next(&self.client).await {
            rotation::end(std::mem::replace(&mut self.client, next));
            // Who kept silent to the client of before may answer this one.
            self.silence = Silence::default();
        }
    }

    /// Reads all that is of interest once. `at` becomes the tick's time; it
    /// should be now. Ends within [`PollerSettings::cycle_limit`].
    pub async fn poll(&mut self, interest: &Interest, at: TimestampMs) -> Tick {
        self.rotate().await;
        let cycle = Cycle {
            client: &self.client,
            deadline: Deadline::after(self.settings.cycle_limit.saturating_sub(GRACE)),
            silence: &self.silence,
        };
        let discover = self.discovery.is_asked(interest);
        if discover && self.discovery.is_first() {
            self.discovery
                .refresh(cycle, &self.memory.coordinators)
                .await;
        }
        let targets = self.discovery.targets(interest, &self.memory.activity);
        let groups: HashSet<&GroupId> = targets.iter().map(|target| &target.group).collect();
        let remembered = groups.iter().copied().chain(self.discovery.known());
        self.memory.activity.retain(&remembered.collect());
        self.memory.coordinators.refresh(cycle, &groups).await;

        let isolation = self.settings.isolation;
        let mut reading = Reading::read(cycle, &mut self.memory, &targets, isolation).await;
        if discover {
            let coordinators = &self.memory.coordinators;
            self.discovery.refresh_if_due(cycle, coordinators).await;
        }
        let groups = reading.groups(&targets, &self.memory);
        if let Some(error) = self.memory.coordinators.unreachable() {
            reading.gaps.push(GapScope::Cluster, error.into());
        }
        if let Some(reason) = self.discovery.failure().filter(|_| discover) {
            reading.gaps.push(GapScope::Discovery, reason.clone());
        }
        self.memory.topics.forget_unused();
        self.requests.note(&self.client);
        reading.into_tick(self.settings.cluster.clone(), at, groups)
    }
}

impl Pollable for Poller {
    fn name(&self) -> &ClusterName {
        &self.settings.cluster
    }

    fn poll(&mut self, interest: &Interest, at: TimestampMs) -> impl Future<Output = Tick> + Send {
        Poller::poll(self, interest, at)
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
        memory: &mut Memory,
        targets: &[Target<'_>],
        isolation: IsolationLevel,
    ) -> Self {
        let Memory {
            topics,
            coordinators,
            activity,
            log_starts,
            membership,
            strangers,
        } = memory;
        let mut gaps = Gaps::default();
        let explicit: BTreeSet<&TopicName> =
            targets.iter().flat_map(|target| target.topics).collect();
        topics.refresh(cycle, explicit.iter().copied()).await;
        let commits = commits::read(cycle, topics, coordinators, targets).await;

        let mut names: BTreeSet<TopicName> = explicit.iter().copied().cloned().collect();
        let mut moved = HashSet::new();
        for (target, commits) in targets.iter().zip(&commits) {
            let Ok(commits) = commits else { continue };
            if activity.note(&target.group, commits) {
                moved.insert(&target.group);
            }
            names.extend(commits.iter().map(|found| topics.note_found(found)));
        }
        topics.refresh(cycle, names.iter()).await;
        // Once the commits are read, the coordinators are known.
        let (readings, ()) = futures::join!(
            logs::read(
                cycle, topics, &names, isolation, log_starts, &commits, &mut gaps
            ),
            membership.read(cycle, coordinators, targets, &moved),
        );
        let dead = dead_without_commits(targets, &commits, membership);
        strangers.look_up(cycle, coordinators, &dead).await;
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
        Self {
            commits,
            topics: readings,
            gaps,
        }
    }

    /// The groups that were read whole; the others become gaps.
    fn groups(&mut self, targets: &[Target<'_>], memory: &Memory) -> Vec<GroupReading> {
        let topics = &memory.topics;
        let mut groups = Vec::with_capacity(targets.len());
        for (target, commits) in targets.iter().zip(std::mem::take(&mut self.commits)) {
            let group = &target.group;
            let unread = match &commits {
                Ok(_) if memory.strangers.is_stranger(group) => Some(strangers::reason()),
                Ok(_) => commits::nothing_to_ask(topics, target).cloned(),
                Err(error) => Some(error.into()),
            };
            if let Some(reason) = unread {
                self.gaps.push(GapScope::Group(group.clone()), reason);
                continue;
            }
            let found = commits.unwrap_or_default();
            groups.push(GroupReading {
                group: group.clone(),
                membership: self.membership(group, &found, &memory.membership),
                topics: group_topics(target, found, topics, &mut self.gaps),
                queue: None,
            });
        }
        groups
    }

    fn membership(
        &mut self,
        group: &GroupId,
        found: &[TopicCommits],
        members: &MembershipReader,
    ) -> Option<Membership> {
        let reason = match members.of(group)? {
            Ok(membership) if membership.state == GroupState::Dead && has_commit(found) => {
                strangers::no_members()
            }
            Ok(membership) => return Some(membership.clone()),
            Err(error) => error.into(),
        };
        self.gaps.push(GapScope::Membership(group.clone()), reason);
        None
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

/// Groups of which the brokers know nothing, if it is a consumer group.
fn dead_without_commits<'a>(
    targets: &'a [Target<'_>],
    commits: &[GroupCommits],
    members: &MembershipReader,
) -> Vec<&'a GroupId> {
    let is_dead = |group| {
        let membership = members.of(group).and_then(|answer| answer.as_ref().ok());
        membership.is_some_and(|membership| membership.state == GroupState::Dead)
    };
    let targets = targets.iter().zip(commits);
    targets
        .filter(|(_, commits)| commits.as_ref().is_ok_and(|found| !has_commit(found)))
        .map(|(target, _)| &target.group)
        .filter(|group| is_dead(group))
        .collect()
}

fn has_commit(found: &[TopicCommits]) -> bool {
    let mut commits = found.iter().flat_map(|topic| &topic.commits);
    commits.any(|(_, commit)| matches!(commit, Ok(Some(_))))
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
    let unsaid = if target.committed.is_asked() {
        Commit::None
    } else {
        Commit::Unread
    };
    let mut rows: BTreeMap<TopicName, Vec<Commit>> = BTreeMap::new();
    for topic in target.topics {
        match topics.get(topic) {
            Some(Knowledge::Present(known)) => {
                rows.insert(topic.clone(), vec![unsaid; known.leaders.len()]);
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
        Some(Knowledge::Present(known)) => Some(known.leaders.len()),
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
