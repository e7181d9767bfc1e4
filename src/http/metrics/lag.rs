//! Lag under the names of kafka-lag-exporter, which dashboards know.
//!
//! `member_host`, `consumer_id` and `client_id` are empty for now: a tick
//! doesn't say which member reads a partition, but joins on these labels are
//! not to break. A time lag that reaches beyond the window is a lower bound.

use std::fmt;

use prometheus_client::encoding::EncodeLabelSet;

use crate::{
    board::Snapshot,
    estimator::{
        GroupEstimate, GroupVerdict, PartitionEstimate, PartitionStanding, TopicEstimate, Totals,
    },
    model::{ClusterName, GroupId, Partition, TimestampMs, TopicName},
};

use super::{
    super::{
        HttpState,
        error::ApiError,
        gate::Allowance,
        recorded::{eta, is_of_task},
        standing::{View, has_commit, known_time_lag, lag},
    },
    bounds::{Fitting, MAX_GROUP_SERIES, MAX_PARTITION_SERIES},
    families::{
        EARLIEST_OFFSET, GROUP_ARRIVAL, GROUP_CONSUMPTION, GROUP_ETA, GROUP_LAG, GROUP_LAG_SECONDS,
        GROUP_LOST, GROUP_MAX_LAG, GROUP_MAX_LAG_SECONDS, GROUP_MEMBERS, GROUP_OFFSET,
        GROUP_STATUS, GROUP_SUM_LAG, GROUP_TOPIC_SUM_LAG, LATEST_OFFSET, POLL_TIME_MS,
    },
    own::labels,
    page::Page,
    queue::encode_tasks,
};

/// How many series a partition of a group has, and one of a topic.
const SERIES_A_GROUP_PARTITION: usize = 3;
const SERIES_A_TOPIC_PARTITION: usize = 2;
/// How many a group has, one in a topic, and a task.
const SERIES_A_GROUP: usize = 7;
const SERIES_A_GROUP_TOPIC: usize = 3;
const SERIES_A_TASK: usize = 8;

/// All groups and topics that have been read lately.
#[derive(Debug, Default)]
pub(super) struct LagReadings {
    groups: Vec<GroupReading>,
    topics: Vec<TopicLogs>,
}

/// How many series did not fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeftOut {
    pub(super) partitions: usize,
    pub(super) groups: usize,
}

/// A group, or a queue's task.
#[derive(Debug)]
pub(super) struct GroupReading {
    pub(super) cluster: ClusterName,
    pub(super) group: GroupId,
    pub(super) estimate: GroupEstimate,
    status: Option<GroupVerdict>,
    members: Option<u32>,
}

#[derive(Debug)]
struct TopicLogs {
    cluster: ClusterName,
    topic: TopicName,
    /// By partition.
    logs: Vec<LogReading>,
}

#[derive(Debug)]
struct LogReading {
    log_start_offset: Option<i64>,
    log_end_offset: Option<i64>,
}

/// A partition of a group, as its labels and what is known of it.
struct PartitionRow<'a> {
    group: &'a GroupReading,
    topic: &'a TopicName,
    partition: String,
    estimate: &'a PartitionEstimate,
}

type GroupLabels<'a> = [(&'static str, &'a str); 2];
type PartitionLabels<'a> = [(&'static str, &'a str); 7];

impl LagReadings {
    pub(super) fn of(
        state: &HttpState,
        now: TimestampMs,
        allowance: &Allowance,
    ) -> Result<Self, ApiError> {
        let mut readings = Self::default();
        for (cluster, snapshot) in state.newest_board().clusters() {
            let view = View {
                cluster,
                snapshot,
                parameters: &state.parameters,
                now,
            };
            let age = snapshot.as_of().map(|newest| now.since(newest));
            let is_usable = age.is_some_and(|age| age <= state.parameters.max_staleness);
            readings.take_in_groups(&view, is_usable, allowance)?;
            if is_usable {
                readings.take_in_logs(cluster, snapshot);
            }
        }
        Ok(readings)
    }

    fn take_in_groups(
        &mut self,
        view: &View<'_>,
        is_usable: bool,
        allowance: &Allowance,
    ) -> Result<(), ApiError> {
        for group in view.snapshot.window.index().groups().keys() {
            allowance.check()?;
            if let Some(estimate) = view.estimate(group) {
                self.groups.push(GroupReading {
                    cluster: view.cluster.clone(),
                    group: group.clone(),
                    members: estimate.membership.members.filter(|_| is_usable),
                    estimate,
                    status: view.status(group).and_then(|status| status.verdict),
                });
            }
        }
        Ok(())
    }

