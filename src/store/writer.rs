//! The write side: one durable transaction a tick.

use std::{collections::BTreeMap, sync::Arc};

use redb::{ReadTransaction, WriteTransaction};

use super::{
    RecordError, catalogue,
    error::Fault,
    files::Files,
    head::{
        Encoder, GAPS, MAX_COLUMNS, PIECE_BYTES, SEGMENTS, SERIES, STREAMS, Segment, StreamId,
        TICKS, WATCHES, newest_segment, of_tick,
    },
    reader::{gap_sets, series_index, streams},
    sealer::CHUNK_MS,
};
use crate::model::{
    ClusterName, Frame, Gap, SeriesIndex, SeriesRun, Tick, TimestampMs, WatchRecord,
};

/// The one who writes.
///
/// A tick goes in two steps, so that scaling can go on from memory while the
/// disk is full: [`place`](Self::place) turns it into a frame and can't fail,
/// [`record`](Self::record) makes the frame durable. After a failed record the
/// writer can be used on: series that were not saved are saved by the next
/// record that succeeds, and nothing in it builds on the lost tick.
#[derive(Debug)]
pub struct Writer {
    files: Arc<Files>,
    streams: BTreeMap<ClusterName, Stream>,
}

/// A tick as a frame, with the index that reads it.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The cluster that was observed.
    pub cluster: ClusterName,
    /// Its readings.
    pub frame: Arc<Frame>,
    /// Whose is which.
    pub index: Arc<SeriesIndex>,
}

impl Writer {
    pub(super) fn load(files: Arc<Files>) -> Result<Self, Fault> {
        let streams = files.head.read(|transaction| {
            streams(transaction)?
                .into_iter()
                .map(|(id, cluster)| Ok((cluster, Stream::load(transaction, id)?)))
                .collect::<Result<BTreeMap<_, _>, Fault>>()
        })?;
        Ok(Self { files, streams })
    }

    /// Turns a tick into a frame. Series that were never seen get their
    /// columns; nothing is written.
    pub fn place(&mut self, tick: &Tick) -> Placed {
        let next_id = StreamId::try_from(self.streams.len()).ok();
        let stream = self
            .streams
            .entry(tick.cluster.clone())
            .or_insert_with(|| Stream::new(next_id));
        stream.take_in(tick);
        Placed {
            cluster: tick.cluster.clone(),
            frame: Arc::new(stream.index.place(tick)),
            index: stream.index.clone(),
        }
    }

    /// Records a tick and what was missing from it in one transaction. When
    /// this returns `Ok`, neither kill -9 nor a power cut undoes it.
    ///
    /// `gaps` is the tick's whole set, sorted. A set of more than 256 kB is cut,
    /// and so is a reason of more than 512 bytes.
    pub fn record(&mut self, placed: &Placed, gaps: &[Gap]) -> Result<(), RecordError> {
        let cluster = &placed.cluster;
        let Some(stream) = self.streams.get_mut(cluster) else {
            let cluster = cluster.clone();
            return Err(RecordError::NotPlaced { cluster });
        };
        let change = stream.prepare(cluster, &placed.frame, gaps)?;
        match self
            .files
            .head
            .write(|transaction| change.apply(transaction))
        {
            Ok(()) => {
                let (id, first) = (change.stream, change.segment.first);
                self.files.recent.push(id, first, &placed.frame);
                stream.recorded(change);
                Ok(())
            }
            Err(fault) => {
                stream.not_recorded();
                Err(fault.into())
            }
        }
    }

