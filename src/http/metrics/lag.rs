//! Lag under the names of kafka-lag-exporter, which dashboards know.
//!
//! `member_host`, `consumer_id` and `client_id` are empty for now: a tick
//! doesn't say which member reads a partition, but joins on these labels are
//! not to break. A time lag that reaches beyond the window is a lower bound.

use std::fmt;

use crate::{
    board::Snapshot,
    estimator::{GroupEstimate, GroupVerdict, PartitionEstimate, PartitionStanding, TopicEstimate},
    model::{ClusterName, GroupId, Partition, TimestampMs, TopicName},
};

use super::{
    super::{
        HttpState,
        error::ApiError,
        gate::Allowance,
        standing::{View, known_time_lag, lag},
    },
    families::{
        EARLIEST_OFFSET, GROUP_LAG, GROUP_LAG_SECONDS, GROUP_MAX_LAG, GROUP_MAX_LAG_SECONDS,
        GROUP_OFFSET, GROUP_STATUS, GROUP_SUM_LAG, GROUP_TOPIC_SUM_LAG, LATEST_OFFSET,
        POLL_TIME_MS, TRUNCATED,
    },
    own::labels,
    page::Page,
};

/// Samples that tell of single partitions: beyond it a scrape is a burden to
/// Prometheus, and only sums are exported.
pub(super) const MAX_PARTITION_SAMPLES: usize = 100_000;
/// How many of them a partition of a group has, and one of a topic.
const SAMPLES_A_GROUP_PARTITION: usize = 3;
const SAMPLES_A_TOPIC_PARTITION: usize = 2;

/// All groups and topics that have been read lately.
#[derive(Debug, Default)]
pub(super) struct LagReadings {
    groups: Vec<GroupReading>,
    logs: Vec<LogReading>,
}

#[derive(Debug)]
struct GroupReading {
    cluster: ClusterName,
    group: GroupId,
    estimate: GroupEstimate,
    status: Option<GroupVerdict>,
}

#[derive(Debug)]
struct LogReading {
    cluster: ClusterName,
    topic: TopicName,
    partition: String,
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
            readings.take_in_groups(&view, allowance)?;
            let age = snapshot.as_of().map(|newest| now.since(newest));
            if age.is_some_and(|age| age <= state.parameters.max_staleness) {
                readings.take_in_logs(cluster, snapshot);
            }
        }
        Ok(readings)
    }

    fn take_in_groups(&mut self, view: &View<'_>, allowance: &Allowance) -> Result<(), ApiError> {
        for group in view.snapshot.window.index().groups().keys() {
            allowance.check()?;
            if let Some(estimate) = view.estimate(group) {
                self.groups.push(GroupReading {
                    cluster: view.cluster.clone(),
                    group: group.clone(),
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
        for (topic, series) in snapshot.window.index().topics() {
            let columns = series.log_start.iter().zip(series.log_end.iter());
            for (partition, (start, end)) in columns.enumerate() {
                self.logs.push(LogReading {
                    cluster: cluster.clone(),
                    topic: topic.clone(),
                    partition: partition.to_string(),
                    log_start_offset: newest.cell(start).value(),
                    log_end_offset: newest.cell(end).value(),
                });
            }
        }
    }

    pub(super) fn encode(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut rows: Vec<_> = self.partition_rows().collect();
        let all_rows = rows.len();
        rows.truncate(MAX_PARTITION_SAMPLES / SAMPLES_A_GROUP_PARTITION);
        let left = MAX_PARTITION_SAMPLES - rows.len() * SAMPLES_A_GROUP_PARTITION;
        let logs = &self.logs[..self.logs.len().min(left / SAMPLES_A_TOPIC_PARTITION)];
        let truncated = rows.len() < all_rows || logs.len() < self.logs.len();

        encode_partitions(page, &rows)?;
        self.encode_groups(page)?;
        encode_logs(page, logs)?;
        page.gauge(TRUNCATED, u64::from(truncated))
    }

    fn partition_rows(&self) -> impl Iterator<Item = PartitionRow<'_>> {
        self.topics().flat_map(|(group, topic)| {
            topic.partitions.iter().filter_map(|(partition, standing)| {
                let PartitionStanding::Known(estimate) = standing else {
                    return None;
                };
                Some(PartitionRow::new(group, &topic.topic, *partition, estimate))
            })
        })
    }

    fn topics(&self) -> impl Iterator<Item = (&GroupReading, &TopicEstimate)> {
        self.groups.iter().flat_map(|group| {
            let topics = group.estimate.topics.iter();
            topics.map(move |topic| (group, topic))
        })
    }

    fn encode_groups(&self, page: &mut Page<'_>) -> fmt::Result {
        let groups = || self.groups.iter();
        let max_lags = groups().filter_map(|group| Some((group.labels(), group.max_lag()?)));
        page.gauges(GROUP_MAX_LAG, max_lags)?;
        let time_lags = groups().filter_map(|group| {
            let time_lag = known_time_lag(&group.estimate.totals)?;
            Some((group.labels(), time_lag.seconds))
        });
        page.gauges(GROUP_MAX_LAG_SECONDS, time_lags)?;
        let sums = groups()
            .filter(|group| group.estimate.totals.partitions > 0)
            .filter_map(|group| Some((group.labels(), lag(&group.estimate.totals)?)));
        page.gauges(GROUP_SUM_LAG, sums)?;
        let by_topic = self.topics().filter_map(|(group, topic)| {
            let [cluster, group] = group.labels();
            let labels = [cluster, group, ("topic", topic.topic.as_str())];
            Some((labels, lag(&topic.totals)?))
        });
        page.gauges(GROUP_TOPIC_SUM_LAG, by_topic)?;
        // A group that is gone stays in the catalogue, and is told no more.
        let statuses = groups().filter_map(|group| {
            let status = group.status.filter(|one| *one != GroupVerdict::NotFound)?;
            let [cluster, group] = group.labels();
            Some(([cluster, group, ("status", status.as_str())], 1))
        });
        page.gauges(GROUP_STATUS, statuses)
    }
}

impl GroupReading {
    fn labels(&self) -> [(&'static str, &str); 2] {
        [
            ("cluster_name", self.cluster.as_str()),
            ("group", self.group.as_str()),
        ]
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

fn encode_logs(page: &mut Page<'_>, logs: &[LogReading]) -> fmt::Result {
    let latest = logs
        .iter()
        .filter_map(|log| Some((log.labels(), log.log_end_offset?)));
    page.gauges(LATEST_OFFSET, latest)?;
    let earliest = logs
        .iter()
        .filter_map(|log| Some((log.labels(), log.log_start_offset?)));
    page.gauges(EARLIEST_OFFSET, earliest)
}

impl LogReading {
    fn labels(&self) -> [(&'static str, &str); 3] {
        [
            ("cluster_name", self.cluster.as_str()),
            ("topic", self.topic.as_str()),
            ("partition", &self.partition),
        ]
    }
}

pub(super) fn encode_poll_times(page: &mut Page<'_>, state: &HttpState) -> fmt::Result {
    let polled = state.polls.iter().filter(|(_, stats)| stats.cycles() > 0);
    let times = polled.map(|(cluster, stats)| {
        let milliseconds = stats.last_cycle().as_secs_f64() * 1000.0;
        (labels(cluster), milliseconds)
    });
    page.gauges(POLL_TIME_MS, times)
}
