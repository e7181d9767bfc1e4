//! What can be asked of a group's history.

use serde_json::Value;

use crate::estimator::{
    GroupEstimate, GroupVerdict, PartitionEstimate, PartitionStanding, PartitionVerdict, RatesFrom,
    TaskEstimate, TopicEstimate,
};

use super::{
    super::{error::ApiError, standing::Measures},
    beside::ToldMetric,
    extremes::LagRange,
};

/// One thing to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    Lag,
    LagFirst,
    LagMin,
    LagMax,
    Depth,
    DepthFirst,
    DepthMin,
    DepthMax,
    CommittedOffset,
    LogEndOffset,
    LogStartOffset,
    LostRecords,
    ArrivalRate,
    ConsumptionRate,
    RatesFrom,
    EtaSeconds,
    TimeLagSeconds,
    OldestAgeSeconds,
    Added,
    Done,
    Members,
    MaxPartitionsByMember,
    Rebalances,
    Status,
}

pub(super) const ALL: [Metric; 24] = [
    Metric::Lag,
    Metric::LagFirst,
    Metric::LagMin,
    Metric::LagMax,
    Metric::Depth,
    Metric::DepthFirst,
    Metric::DepthMin,
    Metric::DepthMax,
    Metric::CommittedOffset,
    Metric::LogEndOffset,
    Metric::LogStartOffset,
    Metric::LostRecords,
    Metric::ArrivalRate,
    Metric::ConsumptionRate,
    Metric::RatesFrom,
    Metric::EtaSeconds,
    Metric::TimeLagSeconds,
    Metric::OldestAgeSeconds,
    Metric::Added,
    Metric::Done,
    Metric::Members,
    Metric::MaxPartitionsByMember,
    Metric::Rebalances,
    Metric::Status,
];

/// What is asked for, each once.
#[derive(Debug, Default)]
pub(in super::super) struct Asked {
    pub(super) metrics: Vec<Metric>,
    pub(super) told: Vec<ToldMetric>,
}

impl Asked {
    /// The names of all that can be asked for.
    pub(in super::super) fn names() -> impl Iterator<Item = &'static str> {
        let names = ALL.map(Metric::name).into_iter();
        names.chain(ToldMetric::ALL.map(ToldMetric::name))
    }

    /// Reads names that are separated by commas.
    pub(in super::super) fn parse(text: &str) -> Result<Self, ApiError> {
        let mut asked = Self::default();
        for name in text.split(',').map(str::trim) {
            let told = ToldMetric::ALL.into_iter().find(|told| told.name() == name);
            match (Metric::named(name), told) {
                (Some(metric), _) => push_new(&mut asked.metrics, metric),
                (None, Some(told)) => push_new(&mut asked.told, told),
                (None, None) => return Err(unknown(name)),
            }
        }
        Ok(asked)
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn unknown(name: &str) -> ApiError {
    let names: Vec<_> = Asked::names().collect();
    ApiError::bad("metric", name, format!("some of {}", names.join(", ")))
}

impl Metric {
    fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|metric| metric.name() == name)
    }

    fn name(self) -> &'static str {
        self.keys()[0]
    }

    /// Is it told from more than one reading?
    pub(super) fn looks_back(self) -> bool {
        match self {
            Self::ArrivalRate
            | Self::ConsumptionRate
            | Self::EtaSeconds
            | Self::TimeLagSeconds
            | Self::Rebalances
            | Self::Status => true,
            Self::Lag
            | Self::LagFirst
            | Self::LagMin
            | Self::LagMax
            | Self::Depth
            | Self::DepthFirst
            | Self::DepthMin
            | Self::DepthMax
            | Self::CommittedOffset
            | Self::LogEndOffset
            | Self::LogStartOffset
            | Self::LostRecords
            | Self::RatesFrom
            | Self::OldestAgeSeconds
            | Self::Added
            | Self::Done
            | Self::Members
            | Self::MaxPartitionsByMember => false,
        }
    }

    /// Is it told of all ticks of a step?
    pub(super) fn is_extreme(self) -> bool {
        matches!(
            self,
            Self::LagFirst
                | Self::LagMin
                | Self::LagMax
                | Self::DepthFirst
                | Self::DepthMin
                | Self::DepthMax
        )
    }

    /// The keys that it has in JSON.
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Lag => &["lag"],
            Self::LagFirst => &["lag_first"],
            Self::LagMin => &["lag_min"],
            Self::LagMax => &["lag_max"],
            Self::Depth => &["depth"],
            Self::DepthFirst => &["depth_first"],
            Self::DepthMin => &["depth_min"],
            Self::DepthMax => &["depth_max"],
            Self::CommittedOffset => &["committed_offset"],
            Self::LogEndOffset => &["log_end_offset"],
            Self::LogStartOffset => &["log_start_offset"],
            Self::LostRecords => &["lost_records"],
            Self::ArrivalRate => &["arrival_rate"],
            Self::ConsumptionRate => &["consumption_rate"],
            Self::RatesFrom => &["rates_from"],
            Self::EtaSeconds => &["eta_seconds"],
            Self::TimeLagSeconds => &["time_lag_seconds", "time_lag_at_least"],
            Self::OldestAgeSeconds => &["oldest_age_seconds"],
            Self::Added => &["added"],
            Self::Done => &["done"],
            Self::Members => &["members"],
            Self::MaxPartitionsByMember => &["max_partitions_by_member"],
            Self::Rebalances => &["rebalances"],
            Self::Status => &["status"],
        }
    }

    /// Appends a value for each of its keys.
    pub(super) fn append(self, point: &Point, values: &mut Vec<Value>) {
        let Point {
            offsets,
            measures,
            group,
            task,
            lags,
            status,
        } = point;
        values.push(match self {
            Self::Lag => measures.lag.into(),
            Self::LagFirst => lags.first.into(),
            Self::LagMin => lags.min.into(),
            Self::LagMax => lags.max.into(),
            Self::Depth => task.and(measures.lag).into(),
            Self::DepthFirst => task.and(lags.first).into(),
            Self::DepthMin => task.and(lags.min).into(),
            Self::DepthMax => task.and(lags.max).into(),
            Self::CommittedOffset => offsets.committed.into(),
            Self::LogEndOffset => offsets.log_end.into(),
            Self::LogStartOffset => offsets.log_start.into(),
            Self::LostRecords => measures.lost_records.into(),
            Self::ArrivalRate => measures.arrival_rate.into(),
            Self::ConsumptionRate => measures.consumption_rate.into(),
            Self::RatesFrom => group.rates_from.into(),
            Self::EtaSeconds => measures.eta_seconds.into(),
            Self::TimeLagSeconds => measures.time_lag_seconds.into(),
            Self::OldestAgeSeconds => task.and_then(|task| task.oldest_age_seconds).into(),
            Self::Added => task.and_then(|task| task.added).into(),
            Self::Done => task.and_then(|task| task.done).into(),
            Self::Members => group.members.into(),
            Self::MaxPartitionsByMember => group.max_partitions_by_member.into(),
            Self::Rebalances => group.rebalances.into(),
            Self::Status => (*status).into(),
        });
        if self == Self::TimeLagSeconds {
            values.push(measures.time_lag_at_least.into());
        }
    }
}

