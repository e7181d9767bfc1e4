//! Where a group stands, as JSON.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    board::Snapshot,
    estimator::{
        Eta, Freshness, GroupEstimate, GroupStatus, GroupVerdict, MembershipEstimate, Parameters,
        PartitionEstimate, PartitionStanding, PartitionVerdict, TimeLag, TopicEstimate, Totals,
        Wanted,
    },
    model::{ClusterName, GroupId, GroupSeries, GroupState, Partition, TimestampMs},
};

use super::{
    attention::Order,
    openapi::words::{GroupStateWord, GroupStatusWord, PartitionStatusWord},
    reasons::Reasons,
    task::TaskJson,
};

/// A group, as of its newest readings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub(super) struct GroupJson {
    cluster: String,
    group: String,
    #[serde(flatten)]
    task: TaskJson,
    #[serde(flatten)]
    membership: MembershipJson,
    #[serde(flatten)]
    totals: TotalsJson,
    /// Why something is not known.
    reason: Option<String>,
}

/// The same with its status.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JudgedGroup)]
pub(super) struct JudgedGroupJson {
    #[serde(flatten)]
    group: GroupJson,
    /// By Burrow's rules.
    #[schema(value_type = Option<GroupStatusWord>)]
    status: Option<&'static str>,
}

/// The same with its topics.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupDetail)]
pub(super) struct GroupDetailJson {
    #[serde(flatten)]
    group: JudgedGroupJson,
    /// Most first.
    partitions_by_member: Option<Vec<u32>>,
    topics: Vec<TopicJson>,
}

/// A group's members; all `null` where the broker can't tell.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Membership)]
struct MembershipJson {
    #[schema(value_type = Option<GroupStateWord>)]
    state: Option<&'static str>,
    members: Option<u32>,
    max_partitions_by_member: Option<u32>,
    /// In the window over which rates are taken.
    rebalances: Option<u32>,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_rebalance: Option<TimestampMs>,
}

/// A group in one topic.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Topic)]
pub(super) struct TopicJson {
    topic: String,
    #[serde(flatten)]
    totals: TotalsJson,
    reason: Option<String>,
    partitions: Vec<PartitionJson>,
}

/// Sums over partitions. A queue's task has one, and its commit is the queue's.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Totals)]
struct TotalsJson {
    partition_count: u32,
    unknown_partition_count: u32,
    partitions_without_commit: Option<u32>,
    records_without_commit: Option<u64>,
    #[serde(flatten)]
    measures: Measures,
}

/// A group in one partition.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Partition)]
struct PartitionJson {
    #[schema(value_type = i32)]
    partition: Partition,
    committed_offset: Option<i64>,
    log_start_offset: Option<i64>,
    log_end_offset: Option<i64>,
    #[serde(flatten)]
    measures: Measures,
    /// By Burrow's rules.
    #[schema(value_type = Option<PartitionStatusWord>)]
    status: Option<&'static str>,
    reason: Option<String>,
}

/// What is measured of a partition, or summed over many.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Measures {
    pub(super) lag: Option<u64>,
    pub(super) lost_records: Option<u64>,
    pub(super) arrival_rate: Option<f64>,
    pub(super) consumption_rate: Option<f64>,
    pub(super) time_lag_seconds: Option<f64>,
    pub(super) time_lag_at_least: Option<bool>,
    /// `null`: never, or unknown; `drains` tells which.
    pub(super) eta_seconds: Option<f64>,
    pub(super) drains: Option<bool>,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) as_of: Option<TimestampMs>,
    pub(super) freshness: FreshnessJson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Freshness)]
pub(super) enum FreshnessJson {
    Fresh,
    Stale,
    #[default]
    Unknown,
}

impl From<Freshness> for FreshnessJson {
    fn from(freshness: Freshness) -> Self {
        match freshness {
            Freshness::Fresh => Self::Fresh,
            Freshness::Stale => Self::Stale,
        }
    }
}

impl FreshnessJson {
    /// Of what is as old as a cluster's newest tick.
    pub(super) fn of(snapshot: &Snapshot, parameters: &Parameters, now: TimestampMs) -> Self {
        match snapshot.as_of().map(|newest| now.since(newest)) {
            Some(age) if age <= parameters.fresh_for => Self::Fresh,
            Some(age) if age <= parameters.max_staleness => Self::Stale,
            _ => Self::Unknown,
        }
    }
}

/// What the lag of a group or topic is to people: not 0 where there is no
/// commit to count from.
pub(super) fn lag(totals: &Totals) -> Option<u64> {
    totals.lag.filter(|_| has_commit(totals))
}

pub(super) fn has_commit(totals: &Totals) -> bool {
    totals.partitions == 0 || totals.partitions_without_commit < totals.partitions
}

/// One snapshot, and the time at which it is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) cluster: &'a ClusterName,
    pub(super) snapshot: &'a Snapshot,
    pub(super) parameters: &'a Parameters,
    pub(super) now: TimestampMs,
}

