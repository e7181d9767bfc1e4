//! The read side.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use redb::{ReadTransaction, ReadableTable};

use super::{
    ReadError, Sealer, catalogue,
    error::Fault,
    files::{FileSizes, Files},
    frames::{Frames, Selection},
    head::{
        CONFIGURATION, Events, GAPS, PLUGIN_NAMES, SEGMENTS, SERIES, STREAMS, StreamId, WATCHES,
        in_force_since, newest_segment, oldest_segment,
    },
    history::{Level, LevelSize, chunk_at, level_sizes, newest_chunk, newest_tick_until},
    set_aside::SetAside,
    stream::StreamName,
};
use crate::model::{Cell, ClusterName, Gap, PluginName, SeriesIndex, TimestampMs, WatchRecord};

/// A handle to read what was recorded, as cheap to clone as an `Arc`.
///
/// Its calls block on the disk. Each sees what was recorded when it began;
/// [`Frames`] look again for each segment.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) files: Arc<Files>,
    set_aside: Arc<[SetAside]>,
}

impl Store {
    pub(super) fn new(files: Arc<Files>, set_aside: impl IntoIterator<Item = SetAside>) -> Self {
        Self {
            files,
            set_aside: set_aside.into_iter().collect(),
        }
    }

    /// The damaged files that were set aside when this store was opened.
    pub fn set_aside(&self) -> &[SetAside] {
        &self.set_aside
    }

    /// Who seals what is recorded. There is to be one.
    pub fn sealer(&self) -> Sealer {
        Sealer::new(Arc::clone(&self.files))
    }

    /// All watches, by key.
    pub fn watches(&self) -> Result<Vec<WatchRecord>, ReadError> {
        let watches = self.files.head.read(|transaction| {
            let mut watches = Vec::new();
            for row in transaction.open_table(WATCHES)?.iter()? {
                let (key, record) = row?;
                watches.push(catalogue::decode_watch(key.value(), record.value())?);
            }
            Ok(watches)
        });
        Ok(watches?)
    }

    /// What the groups of plugins contain, by plugin.
    pub fn plugin_names(&self) -> Result<Vec<PluginName>, ReadError> {
        let names = self.files.head.read(|transaction| {
            let mut names = Vec::new();
            for row in transaction.open_table(PLUGIN_NAMES)?.iter()? {
                let (plugin, record) = row?;
                names.push(catalogue::decode_plugin_name(
                    plugin.value(),
                    record.value(),
                )?);
            }
            Ok(names)
        });
        Ok(names?)
    }

    /// Keys of the watches that KEDA was told to be active when it was last told
    /// anything before `at`.
    pub fn active_watches(&self, at: TimestampMs) -> Result<BTreeSet<String>, ReadError> {
        let Some(newest) = self.told(at, at)?.last().transpose()? else {
            return Ok(BTreeSet::new());
        };
        let index = self.told_index()?.unwrap_or_default();
        let watches = index.watches().iter();
        let active = watches.filter(|(_, series)| series.told(&newest).active == Cell::of(1));
        Ok(active.map(|(name, _)| name.key.clone()).collect())
    }

    /// All clusters that ever had a tick recorded, in the order of their first.
    pub fn clusters(&self) -> Result<Vec<ClusterName>, ReadError> {
        let streams = self.files.head.read(streams)?;
        let cluster = |(_, name)| match name {
            StreamName::Cluster(cluster) => Some(cluster),
            StreamName::Told => None,
        };
        Ok(streams.into_iter().filter_map(cluster).collect())
    }

    /// The catalogue of a cluster's series; `None` if it has no tick.
    pub fn index(&self, cluster: &ClusterName) -> Result<Option<SeriesIndex>, ReadError> {
        Ok(self.of_cluster(cluster, series_index)?)
    }

    /// The cluster's frames with `from` <= at <= `to`, oldest first, as they
    /// were recorded as far as that is kept; none for a cluster without ticks.
    /// Every column has its place in an index that is read after the frame.
    pub fn frames(
        &self,
        cluster: &ClusterName,
        from: TimestampMs,
        to: TimestampMs,
    ) -> Result<Frames, ReadError> {
        self.frames_of(cluster, Selection::All, Level::Raw, from, to)
    }

