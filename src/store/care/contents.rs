//! What is in a store, in numbers.

use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::CareError;
use crate::{
    model::{ClusterName, SeriesIndex, TimestampMs},
    store::{
        FileSizes, Store, StreamName,
        database::attempt,
        error::Fault,
        head::{
            EVENTS, GAPS, PLUGIN_NAMES, SEGMENTS, StreamId, TICKS, WATCHES, newest_segment,
            oldest_segment,
        },
        history::{Level, chunk_at, chunks_between, newest_chunk},
        migrate,
        reader::{series_index, streams},
    },
};

/// What is in a store. It is told as JSON under these names.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Contents {
    /// Of `head.redb`.
    pub head_schema_version: u32,
    /// Of `history.redb`.
    pub history_schema_version: u32,
    /// What `head.redb` takes on the disk, in bytes.
    pub head_file_bytes: u64,
    /// What `history.redb` takes on the disk, in bytes.
    pub history_file_bytes: u64,
    /// By name.
    pub clusters: Vec<ClusterContents>,
    /// What is not sealed yet.
    pub head: HeadContents,
    /// Sealed history, from the finest level to the coarsest.
    pub levels: [LevelContents; 3],
    /// What KEDA has asked for.
    pub watches: u64,
    /// Plugins whose names were looked up.
    pub plugin_names: u64,
    /// What happened.
    pub events: u64,
}

/// One cluster's catalogue, and the span of its ticks at any level.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ClusterContents {
    /// Its name.
    pub cluster: String,
    /// Its oldest tick; `null` if it has none.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<TimestampMs>,
    /// Its newest tick.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest: Option<TimestampMs>,
    /// Series that were ever recorded.
    pub series: u32,
    /// Groups among them, and a queue's tasks.
    pub groups: usize,
    /// How many of these are tasks.
    pub tasks: usize,
    /// Topics among them.
    pub topics: usize,
}

/// The recent ticks of all clusters.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HeadContents {
    /// Runs of up to 60 ticks of one cluster.
    pub segments: u64,
    /// Ticks in them.
    pub ticks: u64,
    /// What the ticks take, in bytes.
    pub bytes: u64,
    /// Changes of what could not be read.
    pub gap_sets: u64,
}

/// One level of sealed history, over all clusters.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LevelContents {
    /// `raw`, `minutes` or `hours`.
    pub level: &'static str,
    /// Chunks of two hours, or of a day for hours.
    pub chunks: u64,
    /// The oldest tick; `null` if there is none.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<TimestampMs>,
    /// The newest tick.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest: Option<TimestampMs>,
    /// Ticks in the chunks.
    pub ticks: u64,
    /// One for each series of each tick.
    pub samples: u64,
    /// What the samples take, with the extremes of coarser levels, in bytes.
    pub bytes: u64,
    /// `null` where there is no sample.
    pub bytes_a_sample: Option<f64>,
}

impl Store {
    /// What is in it. Reads the head and the headers of all chunks.
    pub fn contents(&self) -> Result<Contents, CareError> {
        let sizes = self.size_bytes();
        let sizes = sizes.map_err(|error| Fault::Database(redb::Error::Io(error)))?;
        let head = self.files.head.snapshot()?;
        let history = self.files.history.snapshot()?;
        Ok(attempt(|| contents(&head, &history, sizes))?)
    }
}

fn contents(
    head: &ReadTransaction,
    history: &ReadTransaction,
    sizes: FileSizes,
) -> Result<Contents, Fault> {
    let streams = streams(head)?;
    let mut clusters = Vec::new();
    for (stream, name) in &streams {
        if let StreamName::Cluster(cluster) = name {
            let index = series_index(head, *stream)?;
            let span = span(head, history, *stream)?;
            clusters.push(ClusterContents::new(cluster, &index, span));
        }
    }
    clusters.sort_by(|one, other| one.cluster.cmp(&other.cluster));
    let mut levels = Level::ALL.map(LevelContents::none);
    for (contents, level) in levels.iter_mut().zip(Level::ALL) {
        for (stream, _) in &streams {
            contents.take_in(history, level, *stream)?;
        }
    }
    Ok(Contents {
        head_schema_version: migrate::version_in(head)?,
        history_schema_version: migrate::version_in(history)?,
        head_file_bytes: sizes.head,
        history_file_bytes: sizes.history,
        clusters,
        head: head_contents(head)?,
        levels,
        watches: head.open_table(WATCHES)?.len()?,
        plugin_names: head.open_table(PLUGIN_NAMES)?.len()?,
        events: head.open_table(EVENTS)?.len()?,
    })
}

