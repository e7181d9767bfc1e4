//! The head: every recent tick at full resolution, as it came in.
//!
//! One blob a tick, deltas to the tick before. Up to [`SEGMENT_TICKS`] ticks of
//! a stream make a **segment**, which begins with a keyframe and can be read,
//! and deleted, without any other. Readers, retention and whatever moves ticks
//! elsewhere go by whole segments.

mod blob;
mod frames;
mod retention;
mod tables;

pub(super) use blob::{Encoder, MAX_COLUMNS};
pub use frames::Frames;
pub use retention::Retained;
pub(super) use retention::retain_since;
pub(super) use tables::{
    GAPS, PIECE_BYTES, SEGMENTS, SERIES, STREAMS, Segment, StreamId, TICKS, WATCHES,
    newest_segment, of_tick, oldest_segment,
};

/// Ticks from one keyframe to the next: ten minutes at one tick each 10 s. A
/// reader decodes at most this many in vain, and a keyframe costs about as much
/// as four deltas.
const SEGMENT_TICKS: u8 = 60;