    /// The same with these columns only, at `level` as far as there is one.
    pub fn frames_of(
        &self,
        cluster: &ClusterName,
        selection: Selection,
        level: Level,
        from: TimestampMs,
        to: TimestampMs,
    ) -> Result<Frames, ReadError> {
        let stream = self.of_cluster(cluster, |_, stream| Ok(stream))?;
        let files = Arc::clone(&self.files);
        Ok(match stream {
            Some(stream) => Frames::new(files, stream, selection, level, from, to),
            None => Frames::none(files),
        })
    }

    /// The catalogue of what KEDA was told; `None` if it was told nothing yet.
    pub fn told_index(&self) -> Result<Option<SeriesIndex>, ReadError> {
        Ok(self.of_stream(&StreamName::Told, series_index)?)
    }

    /// What KEDA was told, oldest first, a frame for each change as far as that
    /// is kept: those with `from` <= at <= `to`, and before them some that are
    /// older, the last of which was in force at `from`. Every column has its
    /// place in an index that is read after the frame.
    pub fn told(&self, from: TimestampMs, to: TimestampMs) -> Result<Frames, ReadError> {
        let files = Arc::clone(&self.files);
        let head = self.of_stream(&StreamName::Told, |transaction, stream| {
            let segments = transaction.open_table(SEGMENTS)?;
            Ok((stream, in_force_since(&segments, stream, from.0)?))
        })?;
        let Some((stream, in_head)) = head else {
            return Ok(Frames::none(files));
        };
        let since = self.told_since(stream, in_head, from)?;
        let (all, raw) = (Selection::All, Level::Raw);
        Ok(Frames::new(files, stream, all, raw, since, to))
    }

    /// From where to read so as to meet what was in force at `at`: the finest
    /// level that has something as old holds it, and the head is as fine.
    fn told_since(
        &self,
        stream: StreamId,
        in_head: Option<i64>,
        at: TimestampMs,
    ) -> Result<TimestampMs, Fault> {
        let since = self.files.history.read(|transaction| {
            let mut since = in_head;
            for level in Level::ALL {
                since = since.max(newest_tick_until(transaction, level, stream, at.0)?);
                if since.is_some() {
                    break;
                }
            }
            Ok(since)
        })?;
        Ok(since.map_or(at, TimestampMs))
    }

    /// What happened with `from` <= at <= `to`, newest first.
    pub fn events(&self, from: TimestampMs, to: TimestampMs) -> Events {
        Events::new(Arc::clone(&self.files), from, to)
    }

    /// What the process was configured with at its newest start, a fingerprint
    /// a section; empty before the first.
    pub fn configuration(&self) -> Result<BTreeMap<String, u64>, ReadError> {
        let sections = self.files.head.read(|transaction| {
            let mut sections = BTreeMap::new();
            for row in transaction.open_table(CONFIGURATION)?.iter()? {
                let (section, fingerprint) = row?;
                sections.insert(section.value().to_owned(), fingerprint.value());
            }
            Ok(sections)
        });
        Ok(sections?)
    }

    /// The cluster's sets of gaps, oldest first: the one in force at `from`,
    /// under the time since when it was, and each that followed until `to`.
    /// An empty set means that all could be read again.
    pub fn gaps(
        &self,
        cluster: &ClusterName,
        from: TimestampMs,
        to: TimestampMs,
    ) -> Result<Vec<(TimestampMs, Vec<Gap>)>, ReadError> {
        let gaps = self.of_cluster(cluster, |transaction, stream| {
            gap_sets(transaction, stream, from.0, to.0)
        })?;
        Ok(gaps.unwrap_or_default())
    }