/// A group in one partition, or over a topic, at one time.
#[derive(Debug)]
pub(super) struct Point {
    offsets: Offsets,
    measures: Measures,
    group: OfGroup,
    /// Of a queue's task.
    task: Option<TaskEstimate>,
    /// Over the step.
    lags: LagRange,
    /// Burrow's word, if it is asked for.
    status: Option<&'static str>,
}

/// What is told of the group as a whole.
#[derive(Debug, Clone, Copy)]
struct OfGroup {
    members: Option<u32>,
    /// How many partitions the member with the most has.
    max_partitions_by_member: Option<u32>,
    rebalances: Option<u32>,
    rates_from: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Offsets {
    committed: Option<i64>,
    log_start: Option<i64>,
    log_end: Option<i64>,
}

impl Point {
    pub(super) fn of_topic(
        topic: &TopicEstimate,
        group: &GroupEstimate,
        lags: LagRange,
        verdict: Option<GroupVerdict>,
    ) -> Self {
        let standings = topic.partitions.iter().map(|(_, standing)| standing);
        Self {
            offsets: Offsets::sum(standings),
            measures: Measures::from(&topic.totals),
            group: group.into(),
            task: group.task,
            lags,
            status: verdict.map(GroupVerdict::as_str),
        }
    }

    pub(super) fn of_partition(
        standing: &PartitionStanding,
        group: &GroupEstimate,
        lags: LagRange,
        verdict: Option<PartitionVerdict>,
    ) -> Self {
        let measures = match standing {
            PartitionStanding::Known(estimate) => estimate.into(),
            PartitionStanding::Unknown { .. } | PartitionStanding::Gone => Measures::default(),
        };
        Self {
            offsets: Offsets::of(standing),
            measures,
            group: group.into(),
            task: group.task,
            lags,
            status: verdict.map(PartitionVerdict::as_str),
        }
    }
}

impl From<&GroupEstimate> for OfGroup {
    fn from(group: &GroupEstimate) -> Self {
        let membership = &group.membership;
        Self {
            members: membership.members,
            max_partitions_by_member: membership.max_partitions_by_member(),
            rebalances: membership.rebalances,
            rates_from: group.rates_from().map(RatesFrom::as_str),
        }
    }
}

impl Offsets {
    fn of(standing: &PartitionStanding) -> Self {
        match standing {
            PartitionStanding::Known(estimate) => Self::of_known(estimate),
            PartitionStanding::Unknown { .. } | PartitionStanding::Gone => Self::default(),
        }
    }

    fn of_known(estimate: &PartitionEstimate) -> Self {
        Self {
            committed: estimate.committed_offset,
            log_start: Some(estimate.log_start_offset),
            log_end: Some(estimate.log_end_offset),
        }
    }

    /// A sum in which one term is unknown is unknown.
    fn sum<'a>(standings: impl Iterator<Item = &'a PartitionStanding>) -> Self {
        let zero = Self {
            committed: Some(0),
            log_start: Some(0),
            log_end: Some(0),
        };
        let plus = |a: Option<i64>, b: Option<i64>| Some(a?.saturating_add(b?));
        standings.map(Self::of).fold(zero, |sum, of| Self {
            committed: plus(sum.committed, of.committed),
            log_start: plus(sum.log_start, of.log_start),
            log_end: plus(sum.log_end, of.log_end),
        })
    }
}