impl View<'_> {
    pub(super) fn estimate(&self, group: &GroupId) -> Option<GroupEstimate> {
        let window = &self.snapshot.window;
        window.estimate_group(group.as_str(), Wanted::SHOWN, self.parameters, self.now)
    }

    /// By Burrow's rules.
    pub(super) fn status(&self, group: &GroupId) -> Option<GroupStatus> {
        let window = &self.snapshot.window;
        window.status(group.as_str(), self.parameters, self.now)
    }

    /// The group without its topics.
    pub(super) fn summary(&self, group: &GroupId, estimate: &GroupEstimate) -> GroupJson {
        let totals = self.totals(Some(estimate));
        let membership = self.is_usable().then(|| (&estimate.membership).into());
        GroupJson {
            cluster: self.cluster.to_string(),
            group: group.to_string(),
            task: self.task(group, Some(estimate)),
            membership: membership.unwrap_or_default(),
            reason: self.unknown(&totals.measures, group, Some(estimate)),
            totals,
        }
    }

    /// What is measured of the whole group, and why not where it is unknown;
    /// `None`: it was never read.
    pub(super) fn measured(
        &self,
        group: &GroupId,
        estimate: Option<&GroupEstimate>,
    ) -> (Measures, Option<String>) {
        let measures = self.totals(estimate).measures;
        let reason = self.unknown(&measures, group, estimate);
        (measures, reason)
    }

    fn unknown(
        &self,
        measures: &Measures,
        group: &GroupId,
        estimate: Option<&GroupEstimate>,
    ) -> Option<String> {
        let is_unknown = measures.freshness == FreshnessJson::Unknown;
        is_unknown.then(|| self.reason(&Reasons::of(self.snapshot, group), estimate))
    }

    /// The group without its topics, but with its status, and its place among
    /// others.
    pub(super) fn judged(
        &self,
        group: &GroupId,
        estimate: &GroupEstimate,
    ) -> (Order, JudgedGroupJson) {
        let status = self.status(group);
        let verdict = status.as_ref().and_then(|status| status.verdict);
        let judged = self.with_status(group, estimate, status.as_ref());
        (Order::of(verdict, &judged.group.totals.measures), judged)
    }

    fn with_status(
        &self,
        group: &GroupId,
        estimate: &GroupEstimate,
        status: Option<&GroupStatus>,
    ) -> JudgedGroupJson {
        let verdict = status.and_then(|status| status.verdict);
        JudgedGroupJson {
            group: self.summary(group, estimate),
            status: verdict.map(GroupVerdict::as_str),
        }
    }

    /// The group by topic and partition; `None`: it was never read.
    pub(super) fn detail(
        &self,
        group: &GroupId,
        estimate: Option<&GroupEstimate>,
    ) -> GroupDetailJson {
        let reasons = Reasons::of(self.snapshot, group);
        let Some(estimate) = estimate else {
            return self.unread(group, &reasons);
        };
        let status = self.status(group);
        let topics = estimate.topics.iter();
        let is_task = estimate.is_task();
        let topics = topics.map(|topic| topic_json(topic, is_task, status.as_ref(), &reasons));
        let by_member = estimate.membership.partitions_by_member.clone();
        GroupDetailJson {
            group: self.with_status(group, estimate, status.as_ref()),
            partitions_by_member: by_member.filter(|_| self.is_usable()),
            topics: topics.collect(),
        }
    }

    fn unread(&self, group: &GroupId, reasons: &Reasons<'_>) -> GroupDetailJson {
        let group = GroupJson {
            cluster: self.cluster.to_string(),
            group: group.to_string(),
            task: self.task(group, None),
            membership: MembershipJson::default(),
            totals: self.totals(None),
            reason: Some(self.reason(reasons, None)),
        };
        GroupDetailJson {
            group: JudgedGroupJson {
                group,
                status: None,
            },
            partitions_by_member: None,
            topics: Vec::new(),
        }
    }

    fn reason(&self, reasons: &Reasons<'_>, estimate: Option<&GroupEstimate>) -> String {
        let mut topics = estimate.into_iter().flat_map(|estimate| &estimate.topics);
        match topics.find(|topic| topic.totals.unknown_partitions > 0) {
            Some(topic) => reasons.of_topic(&topic.topic, topic.totals.unknown_since),
            None => reasons.of_group(),
        }
    }

    /// What is told of a queue's task, and whether it is one.
    pub(super) fn task(&self, group: &GroupId, estimate: Option<&GroupEstimate>) -> TaskJson {
        let series = self.snapshot.window.index().groups().get(group);
        TaskJson::of(series.is_some_and(GroupSeries::is_task), estimate)
    }

    fn is_usable(&self) -> bool {
        self.age() != FreshnessJson::Unknown
    }

    /// Of the newest tick.
    pub(super) fn age(&self) -> FreshnessJson {
        FreshnessJson::of(self.snapshot, self.parameters, self.now)
    }

    /// A group without a partition is one without lag only if it was read.
    fn totals(&self, estimate: Option<&GroupEstimate>) -> TotalsJson {
        let totals = estimate.map_or(Totals::NOTHING, |estimate| estimate.totals);
        let is_task = estimate.is_some_and(GroupEstimate::is_task);
        let mut json = TotalsJson::of(&totals, is_task);
        if totals.partitions > 0 {
            return json;
        }
        let was_read = estimate.is_some_and(|estimate| estimate.membership.state.is_some());
        json.measures = match self.age() {
            age if was_read && age != FreshnessJson::Unknown => Measures {
                as_of: self.snapshot.as_of(),
                freshness: age,
                ..json.measures
            },
            _ => Measures::default(),
        };
        json
    }
}

