//! What is done with the head's ticks once they are old enough: packed in
//! memory, sealed into history, and cut from the head.

use std::{sync::Arc, time::Duration};

use super::{
    error::{Fault, RecordError},
    files::Files,
    head::{Decoder, STREAMS, Segment, StreamId, cut_before, read_segment, segments_of},
    history::{Header, Level, MAX_TICKS, Seal, chunk_at, chunks_between, newest_chunk},
    reader::series_index,
    recent::{self, PackedSegment},
};
use crate::model::{Frame, TimestampMs};

/// A chunk's ticks are those of one such span of UTC; the writer begins a
/// segment with each.
pub(super) const CHUNK_MS: i64 = 2 * 3_600_000;
/// A chunk of hours is a day of UTC.
const DAY_MS: i64 = 24 * 3_600_000;
/// How long after its end a span is sealed: what a start reads back is then
/// still in the head as a rule.
const SEAL_AFTER: Duration = Duration::from_secs(30 * 60);

/// Drives the sealing of one store, slice by slice. There is one a store.
#[derive(Debug)]
pub struct Sealer {
    files: Arc<Files>,
    /// Segments that an earlier process wrote, which are yet to be packed.
    unread: Option<Vec<(StreamId, i64)>>,
    work: Option<Work>,
}

/// A seal under way.
struct Work {
    stream: StreamId,
    seal: Seal,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    pub(super) fn new(files: Arc<Files>) -> Self {
        Self {
            files,
            unread: None,
            work: None,
        }
    }

    /// Does the next slice of what is to be done as of `now`, some tens of
    /// milliseconds of work; `false` when there is nothing left. Blocks on the
    /// disk, but never on who records or reads for longer than a slice of a cut.
    ///
    /// After an error the seal that was under way begins anew.
    pub fn step(&mut self, now: TimestampMs) -> Result<bool, RecordError> {
        Ok(self.try_step(now)?)
    }

    /// How old the oldest tick is that is due and not sealed; `None`: nothing is.
    pub fn behind(&self, now: TimestampMs) -> Result<Option<Duration>, RecordError> {
        let mut oldest = None;
        for stream in self.streams()? {
            let due = self.segments_due(stream, now)?;
            let ages = due.first().map(|due| now.since(TimestampMs(due.first)));
            oldest = oldest.max(ages);
        }
        Ok(oldest)
    }

    /// Packs what the head holds, as far as there is room, and seals nothing:
    /// who reads group by group would decode each whole tick as often.
    pub(super) fn pack_all(&mut self) -> Result<(), Fault> {
        while self.pack_unread()? {}
        Ok(())
    }

    fn try_step(&mut self, now: TimestampMs) -> Result<bool, Fault> {
        // First: what is not packed takes ten times the memory.
        if self.pack()? {
            return Ok(true);
        }
        // Back in its place only if it went well.
        if let Some(mut work) = self.work.take() {
            if work.seal.step(&self.files)? {
                self.work = Some(work);
            } else {
                let end = work.seal.last() + 1;
                self.files.recent.forget_before(work.stream, end);
            }
            return Ok(true);
        }
        for stream in self.streams()? {
            if self.cut(stream)? || self.begin(stream, now)? {
                return Ok(true);
            }
        }
        self.pack_unread()
    }

    fn streams(&self) -> Result<Vec<StreamId>, Fault> {
        self.files.head.read(|transaction| {
            let mut streams = Vec::new();
            for row in redb::ReadableTable::iter(&transaction.open_table(STREAMS)?)? {
                streams.push(row?.0.value());
            }
            Ok(streams)
        })
    }