    /// When the cluster's oldest and newest ticks were, of any level; `None`
    /// if it has none.
    pub fn span(
        &self,
        cluster: &ClusterName,
    ) -> Result<Option<(TimestampMs, TimestampMs)>, ReadError> {
        let head = self.of_cluster(cluster, |transaction, stream| {
            let segments = transaction.open_table(SEGMENTS)?;
            let oldest = oldest_segment(&segments, stream)?.map(|segment| segment.first);
            let newest = newest_segment(&segments, stream)?.map(|segment| segment.last);
            Ok((stream, oldest, newest))
        })?;
        let Some((stream, mut oldest, mut newest)) = head else {
            return Ok(None);
        };
        self.files.history.read(|transaction| {
            for level in Level::ALL {
                let first = chunk_at(transaction, level, stream, i64::MIN)?;
                let last = newest_chunk(transaction, level, stream)?;
                oldest = oldest
                    .into_iter()
                    .chain(first.map(|(first, _)| first))
                    .min();
                newest = newest.max(last.map(|(_, header)| header.last()));
            }
            Ok(())
        })?;
        let span = oldest.zip(newest);
        Ok(span.map(|(oldest, newest)| (TimestampMs(oldest), TimestampMs(newest))))
    }

    /// How much of each level is sealed, from the finest on.
    pub fn level_sizes(&self) -> Result<[LevelSize; 3], ReadError> {
        Ok(level_sizes(&self.files.history)?)
    }

    /// When the oldest tick of the cluster is that is not sealed.
    pub fn head_start(&self, cluster: &ClusterName) -> Result<Option<TimestampMs>, ReadError> {
        let oldest = self.of_cluster(cluster, |transaction, stream| {
            let segments = transaction.open_table(SEGMENTS)?;
            Ok(oldest_segment(&segments, stream)?.map(|segment| TimestampMs(segment.first)))
        })?;
        Ok(oldest.flatten())
    }

    /// What the files take on the disk.
    pub fn size_bytes(&self) -> io::Result<FileSizes> {
        self.files.size_bytes()
    }

    fn of_cluster<T>(
        &self,
        cluster: &ClusterName,
        query: impl FnOnce(&ReadTransaction, StreamId) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.of_stream(&StreamName::Cluster(cluster.clone()), query)
    }

    fn of_stream<T>(
        &self,
        stream: &StreamName,
        query: impl FnOnce(&ReadTransaction, StreamId) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.files.head.read(|transaction| {
            let streams = streams(transaction)?;
            let found = streams.into_iter().find(|(_, name)| name == stream);
            found.map(|(id, _)| query(transaction, id)).transpose()
        })
    }
}

/// All streams, by number.
pub(super) fn streams(transaction: &ReadTransaction) -> Result<Vec<(StreamId, StreamName)>, Fault> {
    let mut streams = Vec::new();
    for row in transaction.open_table(STREAMS)?.iter()? {
        let (id, record) = row?;
        streams.push((id.value(), catalogue::decode_stream(record.value())?));
    }
    Ok(streams)
}

pub(super) fn series_index(
    transaction: &ReadTransaction,
    stream: StreamId,
) -> Result<SeriesIndex, Fault> {
    let mut index = SeriesIndex::default();
    let runs = transaction.open_table(SERIES)?;
    for row in runs.range((stream, 0)..=(stream, u32::MAX))? {
        let (key, record) = row?;
        let run = catalogue::decode_series(key.value().1, record.value())?;
        index
            .restore(&run)
            .map_err(|reason| Fault::damaged("series", reason))?;
    }
    Ok(index)
}

/// The set of gaps in force at `from`, and those that followed until `to`.
pub(super) fn gap_sets(
    transaction: &ReadTransaction,
    stream: StreamId,
    from: i64,
    to: i64,
) -> Result<Vec<(TimestampMs, Vec<Gap>)>, Fault> {
    if from > to {
        return Ok(Vec::new());
    }
    let table = transaction.open_table(GAPS)?;
    let in_force = table
        .range((stream, i64::MIN)..=(stream, from))?
        .next_back()
        .transpose()?
        .map_or(from, |(key, _)| key.value().1);
    let mut sets = Vec::new();
    for row in table.range((stream, in_force)..=(stream, to))? {
        let (key, record) = row?;
        let at = TimestampMs(key.value().1);
        sets.push((at, catalogue::decode_gaps(record.value())?));
    }
    Ok(sets)
}