fn topic_json(
    topic: &TopicEstimate,
    is_task: bool,
    status: Option<&GroupStatus>,
    reasons: &Reasons<'_>,
) -> TopicJson {
    let totals = &topic.totals;
    let reason = || reasons.of_topic(&topic.topic, totals.unknown_since);
    let verdict = |partition| status?.partition_verdict(&topic.topic, partition);
    let partitions = topic.partitions.iter();
    TopicJson {
        topic: topic.topic.to_string(),
        totals: TotalsJson::of(totals, is_task),
        reason: (totals.unknown_partitions > 0).then(reason),
        partitions: partitions
            .map(|(partition, standing)| {
                let reason = |since| reasons.of_partition(&topic.topic, *partition, since);
                PartitionJson {
                    status: verdict(*partition).map(PartitionVerdict::as_str),
                    ..partition_json(*partition, standing, reason)
                }
            })
            .collect(),
    }
}

fn partition_json(
    partition: Partition,
    standing: &PartitionStanding,
    reason: impl Fn(Option<TimestampMs>) -> String,
) -> PartitionJson {
    match standing {
        PartitionStanding::Known(estimate) => PartitionJson {
            partition,
            committed_offset: estimate.committed_offset,
            log_start_offset: Some(estimate.log_start_offset),
            log_end_offset: Some(estimate.log_end_offset),
            measures: estimate.into(),
            ..PartitionJson::default()
        },
        PartitionStanding::Unknown { since } => PartitionJson {
            partition,
            measures: Measures {
                as_of: *since,
                ..Measures::default()
            },
            reason: Some(reason(*since)),
            ..PartitionJson::default()
        },
        // The estimator leaves those out.
        PartitionStanding::Gone => PartitionJson {
            partition,
            ..PartitionJson::default()
        },
    }
}

impl From<&MembershipEstimate> for MembershipJson {
    fn from(membership: &MembershipEstimate) -> Self {
        Self {
            state: membership.state.map(GroupState::as_str),
            members: membership.members,
            max_partitions_by_member: membership.max_partitions_by_member(),
            rebalances: membership.rebalances,
            last_rebalance: membership.last_rebalance,
        }
    }
}

impl TotalsJson {
    fn of(totals: &Totals, is_task: bool) -> Self {
        let of_commits = !is_task;
        Self {
            partition_count: totals.partitions,
            unknown_partition_count: totals.unknown_partitions,
            partitions_without_commit: of_commits.then_some(totals.partitions_without_commit),
            records_without_commit: of_commits.then_some(totals.records_without_commit),
            measures: totals.into(),
        }
    }
}

impl From<&Totals> for Measures {
    fn from(totals: &Totals) -> Self {
        let freshness = if totals.unknown_partitions > 0 {
            FreshnessJson::Unknown
        } else {
            totals.freshness.into()
        };
        Self {
            lag: lag(totals),
            lost_records: totals.lost_records.filter(|_| has_commit(totals)),
            arrival_rate: totals.arrival_rate,
            consumption_rate: totals.consumption_rate,
            as_of: totals.as_of,
            freshness,
            ..Self::default()
        }
        .with_time_lag(known_time_lag(totals))
        .with_eta(totals.eta().filter(|_| has_commit(totals)))
    }
}

impl From<&PartitionEstimate> for Measures {
    fn from(estimate: &PartitionEstimate) -> Self {
        Self {
            lag: estimate.lag,
            lost_records: estimate.lost_records,
            arrival_rate: estimate.arrival_rate,
            consumption_rate: estimate.consumption_rate,
            as_of: Some(estimate.as_of),
            freshness: estimate.freshness.into(),
            ..Self::default()
        }
        .with_time_lag(estimate.time_lag)
        .with_eta(estimate.eta())
    }
}

impl Measures {
    fn with_time_lag(mut self, time_lag: Option<TimeLag>) -> Self {
        self.time_lag_seconds = time_lag.map(|time_lag| time_lag.seconds);
        self.time_lag_at_least = time_lag.map(|time_lag| time_lag.at_least);
        self
    }

    fn with_eta(mut self, eta: Option<Eta>) -> Self {
        self.eta_seconds = match eta {
            Some(Eta::In(seconds)) => Some(seconds),
            Some(Eta::Never) | None => None,
        };
        self.drains = eta.map(|eta| eta != Eta::Never);
        self
    }
}

/// The longest time lag. Where one partition is unknown, the longest of the
/// others is not it.
pub(super) fn known_time_lag(totals: &Totals) -> Option<TimeLag> {
    totals.time_lag.filter(|_| totals.unknown_partitions == 0)
}

fn as_text<S: Serializer>(at: &Option<TimestampMs>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}