    /// Keeps these watches, in place of those of the same keys.
    pub fn put_watches(&mut self, watches: &[WatchRecord]) -> Result<(), RecordError> {
        let records = watches
            .iter()
            .map(catalogue::encode_watch)
            .collect::<Result<Vec<_>, _>>()?;
        self.files.head.write(|transaction| {
            let mut table = transaction.open_table(WATCHES)?;
            for (watch, record) in watches.iter().zip(&records) {
                table.insert(watch.key.as_str(), record.as_slice())?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Forgets the watches of these keys, if they are there.
    pub fn remove_watches(&mut self, keys: &[String]) -> Result<(), RecordError> {
        self.files.head.write(|transaction| {
            let mut table = transaction.open_table(WATCHES)?;
            for key in keys {
                table.remove(key.as_str())?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// What the writer keeps in memory of one cluster.
struct Stream {
    /// `None` if there are no more numbers. Once given it stays, even while
    /// the disk refuses it: no two clusters must ever share one.
    id: Option<StreamId>,
    is_saved: bool,
    index: Arc<SeriesIndex>,
    unsaved: Vec<SeriesRun>,
    encoder: Encoder,
    /// First tick of the segment that the encoder is in.
    segment_first: i64,
    last: Option<TimestampMs>,
    /// The newest set on disk; `None` if a failure made that unknown.
    gaps: Option<Vec<Gap>>,
}

impl Stream {
    fn new(id: Option<StreamId>) -> Self {
        Self {
            id,
            is_saved: false,
            index: Arc::default(),
            unsaved: Vec::new(),
            encoder: Encoder::new(),
            segment_first: 0,
            last: None,
            gaps: Some(Vec::new()),
        }
    }

    fn load(transaction: &ReadTransaction, id: StreamId) -> Result<Self, Fault> {
        let newest = newest_segment(&transaction.open_table(SEGMENTS)?, id)?;
        let mut gaps = gap_sets(transaction, id, i64::MAX, i64::MAX)?;
        Ok(Self {
            is_saved: true,
            index: Arc::new(series_index(transaction, id)?),
            last: newest.map(|segment| TimestampMs(segment.last)),
            gaps: Some(gaps.pop().map_or_else(Vec::new, |(_, set)| set)),
            ..Self::new(Some(id))
        })
    }

    fn take_in(&mut self, tick: &Tick) {
        let missing = self.index.missing_runs(tick);
        if missing.is_empty() {
            return;
        }
        let index = Arc::make_mut(&mut self.index);
        for run in missing {
            let end = u64::from(run.base) + u64::from(run.count);
            if end > MAX_COLUMNS as u64 {
                // What has no column is unknown, not zero.
                tracing::error!(cluster = %tick.cluster, max = MAX_COLUMNS, "too many series");
                return;
            }
            index.restore(&run).expect("a run just made fits");
            self.unsaved.push(run);
        }
    }

    /// All that is to be written, encoded before the transaction begins.
    fn prepare(
        &mut self,
        cluster: &ClusterName,
        frame: &Frame,
        gaps: &[Gap],
    ) -> Result<Change, RecordError> {
        let stream = self.check(cluster, frame)?;
        let gaps =
            Some(catalogue::bounded_gaps(gaps)).filter(|set| self.gaps.as_ref() != Some(set));
        let gap_record = gaps.as_deref().map(catalogue::encode_gaps).transpose()?;
        let identity = (!self.is_saved)
            .then(|| catalogue::encode_stream(cluster))
            .transpose()?;
        let series = self
            .unsaved
            .iter()
            .map(|run| Ok((run.base, catalogue::encode_series(run)?)))
            .collect::<Result<_, RecordError>>()?;
        let at = frame.at.0;
        if at.div_euclid(CHUNK_MS) != self.segment_first.div_euclid(CHUNK_MS) {
            // A segment is of one chunk.
            self.encoder.restart();
        }
        let blob = self.encoder.encode(frame.cells());
        Ok(Change {
            stream,
            identity,
            series,
            segment: Segment {
                first: if blob.is_keyframe {
                    at
                } else {
                    self.segment_first
                },
                last: at,
            },
            blob: blob.bytes,
            gaps,
            gap_record,
        })
    }

    fn check(&self, cluster: &ClusterName, frame: &Frame) -> Result<StreamId, RecordError> {
        if let Some(last) = self.last.filter(|last| frame.at <= *last) {
            return Err(RecordError::NotAfter {
                cluster: cluster.clone(),
                at: frame.at,
                last,
            });
        }
        if frame.cells().len() > MAX_COLUMNS {
            return Err(RecordError::TooLarge {
                what: format!("tick of cluster {cluster:?}"),
                size: frame.cells().len(),
                max: MAX_COLUMNS,
            });
        }
        self.id.ok_or_else(|| RecordError::TooManyClusters {
            cluster: cluster.clone(),
            max: usize::from(StreamId::MAX) + 1,
        })
    }

    fn recorded(&mut self, change: Change) {
        self.is_saved = true;
        self.unsaved.clear();
        self.segment_first = change.segment.first;
        self.last = Some(TimestampMs(change.segment.last));
        if change.gaps.is_some() {
            self.gaps = change.gaps;
        }
    }

    /// The commit failed, which does not quite mean that it left no trace.
    fn not_recorded(&mut self) {
        self.encoder.restart();
        self.gaps = None;
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("id", &self.id)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

/// What one tick changes on disk.
struct Change {
    stream: StreamId,
    identity: Option<Vec<u8>>,
    series: Vec<(u32, Vec<u8>)>,
    segment: Segment,
    blob: Vec<u8>,
    gaps: Option<Vec<Gap>>,
    gap_record: Option<Vec<u8>>,
}

impl Change {
    fn apply(&self, transaction: &WriteTransaction) -> Result<(), Fault> {
        self.apply_catalogue(transaction)?;
        self.apply_blob(transaction)?;
        let Segment { first, last } = self.segment;
        transaction
            .open_table(SEGMENTS)?
            .insert((self.stream, first), last)?;
        if let Some(record) = &self.gap_record {
            transaction
                .open_table(GAPS)?
                .insert((self.stream, last), record.as_slice())?;
        }
        Ok(())
    }

    fn apply_catalogue(&self, transaction: &WriteTransaction) -> Result<(), Fault> {
        if let Some(record) = &self.identity {
            transaction
                .open_table(STREAMS)?
                .insert(self.stream, record.as_slice())?;
        }
        if self.series.is_empty() {
            return Ok(());
        }
        let mut table = transaction.open_table(SERIES)?;
        for (base, record) in &self.series {
            table.insert((self.stream, *base), record.as_slice())?;
        }
        Ok(())
    }

    fn apply_blob(&self, transaction: &WriteTransaction) -> Result<(), Fault> {
        let at = self.segment.last;
        let mut table = transaction.open_table(TICKS)?;
        if self.segment.first == at {
            // A commit that failed in its very end may have left this tick.
            table.retain_in(of_tick(self.stream, at), |_, _| false)?;
        }
        for (piece, bytes) in (0..).zip(self.blob.chunks(PIECE_BYTES)) {
            table.insert((at, self.stream, piece), bytes)?;
        }
        Ok(())
    }
}