    fn take_in_logs(&mut self, cluster: &ClusterName, snapshot: &Snapshot) {
        let Some(newest) = snapshot.window.newest() else {
            return;
        };
        let index = snapshot.window.index();
        let topics = index.topics().iter();
        for (topic, series) in topics.filter(|(topic, _)| !is_of_task(index, topic)) {
            let columns = series.log_start.iter().zip(series.log_end.iter());
            let log = |(start, end)| LogReading {
                log_start_offset: newest.cell(start).value(),
                log_end_offset: newest.cell(end).value(),
            };
            self.topics.push(TopicLogs {
                cluster: cluster.clone(),
                topic: topic.clone(),
                logs: columns.map(log).collect(),
            });
        }
    }

    /// Writes the families; tells how many series did not fit.
    pub(super) fn encode(&self, page: &mut Page<'_>) -> Result<LeftOut, fmt::Error> {
        let sizes: Vec<_> = self.groups.iter().map(GroupReading::series).collect();
        let groups = Fitting::of(&sizes, MAX_GROUP_SERIES);
        let fitting = self.groups.iter().zip(&groups.fits);
        let told: Vec<_> = fitting
            .filter(|(_, fits)| **fits)
            .map(|(it, _)| it)
            .collect();

        let of_groups = told.iter().map(|group| group.partition_series());
        let of_topics = self.topics.iter().map(TopicLogs::series);
        let sizes: Vec<_> = of_groups.chain(of_topics).collect();
        let partitions = Fitting::of(&sizes, MAX_PARTITION_SERIES);
        let (group_fits, topic_fits) = partitions.fits.split_at(told.len());
        let one_by_one = told.iter().zip(group_fits).filter(|(_, fits)| **fits);
        let rows: Vec<_> = one_by_one.flat_map(|(group, _)| group.rows()).collect();
        let topics = self.topics.iter().zip(topic_fits);
        let topics: Vec<_> = topics
            .filter(|(_, fits)| **fits)
            .map(|(it, _)| it)
            .collect();

        let (tasks, told): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|it| it.estimate.is_task());
        encode_partitions(page, &rows)?;
        encode_groups(page, &told)?;
        encode_tasks(page, &tasks)?;
        encode_logs(page, &topics)?;
        Ok(LeftOut {
            partitions: partitions.left_out,
            groups: groups.left_out,
        })
    }
}

fn encode_groups(page: &mut Page<'_>, groups: &[&GroupReading]) -> fmt::Result {
    let groups = || groups.iter().copied();
    let max_lags = groups().filter_map(|group| Some((group.labels(), group.max_lag()?)));
    page.gauges(GROUP_MAX_LAG, max_lags)?;
    let time_lags = groups().filter_map(|group| {
        let time_lag = known_time_lag(&group.estimate.totals)?;
        Some((group.labels(), time_lag.seconds))
    });
    page.gauges(GROUP_MAX_LAG_SECONDS, time_lags)?;
    let sums = groups().filter_map(|group| Some((group.labels(), group.total(lag)?)));
    page.gauges(GROUP_SUM_LAG, sums)?;
    let by_topic =
        topics(groups()).filter_map(|(labels, topic)| Some((labels, lag(&topic.totals)?)));
    page.gauges(GROUP_TOPIC_SUM_LAG, by_topic)?;
    let statuses = groups().filter_map(|group| {
        let [cluster, name] = group.labels();
        Some(([cluster, name, ("status", group.status()?.as_str())], 1))
    });
    page.gauges(GROUP_STATUS, statuses)?;
    let rates = |rate: fn(&Totals) -> Option<f64>| {
        let topics = topics(groups());
        topics.filter_map(move |(labels, topic)| Some((labels, rate(&topic.totals)?)))
    };
    page.gauges(GROUP_ARRIVAL, rates(|totals| totals.arrival_rate))?;
    page.gauges(GROUP_CONSUMPTION, rates(|totals| totals.consumption_rate))?;
    let etas = groups().filter_map(|group| Some((group.labels(), eta(&group.estimate)?)));
    page.gauges(GROUP_ETA, etas)?;
    let members = groups().filter_map(|group| Some((group.labels(), group.members?)));
    page.gauges(GROUP_MEMBERS, members)?;
    let lost = groups().filter_map(|group| {
        let lost = |totals: &Totals| totals.lost_records.filter(|_| has_commit(totals));
        Some((group.labels(), group.total(lost)?))
    });
    page.gauges(GROUP_LOST, lost)
}

fn topics<'a>(
    groups: impl Iterator<Item = &'a GroupReading>,
) -> impl Iterator<Item = ([(&'static str, &'a str); 3], &'a TopicEstimate)> {
    groups.flat_map(|group| {
        let [cluster, name] = group.labels();
        let topics = group.estimate.topics.iter();
        topics.map(move |topic| ([cluster, name, ("topic", topic.topic.as_str())], topic))
    })
}

