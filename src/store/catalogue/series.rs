//! Which column of a stream holds which series.

use std::sync::Arc;

use bincode::{Decode, Encode};

use super::{decode, encode};
use crate::{
    model::{Partition, SeriesKind, SeriesRun, WatchName},
    store::error::{Fault, RecordError},
};

pub(in crate::store) fn encode_series(run: &SeriesRun) -> Result<Vec<u8>, RecordError> {
    encode("series", &SeriesRow::from(run))
}

/// The run at column `base`, which is in the key.
pub(in crate::store) fn decode_series(base: u32, bytes: &[u8]) -> Result<SeriesRun, Fault> {
    let row: SeriesRow = decode("series", bytes)?;
    Ok(row.into_run(base))
}

#[derive(Debug, Encode, Decode)]
struct SeriesRow {
    count: u32,
    kind: KindRow,
    group: Option<String>,
    topic: Option<String>,
    first_partition: Partition,
}

#[derive(Debug, Encode, Decode)]
enum KindRow {
    LogStartOffset,
    LogEndOffset,
    CommittedOffset,
    Members,
    State,
    // Since schema version 2.
    AssignedPartitions,
    Assignment,
    TopicId,
    // Since schema version 3.
    MetricValue(WatchNameRow),
    Target(WatchNameRow),
    Active(WatchNameRow),
    // Since schema version 4.
    OldestAge,
    Added,
    Done,
}

#[derive(Debug, Encode, Decode)]
struct WatchNameRow {
    cluster: String,
    group: Option<String>,
    topic: Option<String>,
    metric_name: String,
    key: String,
}

impl From<&SeriesRun> for SeriesRow {
    fn from(run: &SeriesRun) -> Self {
        Self {
            count: run.count,
            kind: KindRow::of(run),
            group: run.group.as_ref().map(ToString::to_string),
            topic: run.topic.as_ref().map(ToString::to_string),
            first_partition: run.first_partition,
        }
    }
}

impl SeriesRow {
    fn into_run(self, base: u32) -> SeriesRun {
        let (kind, watch) = self.kind.into_parts();
        SeriesRun {
            base,
            count: self.count,
            kind,
            group: self.group.map(Into::into),
            topic: self.topic.map(Into::into),
            watch: watch.map(|watch| Arc::new(watch.into())),
            first_partition: self.first_partition,
        }
    }
}

impl KindRow {
    fn of(run: &SeriesRun) -> Self {
        let watch = || {
            let watch = run.watch.as_deref();
            watch.expect("what was told is told of a watch").into()
        };
        match run.kind {
            SeriesKind::LogStartOffset => Self::LogStartOffset,
            SeriesKind::LogEndOffset => Self::LogEndOffset,
            SeriesKind::CommittedOffset => Self::CommittedOffset,
            SeriesKind::Members => Self::Members,
            SeriesKind::State => Self::State,
            SeriesKind::AssignedPartitions => Self::AssignedPartitions,
            SeriesKind::Assignment => Self::Assignment,
            SeriesKind::TopicId => Self::TopicId,
            SeriesKind::MetricValue => Self::MetricValue(watch()),
            SeriesKind::Target => Self::Target(watch()),
            SeriesKind::Active => Self::Active(watch()),
            SeriesKind::OldestAge => Self::OldestAge,
            SeriesKind::Added => Self::Added,
            SeriesKind::Done => Self::Done,
        }
    }

    fn into_parts(self) -> (SeriesKind, Option<WatchNameRow>) {
        match self {
            Self::LogStartOffset => (SeriesKind::LogStartOffset, None),
            Self::LogEndOffset => (SeriesKind::LogEndOffset, None),
            Self::CommittedOffset => (SeriesKind::CommittedOffset, None),
            Self::Members => (SeriesKind::Members, None),
            Self::State => (SeriesKind::State, None),
            Self::AssignedPartitions => (SeriesKind::AssignedPartitions, None),
            Self::Assignment => (SeriesKind::Assignment, None),
            Self::TopicId => (SeriesKind::TopicId, None),
            Self::MetricValue(watch) => (SeriesKind::MetricValue, Some(watch)),
            Self::Target(watch) => (SeriesKind::Target, Some(watch)),
            Self::Active(watch) => (SeriesKind::Active, Some(watch)),
            Self::OldestAge => (SeriesKind::OldestAge, None),
            Self::Added => (SeriesKind::Added, None),
            Self::Done => (SeriesKind::Done, None),
        }
    }
}

impl From<&WatchName> for WatchNameRow {
    fn from(watch: &WatchName) -> Self {
        Self {
            cluster: watch.cluster.to_string(),
            group: watch.group.as_ref().map(ToString::to_string),
            topic: watch.topic.as_ref().map(ToString::to_string),
            metric_name: watch.metric_name.clone(),
            key: watch.key.clone(),
        }
    }
}

impl From<WatchNameRow> for WatchName {
    fn from(row: WatchNameRow) -> Self {
        Self {
            cluster: row.cluster.into(),
            group: row.group.map(Into::into),
            topic: row.topic.map(Into::into),
            metric_name: row.metric_name,
            key: row.key,
        }
    }
}
