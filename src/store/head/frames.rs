//! Reading ticks back, one segment at a time.

use std::{collections::VecDeque, fmt, sync::Arc};

use redb::ReadTransaction;

use super::{
    SEGMENT_TICKS, Segment, StreamId,
    blob::Decoder,
    tables::{SEGMENTS, TICKS, segment_at},
};
use crate::{
    model::{Frame, TimestampMs},
    store::{
        database::Database,
        error::{Fault, ReadError},
    },
};

/// One stream's frames in a span of time, oldest first.
///
/// Each segment is read in a transaction of its own and decoded as frames are
/// asked for: memory holds one segment's compressed ticks, and a slow reader
/// holds up nothing. What retention deletes meanwhile is left out in whole
/// segments. After an error the iterator ends.
pub struct Frames {
    database: Arc<Database>,
    stream: StreamId,
    /// Where to look for the next segment; `None` at the end.
    next: Option<i64>,
    /// Ticks before this are decoded only for the sake of later ones.
    from: i64,
    to: i64,
    decoder: Decoder,
    /// Ticks of the current segment that are not decoded yet.
    pending: VecDeque<StoredTick>,
}

struct StoredTick {
    at: i64,
    blob: Vec<u8>,
}

impl Frames {
    pub(in crate::store) fn new(
        database: Arc<Database>,
        stream: StreamId,
        from: TimestampMs,
        to: TimestampMs,
    ) -> Self {
        Self {
            database,
            stream,
            next: Some(from.0),
            from: from.0,
            to: to.0,
            decoder: Decoder::new(),
            pending: VecDeque::new(),
        }
    }

    /// No frames at all.
    pub(in crate::store) fn none(database: Arc<Database>) -> Self {
        let mut none = Self::new(database, 0, TimestampMs(0), TimestampMs(0));
        none.next = None;
        none
    }

    fn advance(&mut self) -> Result<Option<Frame>, Fault> {
        loop {
            let Some(tick) = self.pending.pop_front() else {
                match self.next.filter(|next| *next <= self.to) {
                    Some(next) => self.fetch_segment(next)?,
                    None => return Ok(None),
                }
                continue;
            };
            let cells = self
                .decoder
                .decode(&tick.blob)
                .map_err(|reason| self.damaged(tick.at, reason))?;
            if tick.at >= self.from {
                return Ok(Some(Frame::new(TimestampMs(tick.at), cells)));
            }
        }
    }

    /// Takes in the segment that covers `from`, or else the first one after it.
    /// The newest one may have grown since it was taken in before.
    fn fetch_segment(&mut self, from: i64) -> Result<(), Fault> {
        let (stream, to) = (self.stream, self.to);
        let found = self.database.read(|transaction| {
            let segments = transaction.open_table(SEGMENTS)?;
            match segment_at(&segments, stream, from)? {
                Some(segment) if segment.first <= to => {
                    let ticks = read_segment(transaction, stream, segment, to)?;
                    Ok(Some((segment, ticks)))
                }
                _ => Ok(None),
            }
        })?;
        self.from = from;
        self.next = None;
        if let Some((segment, ticks)) = found {
            self.next = segment.last.checked_add(1);
            self.pending = ticks;
        }
        Ok(())
    }

    fn damaged(&self, at: i64, reason: impl ToString) -> Fault {
        Fault::damaged(format!("tick at {}", TimestampMs(at)), reason)
    }
}

/// The segment's ticks, up to the time `to`.
fn read_segment(
    transaction: &ReadTransaction,
    stream: StreamId,
    segment: Segment,
    to: i64,
) -> Result<VecDeque<StoredTick>, Fault> {
    let rows = transaction.open_table(TICKS)?;
    let mut ticks: VecDeque<StoredTick> = VecDeque::with_capacity(SEGMENT_TICKS.into());
    let last = segment.last.min(to);
    for row in rows.range((segment.first, 0, 0)..=(last, u16::MAX, u16::MAX))? {
        let (key, piece) = row?;
        let (at, of, _) = key.value();
        if of != stream {
            continue;
        }
        match ticks.back_mut().filter(|tick| tick.at == at) {
            Some(tick) => tick.blob.extend_from_slice(piece.value()),
            None => ticks.push_back(StoredTick {
                at,
                blob: piece.value().to_vec(),
            }),
        }
    }
    Ok(ticks)
}

impl Iterator for Frames {
    type Item = Result<Frame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.next = None;
            self.pending.clear();
        }
        next.map_err(ReadError::from).transpose()
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames")
            .field("stream", &self.stream)
            .field("next", &self.next)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}