    /// Packs a segment that this process has ended.
    fn pack(&self) -> Result<bool, Fault> {
        for stream in self.streams()? {
            if let Some((first, frames)) = self.files.recent.unpacked(stream) {
                let packed = Arc::new(PackedSegment::of(&frames));
                self.files.recent.put(stream, first, packed);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Packs a segment that an earlier process wrote, the newest first.
    fn pack_unread(&mut self) -> Result<bool, Fault> {
        if self.unread.is_none() {
            let mut unread = Vec::new();
            for stream in self.streams()? {
                let segments = self.segments(stream)?;
                unread.extend(segments.iter().map(|segment| (stream, segment.first)));
            }
            unread.sort_by_key(|(_, first)| *first);
            self.unread = Some(unread);
        }
        let Some((stream, first)) = self.unread.as_mut().and_then(Vec::pop) else {
            return Ok(false);
        };
        let files = &self.files;
        if files.recent.get(stream, first).is_none()
            && files.recent.has_room()
            && let Some(packed) = self.read_packed(stream, first)?
        {
            files.recent.put(stream, first, packed);
        }
        Ok(true)
    }

    /// Cuts from the head what is in history. The newest segment stays: it may
    /// grow, and says when the stream's last tick was.
    fn cut(&self, stream: StreamId) -> Result<bool, Fault> {
        let newest = |transaction: &redb::ReadTransaction| {
            Ok(newest_chunk(transaction, Level::Raw, stream)?.map(|(_, header)| header.last()))
        };
        let Some(sealed) = self.files.history.read(newest)? else {
            return Ok(false);
        };
        let segments = self.segments(stream)?;
        let kept = segments.iter().find(|segment| segment.last > sealed);
        let Some(kept) = kept.or(segments.last()) else {
            return Ok(false);
        };
        if segments
            .first()
            .is_some_and(|oldest| oldest.first < kept.first)
        {
            cut_before(&self.files.head, stream, kept.first)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Begins to seal what is due of `stream`.
    fn begin(&mut self, stream: StreamId, now: TimestampMs) -> Result<bool, Fault> {
        let seal = match self.segments_due(stream, now)? {
            due if !due.is_empty() => {
                let index = self.files.head.read(|head| series_index(head, stream))?;
                let segments = self.load(stream, &due)?;
                if segments.is_empty() {
                    return Ok(false);
                }
                Seal::of_segments(stream, segments, &index)
            }
            _ => {
                let minutes = self.minutes_due(stream, now)?;
                if minutes.is_empty() {
                    return Ok(false);
                }
                let index = self
                    .files
                    .history
                    .read(|history| series_index(history, stream))?;
                Seal::of_minutes(stream, &minutes, &index)
            }
        };
        self.work = Some(Work { stream, seal });
        Ok(true)
    }

    /// The oldest segments that are not sealed, of one span of time that is over.
    fn segments_due(&self, stream: StreamId, now: TimestampMs) -> Result<Vec<Segment>, Fault> {
        let mut segments = self.segments(stream)?;
        // The newest one may grow.
        let newest = segments.pop();
        let Some(oldest) = segments.first() else {
            return Ok(Vec::new());
        };
        let end = (oldest.first.div_euclid(CHUNK_MS) + 1).saturating_mul(CHUNK_MS);
        let now = newest.map_or(now, |newest| now.max(TimestampMs(newest.last)));
        if now.minus(SEAL_AFTER).0 < end {
            return Ok(Vec::new());
        }
        segments.retain(|segment| segment.first < end);
        Ok(segments)
    }

    /// The segments packed, as many of the oldest as one chunk takes.
    fn load(
        &self,
        stream: StreamId,
        segments: &[Segment],
    ) -> Result<Vec<Arc<PackedSegment>>, Fault> {
        let (mut loaded, mut ticks) = (Vec::new(), 0);
        for segment in segments {
            let packed = match self.files.recent.get(stream, segment.first) {
                Some(recent::Segment::Packed(packed)) => Some(packed),
                _ => self.read_packed(stream, segment.first)?,
            };
            let Some(packed) = packed else { continue };
            ticks += packed.times().len();
            if ticks > MAX_TICKS {
                break;
            }
            loaded.push(packed);
        }
        Ok(loaded)
    }

    fn read_packed(
        &self,
        stream: StreamId,
        first: i64,
    ) -> Result<Option<Arc<PackedSegment>>, Fault> {
        let read = |head: &redb::ReadTransaction| read_segment(head, stream, first, i64::MAX);
        let ticks = self.files.head.read(read)?;
        let mut decoder = Decoder::new();
        let frames = ticks.iter().map(|tick| {
            let cells = tick.decode(&mut decoder)?;
            Ok(Arc::new(Frame::new(TimestampMs(tick.at), cells)))
        });
        let frames = frames.collect::<Result<Vec<_>, Fault>>()?;
        Ok((!frames.is_empty()).then(|| Arc::new(PackedSegment::of(&frames))))
    }

    /// The chunks of minutes of the oldest day that has no hours yet, if it is
    /// over: a later one is there, or the head has gone on, or nothing has come
    /// for another day.
    fn minutes_due(&self, stream: StreamId, now: TimestampMs) -> Result<Vec<(i64, Header)>, Fault> {
        let next = self.segments(stream)?.first().map(|segment| segment.first);
        self.files.history.read(|history| {
            let hours = newest_chunk(history, Level::Hours, stream)?;
            let after = match hours {
                Some((_, header)) => header.last() + 1,
                None => i64::MIN,
            };
            let Some((oldest, _)) = chunk_at(history, Level::Minutes, stream, after)? else {
                return Ok(Vec::new());
            };
            let end = (oldest.div_euclid(DAY_MS) + 1).saturating_mul(DAY_MS);
            let newest = newest_chunk(history, Level::Minutes, stream)?;
            let newest = newest.map(|(first, _)| first);
            let quiet_since = now.0.saturating_sub(DAY_MS);
            if newest.max(next).max(Some(quiet_since)) < Some(end) {
                return Ok(Vec::new());
            }
            chunks_between(history, Level::Minutes, stream, oldest..end)
        })
    }

    fn segments(&self, stream: StreamId) -> Result<Vec<Segment>, Fault> {
        self.files.head.read(|head| segments_of(head, stream))
    }
}