impl ClusterContents {
    fn new(cluster: &ClusterName, index: &SeriesIndex, span: Option<(i64, i64)>) -> Self {
        Self {
            cluster: cluster.to_string(),
            oldest: span.map(|(oldest, _)| TimestampMs(oldest)),
            newest: span.map(|(_, newest)| TimestampMs(newest)),
            series: index.width(),
            groups: index.groups().len(),
            tasks: index.groups().values().filter(|it| it.is_task()).count(),
            topics: index.topics().len(),
        }
    }
}

fn head_contents(head: &ReadTransaction) -> Result<HeadContents, Fault> {
    let (mut ticks, mut bytes) = (0, 0);
    for row in head.open_table(TICKS)?.iter()? {
        let (key, piece) = row?;
        ticks += u64::from(key.value().2 == 0);
        bytes += piece.value().len() as u64;
    }
    Ok(HeadContents {
        segments: head.open_table(SEGMENTS)?.len()?,
        ticks,
        bytes,
        gap_sets: head.open_table(GAPS)?.len()?,
    })
}

impl LevelContents {
    fn none(level: Level) -> Self {
        Self {
            level: level.name(),
            chunks: 0,
            oldest: None,
            newest: None,
            ticks: 0,
            samples: 0,
            bytes: 0,
            bytes_a_sample: None,
        }
    }

    fn take_in(
        &mut self,
        history: &ReadTransaction,
        level: Level,
        stream: StreamId,
    ) -> Result<(), Fault> {
        for (first, header) in chunks_between(history, level, stream, i64::MIN..i64::MAX)? {
            let (first, last) = (TimestampMs(first), TimestampMs(header.last()));
            self.chunks += 1;
            self.oldest = Some(self.oldest.map_or(first, |oldest| oldest.min(first)));
            self.newest = self.newest.max(Some(last));
            self.ticks += header.times.len() as u64;
            self.samples += header.widths.iter().copied().map(u64::from).sum::<u64>();
            self.bytes += header.block_bytes;
        }
        let samples = self.samples as f64;
        self.bytes_a_sample = (self.samples > 0).then(|| self.bytes as f64 / samples);
        Ok(())
    }
}

/// When the oldest and newest ticks of any cluster were.
pub(super) fn whole_span(
    head: &ReadTransaction,
    history: &ReadTransaction,
) -> Result<Option<(i64, i64)>, Fault> {
    let mut whole: Option<(i64, i64)> = None;
    for (stream, _) in streams(head)? {
        let span = span(head, history, stream)?;
        whole = whole
            .into_iter()
            .chain(span)
            .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
    }
    Ok(whole)
}

/// When a cluster's oldest and newest ticks were, of any level.
fn span(
    head: &ReadTransaction,
    history: &ReadTransaction,
    stream: StreamId,
) -> Result<Option<(i64, i64)>, Fault> {
    let segments = head.open_table(SEGMENTS)?;
    let oldest = oldest_segment(&segments, stream)?;
    let newest = newest_segment(&segments, stream)?;
    let mut times = Vec::new();
    times.extend(oldest.map(|segment| segment.first));
    times.extend(newest.map(|segment| segment.last));
    for level in Level::ALL {
        let first = chunk_at(history, level, stream, i64::MIN)?;
        let last = newest_chunk(history, level, stream)?;
        times.extend(first.map(|(first, _)| first));
        times.extend(last.map(|(_, header)| header.last()));
    }
    let oldest = times.iter().min().copied();
    Ok(oldest.zip(times.iter().max().copied()))
}

fn as_text<S: Serializer>(at: &Option<TimestampMs>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}
