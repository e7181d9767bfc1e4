//! The head's ticks in memory, so that the newest hours are read as fast as
//! those that are sealed.
//!
//! A tick on disk is one blob of all columns; one group's hour would be 360 of
//! them. Here each segment lies by column. It holds only what is durable, and
//! nothing that the head does not hold: what is missing here is read there.

mod packed;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::head::StreamId;
use crate::model::Frame;

pub(super) use packed::PackedSegment;

/// What packed segments may take. Three hours of 100,000 series each 10 s take
/// about half of it.
const MAX_BYTES: usize = 96 << 20;

type Millis = i64;

/// A segment as it is held.
#[derive(Debug, Clone)]
pub(super) enum Segment {
    /// It was written by this process and is not packed yet; it may grow.
    Frames(Vec<Arc<Frame>>),
    /// Its ticks by column.
    Packed(Arc<PackedSegment>),
}

impl Segment {
    fn packed_bytes(&self) -> usize {
        match self {
            Self::Frames(_) => 0,
            Self::Packed(packed) => packed.size_bytes(),
        }
    }
}

/// Segments by stream and first tick.
#[derive(Debug, Default)]
pub(super) struct Recent(RwLock<BTreeMap<(StreamId, Millis), Segment>>);

impl Recent {
    /// Takes in a tick that was just made durable, in the segment that begins
    /// at `first`.
    pub(super) fn push(&self, stream: StreamId, first: Millis, frame: &Arc<Frame>) {
        let mut segments = self.write();
        let segment = segments.entry((stream, first));
        let segment = segment.or_insert_with(|| Segment::Frames(Vec::new()));
        if let Segment::Frames(frames) = segment {
            frames.push(Arc::clone(frame));
        }
    }

    /// The segment that begins at `first`.
    pub(super) fn get(&self, stream: StreamId, first: Millis) -> Option<Segment> {
        self.read().get(&(stream, first)).cloned()
    }

    /// A segment of `stream` that has ended and is not packed yet.
    pub(super) fn unpacked(&self, stream: StreamId) -> Option<(Millis, Vec<Arc<Frame>>)> {
        let segments = self.read();
        let mut of_stream = segments.range((stream, Millis::MIN)..=(stream, Millis::MAX));
        of_stream.next_back(); // The newest one grows.
        of_stream.find_map(|(&(_, first), segment)| match segment {
            Segment::Frames(frames) => Some((first, frames.clone())),
            Segment::Packed(_) => None,
        })
    }

    /// Puts a packed segment in place. The oldest ones go when there is no more
    /// room.
    pub(super) fn put(&self, stream: StreamId, first: Millis, packed: Arc<PackedSegment>) {
        let mut segments = self.write();
        segments.insert((stream, first), Segment::Packed(packed));
        let mut total: usize = segments.values().map(Segment::packed_bytes).sum();
        while total > MAX_BYTES {
            let packed = segments
                .iter()
                .filter(|(_, segment)| segment.packed_bytes() > 0);
            let Some((&key, segment)) = packed.min_by_key(|((_, first), _)| *first) else {
                break;
            };
            total -= segment.packed_bytes();
            segments.remove(&key);
        }
    }

    /// Can another segment be put without another's going?
    pub(super) fn has_room(&self) -> bool {
        self.packed_bytes() < MAX_BYTES / 8 * 7
    }

    /// What packed segments take.
    pub(super) fn packed_bytes(&self) -> usize {
        self.read().values().map(Segment::packed_bytes).sum()
    }

    /// Forgets the segments of `stream` that begin before `end`.
    pub(super) fn forget_before(&self, stream: StreamId, end: Millis) {
        self.write()
            .retain(|(of, first), _| *of != stream || *first >= end);
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<(StreamId, Millis), Segment>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<(StreamId, Millis), Segment>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
