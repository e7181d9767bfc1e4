//! The write side: one durable transaction a tick.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use redb::{ReadTransaction, TableDefinition, WriteTransaction};
use tracing::error;

use super::{
    RecordError, catalogue,
    error::Fault,
    events::EventQueue,
    files::Files,
    head::{
        CONFIGURATION, Encoder, EventRows, GAPS, MAX_COLUMNS, PIECE_BYTES, PLUGIN_NAMES, SEGMENTS,
        SERIES, STREAMS, Segment, StreamId, TICKS, WATCHES, newest_segment, of_tick,
    },
    reader::{gap_sets, series_index, streams},
    sealer::CHUNK_MS,
    stream::StreamName,
    told::ToldFrames,
};
use crate::model::{
    ClusterName, Event, Frame, Gap, PluginName, SeriesIndex, SeriesRun, Tick, TimestampMs,
    ToldChange, WatchRecord,
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
    streams: BTreeMap<StreamName, Stream>,
    told: ToldFrames,
    events: EventQueue,
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
                .map(|(id, name)| Ok((name, Stream::load(transaction, id)?)))
                .collect::<Result<BTreeMap<_, _>, Fault>>()
        })?;
        let told = streams.get(&StreamName::Told);
        Ok(Self {
            told: ToldFrames::after(told.and_then(|stream| stream.last)),
            events: EventQueue::default(),
            files,
            streams,
        })
    }

    /// Turns a tick into a frame. Series that were never seen get their
    /// columns; nothing is written.
    pub fn place(&mut self, tick: &Tick) -> Placed {
        let name = StreamName::Cluster(tick.cluster.clone());
        let stream = self.stream(&name);
        let frame = stream.index.place_whole(tick).unwrap_or_else(|missing| {
            stream.take_in(&name, missing);
            stream.index.place(tick)
        });
        Placed {
            cluster: tick.cluster.clone(),
            frame: Arc::new(frame),
            index: stream.index.clone(),
        }
    }

    /// Takes in what KEDA was told, to be recorded with the next tick.
    pub fn tell(&mut self, mut changes: Vec<ToldChange>) {
        if changes.is_empty() {
            return;
        }
        changes.sort_by_key(|change| change.at);
        let name = StreamName::Told;
        let stream = self.stream(&name);
        let watches = changes.iter().map(|change| &change.watch);
        stream.take_in(&name, stream.index.missing_runs_of(watches));
        let index = stream.index.clone();
        self.told.take_in(&changes, &index);
    }

    /// From `at`, when the process started, KEDA was told nothing.
    pub fn forget_told(&mut self, at: TimestampMs) {
        if let Some(stream) = self.streams.get(&StreamName::Told) {
            self.told.forget(at, &stream.index);
        }
    }

    /// Takes in what happened, to be recorded with the next tick: at most 256
    /// events of clusters, and of the rest how many there were.
    pub fn note(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Records a tick and what was missing from it in one transaction, with
    /// what was told and noted since the one before. When this returns `Ok`,
    /// neither kill -9 nor a power cut undoes it.
    ///
    /// `gaps` is the tick's whole set, sorted. A set of more than 256 kB is cut,
    /// and so is a reason of more than 512 bytes.
    pub fn record(&mut self, placed: &Placed, gaps: &[Gap]) -> Result<(), RecordError> {
        let name = StreamName::Cluster(placed.cluster.clone());
        let Some(stream) = self.streams.get_mut(&name) else {
            let cluster = placed.cluster.clone();
            return Err(RecordError::NotPlaced { cluster });
        };
        let change = stream.prepare(&name, std::slice::from_ref(&placed.frame), gaps)?;
        let written = self.commit(|transaction| change.apply(transaction));
        self.written(&name, change, written.is_ok());
        Ok(written?)
    }

    /// Records what was told and noted since the newest tick.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        Ok(self.commit(|_| Ok(()))?)
    }

    /// Keeps what the process was configured with, a fingerprint a section, in
    /// place of what there was; with what was told and noted.
    pub fn put_configuration(
        &mut self,
        sections: &BTreeMap<String, u64>,
    ) -> Result<(), RecordError> {
        let put = |transaction: &WriteTransaction| {
            let mut table = transaction.open_table(CONFIGURATION)?;
            table.retain(|_, _| false)?;
            for (section, fingerprint) in sections {
                table.insert(section.as_str(), fingerprint)?;
            }
            Ok(())
        };
        Ok(self.commit(put)?)
    }

    /// One transaction: `change`, and what was told and noted.
    fn commit(
        &mut self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let (told, events) = (self.told_change(), self.event_rows());
        let written = self.files.head.write(|transaction| {
            change(transaction)?;
            if let Some(told) = &told {
                told.apply(transaction)?;
            }
            events.insert(transaction)
        });
        if let Some(told) = told {
            self.written(&StreamName::Told, told, written.is_ok());
        }
        if written.is_ok() {
            self.told.clear_queue();
            self.events.clear();
        }
        written
    }

    fn written(&mut self, name: &StreamName, change: Change, is_recorded: bool) {
        if !is_recorded {
            return self.stream(name).not_recorded();
        }
        for tick in &change.ticks {
            let first = tick.segment.first;
            self.files.recent.push(change.stream, first, &tick.frame);
        }
        self.stream(name).recorded(change);
    }

    /// What can't be recorded of this, ever, must not keep ticks from being.
    fn told_change(&mut self) -> Option<Change> {
        let name = StreamName::Told;
        let frames = self.told.queued();
        if frames.is_empty() {
            return None;
        }
        let change = self.streams.get_mut(&name)?.prepare(&name, frames, &[]);
        change
            .inspect_err(|cause| {
                error!(%cause, "what KEDA was told is not recorded");
                self.told.clear_queue();
            })
            .ok()
    }

    fn event_rows(&self) -> EventRows {
        let mut rows = EventRows::default();
        for event in self.events.iter() {
            if let Err(cause) = rows.push(&event) {
                error!(%cause, "an event is not recorded");
            }
        }
        rows
    }

    fn stream(&mut self, name: &StreamName) -> &mut Stream {
        let next_id = StreamId::try_from(self.streams.len()).ok();
        let new = || Stream::new(next_id);
        self.streams.entry(name.clone()).or_insert_with(new)
    }

    /// Keeps these watches, in place of those of the same keys.
    pub fn put_watches(&mut self, watches: &[WatchRecord]) -> Result<(), RecordError> {
        let record = |watch| catalogue::encode_watch(watch);
        let records: Result<Vec<_>, _> = watches.iter().map(record).collect();
        let keys = watches.iter().map(|watch| watch.key.as_str());
        self.put(WATCHES, keys.zip(records?))
    }

    /// Forgets the watches of these keys, if they are there.
    pub fn remove_watches(&mut self, keys: &[String]) -> Result<(), RecordError> {
        self.remove(WATCHES, keys)
    }

    /// Keeps these names, in place of those of the same plugins.
    pub fn put_plugin_names(&mut self, names: &[PluginName]) -> Result<(), RecordError> {
        let record = |name| catalogue::encode_plugin_name(name);
        let records: Result<Vec<_>, _> = names.iter().map(record).collect();
        let plugins = names.iter().map(|name| name.plugin.as_str());
        self.put(PLUGIN_NAMES, plugins.zip(records?))
    }

    /// Forgets the names of these plugins, if they are there.
    pub fn remove_plugin_names(&mut self, plugins: &[String]) -> Result<(), RecordError> {
        self.remove(PLUGIN_NAMES, plugins)
    }

    fn put<'a>(
        &mut self,
        table: Records,
        records: impl Iterator<Item = (&'a str, Vec<u8>)>,
    ) -> Result<(), RecordError> {
        self.files.head.write(|transaction| {
            let mut table = transaction.open_table(table)?;
            for (key, record) in records {
                table.insert(key, record.as_slice())?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn remove(&mut self, table: Records, keys: &[String]) -> Result<(), RecordError> {
        self.files.head.write(|transaction| {
            let mut table = transaction.open_table(table)?;
            for key in keys {
                table.remove(key.as_str())?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// A table of records by name.
type Records = TableDefinition<'static, &'static str, &'static [u8]>;

/// What the writer keeps in memory of one stream.
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

    fn take_in(&mut self, name: &StreamName, missing: Vec<SeriesRun>) {
        if missing.is_empty() {
            return;
        }
        let index = Arc::make_mut(&mut self.index);
        for run in missing {
            let end = u64::from(run.base) + u64::from(run.count);
            if end > MAX_COLUMNS as u64 {
                // What has no column is unknown, not zero.
                error!(stream = %name, max = MAX_COLUMNS, "too many series");
                return;
            }
            index.restore(&run).expect("a run just made fits");
            self.unsaved.push(run);
        }
    }

    /// All that is to be written, encoded before the transaction begins.
    /// `frames` are at least one, and follow each other in time.
    fn prepare(
        &mut self,
        name: &StreamName,
        frames: &[Arc<Frame>],
        gaps: &[Gap],
    ) -> Result<Change, RecordError> {
        let stream = self.check(name, frames)?;
        let gaps =
            Some(catalogue::bounded_gaps(gaps)).filter(|set| self.gaps.as_ref() != Some(set));
        let gap_record = gaps.as_deref().map(catalogue::encode_gaps).transpose()?;
        let identity = (!self.is_saved)
            .then(|| catalogue::encode_stream(name))
            .transpose()?;
        let series = self
            .unsaved
            .iter()
            .map(|run| Ok((run.base, catalogue::encode_series(run)?)))
            .collect::<Result<_, RecordError>>()?;
        Ok(Change {
            stream,
            identity,
            series,
            ticks: self.encode(frames, longest_segment(name)),
            gaps,
            gap_record,
        })
    }

    fn encode(&mut self, frames: &[Arc<Frame>], longest: Duration) -> Vec<EncodedTick> {
        let mut first = self.segment_first;
        let encode = |frame: &Arc<Frame>| {
            // A segment is of one chunk.
            let is_of_another_chunk = frame.at.0.div_euclid(CHUNK_MS) != first.div_euclid(CHUNK_MS);
            if is_of_another_chunk || frame.at.since(TimestampMs(first)) >= longest {
                self.encoder.restart();
            }
            let blob = self.encoder.encode(frame.cells());
            let last = frame.at.0;
            if blob.is_keyframe {
                first = last;
            }
            EncodedTick {
                segment: Segment { first, last },
                frame: Arc::clone(frame),
                blob: blob.bytes,
            }
        };
        frames.iter().map(encode).collect()
    }

    fn check(&self, name: &StreamName, frames: &[Arc<Frame>]) -> Result<StreamId, RecordError> {
        let mut last = self.last;
        for frame in frames {
            if let Some(last) = last.filter(|last| frame.at <= *last) {
                return Err(RecordError::NotAfter {
                    stream: name.clone(),
                    at: frame.at,
                    last,
                });
            }
            if frame.cells().len() > MAX_COLUMNS {
                return Err(RecordError::TooLarge {
                    what: format!("tick of {name}"),
                    size: frame.cells().len(),
                    max: MAX_COLUMNS,
                });
            }
            last = Some(frame.at);
        }
        self.id.ok_or_else(|| RecordError::TooManyStreams {
            stream: name.clone(),
            max: usize::from(StreamId::MAX) + 1,
        })
    }

    fn recorded(&mut self, change: Change) {
        self.is_saved = true;
        self.unsaved.clear();
        if let Some(newest) = change.ticks.last() {
            self.segment_first = newest.segment.first;
            self.last = Some(TimestampMs(newest.segment.last));
        }
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

/// A segment's ticks are found by passing over those of other streams between
/// its first and its last. What was told may stand still for days, so that
/// sixty changes would lie far apart.
fn longest_segment(name: &StreamName) -> Duration {
    match name {
        StreamName::Cluster(_) => Duration::MAX,
        StreamName::Told => Duration::from_mins(1),
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

/// What a stream's ticks of one transaction change on disk.
struct Change {
    stream: StreamId,
    identity: Option<Vec<u8>>,
    series: Vec<(u32, Vec<u8>)>,
    ticks: Vec<EncodedTick>,
    gaps: Option<Vec<Gap>>,
    gap_record: Option<Vec<u8>>,
}

/// One tick, and the segment up to it.
struct EncodedTick {
    segment: Segment,
    frame: Arc<Frame>,
    blob: Vec<u8>,
}

impl Change {
    fn apply(&self, transaction: &WriteTransaction) -> Result<(), Fault> {
        self.apply_catalogue(transaction)?;
        for tick in &self.ticks {
            self.apply_tick(transaction, tick)?;
        }
        if let Some((record, newest)) = self.gap_record.as_ref().zip(self.ticks.last()) {
            transaction
                .open_table(GAPS)?
                .insert((self.stream, newest.segment.last), record.as_slice())?;
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

    fn apply_tick(&self, transaction: &WriteTransaction, tick: &EncodedTick) -> Result<(), Fault> {
        let Segment { first, last } = tick.segment;
        let mut table = transaction.open_table(TICKS)?;
        if first == last {
            // A commit that failed in its very end may have left this tick.
            table.retain_in(of_tick(self.stream, last), |_, _| false)?;
        }
        for (piece, bytes) in (0..).zip(tick.blob.chunks(PIECE_BYTES)) {
            table.insert((last, self.stream, piece), bytes)?;
        }
        transaction
            .open_table(SEGMENTS)?
            .insert((self.stream, first), last)?;
        Ok(())
    }
}