impl GroupReading {
    /// How many series tell of its sums: as many whether all is known or not.
    fn series(&self) -> usize {
        if self.estimate.is_task() {
            return SERIES_A_TASK;
        }
        SERIES_A_GROUP + self.estimate.topics.len() * SERIES_A_GROUP_TOPIC
    }

    /// The one partition of a task tells what its sums do.
    fn partition_series(&self) -> usize {
        if self.estimate.is_task() {
            return 0;
        }
        self.estimate.totals.partitions as usize * SERIES_A_GROUP_PARTITION
    }

    fn rows(&self) -> impl Iterator<Item = PartitionRow<'_>> {
        let topics = self.estimate.topics.iter();
        let topics = topics.filter(|_| !self.estimate.is_task());
        topics.flat_map(move |topic| {
            topic
                .partitions
                .iter()
                .filter_map(move |(partition, standing)| {
                    let PartitionStanding::Known(estimate) = standing else {
                        return None;
                    };
                    Some(PartitionRow::new(self, &topic.topic, *partition, estimate))
                })
        })
    }

    /// Nothing of a group without partitions.
    fn total(&self, of: impl Fn(&Totals) -> Option<u64>) -> Option<u64> {
        let totals = &self.estimate.totals;
        of(totals).filter(|_| totals.partitions > 0)
    }

    fn labels(&self) -> GroupLabels<'_> {
        [
            ("cluster_name", self.cluster.as_str()),
            ("group", self.group.as_str()),
        ]
    }

    /// One that is gone stays in the catalogue, and is told no more.
    pub(super) fn status(&self) -> Option<GroupVerdict> {
        self.status.filter(|one| *one != GroupVerdict::NotFound)
    }

    /// The largest lag; unknown where one of them is.
    fn max_lag(&self) -> Option<u64> {
        lag(&self.estimate.totals)?;
        let partitions = self
            .estimate
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions);
        let lags = partitions.filter_map(|(_, standing)| match standing {
            PartitionStanding::Known(estimate) => estimate.lag,
            PartitionStanding::Unknown { .. } | PartitionStanding::Gone => None,
        });
        lags.max()
    }
}

impl<'a> PartitionRow<'a> {
    fn new(
        group: &'a GroupReading,
        topic: &'a TopicName,
        partition: Partition,
        estimate: &'a PartitionEstimate,
    ) -> Self {
        Self {
            group,
            topic,
            partition: partition.to_string(),
            estimate,
        }
    }

    fn labels(&self) -> PartitionLabels<'_> {
        let [cluster, group] = self.group.labels();
        [
            cluster,
            group,
            ("topic", self.topic.as_str()),
            ("partition", &self.partition),
            ("member_host", ""),
            ("consumer_id", ""),
            ("client_id", ""),
        ]
    }
}

fn encode_partitions(page: &mut Page<'_>, rows: &[PartitionRow<'_>]) -> fmt::Result {
    let offsets = rows
        .iter()
        .filter_map(|row| Some((row.labels(), row.estimate.committed_offset?)));
    page.gauges(GROUP_OFFSET, offsets)?;
    let lags = rows
        .iter()
        .filter_map(|row| Some((row.labels(), row.estimate.lag?)));
    page.gauges(GROUP_LAG, lags)?;
    let time_lags = rows
        .iter()
        .filter_map(|row| Some((row.labels(), row.estimate.time_lag?.seconds)));
    page.gauges(GROUP_LAG_SECONDS, time_lags)
}

fn encode_logs(page: &mut Page<'_>, topics: &[&TopicLogs]) -> fmt::Result {
    let logs = |offset: fn(&LogReading) -> Option<i64>| {
        topics.iter().flat_map(move |topic| {
            let logs = topic.logs.iter().enumerate();
            logs.filter_map(move |(partition, log)| Some((topic.labels(partition), offset(log)?)))
        })
    };
    page.gauges(LATEST_OFFSET, logs(|log| log.log_end_offset))?;
    page.gauges(EARLIEST_OFFSET, logs(|log| log.log_start_offset))
}

impl TopicLogs {
    fn series(&self) -> usize {
        self.logs.len() * SERIES_A_TOPIC_PARTITION
    }

    fn labels(&self, partition: usize) -> impl EncodeLabelSet {
        [
            ("cluster_name", self.cluster.to_string()),
            ("topic", self.topic.to_string()),
            ("partition", partition.to_string()),
        ]
    }
}

pub(super) fn encode_poll_times(page: &mut Page<'_>, state: &HttpState) -> fmt::Result {
    let polls = state.polls.iter();
    let of_kafka = polls.filter(|(name, _)| !state.queues.contains(*name));
    let polled = of_kafka.filter(|(_, stats)| stats.cycles() > 0);
    let times = polled.map(|(cluster, stats)| {
        let milliseconds = stats.last_cycle().as_secs_f64() * 1000.0;
        (labels(cluster), milliseconds)
    });
    page.gauges(POLL_TIME_MS, times)
}
