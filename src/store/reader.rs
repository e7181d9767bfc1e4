//! The read side.

use std::{io, sync::Arc};

use redb::{ReadTransaction, ReadableTable};

use super::{
    ReadError, Sealer, catalogue,
    error::Fault,
    files::{FileSizes, Files},
    frames::{Frames, Selection},
    head::{GAPS, SEGMENTS, SERIES, STREAMS, StreamId, WATCHES, newest_segment, oldest_segment},
    history::{Level, LevelSize, chunk_at, level_sizes, newest_chunk},
};
use crate::model::{ClusterName, Gap, SeriesIndex, TimestampMs, WatchRecord};

/// A handle to read what was recorded, as cheap to clone as an `Arc`.
///
/// Its calls block on the disk. Each sees what was recorded when it began;
/// [`Frames`] look again for each segment.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) files: Arc<Files>,
}

impl Store {
    pub(super) fn new(files: Arc<Files>) -> Self {
        Self { files }
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

    /// All clusters that ever had a tick recorded, in the order of their first.
    pub fn clusters(&self) -> Result<Vec<ClusterName>, ReadError> {
        let streams = self.files.head.read(streams)?;
        Ok(streams.into_iter().map(|(_, cluster)| cluster).collect())
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

    /// What the files take on the disk.
    pub fn size_bytes(&self) -> io::Result<FileSizes> {
        self.files.size_bytes()
    }

    fn of_cluster<T>(
        &self,
        cluster: &ClusterName,
        query: impl FnOnce(&ReadTransaction, StreamId) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.files.head.read(|transaction| {
            let streams = streams(transaction)?;
            let found = streams.into_iter().find(|(_, name)| name == cluster);
            found.map(|(id, _)| query(transaction, id)).transpose()
        })
    }
}

/// All streams, by number.
pub(super) fn streams(
    transaction: &ReadTransaction,
) -> Result<Vec<(StreamId, ClusterName)>, Fault> {
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
