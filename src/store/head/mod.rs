//! The head: every recent tick at full resolution, as it came in.
//!
//! One blob a tick, deltas to the tick before. Up to [`SEGMENT_TICKS`] ticks of
//! a stream make a **segment**, which begins with a keyframe and can be read,
//! and deleted, without any other. Readers, retention and whatever moves ticks
//! elsewhere go by whole segments.

mod blob;
mod events;
mod retention;
mod segment;
mod tables;

pub(super) use blob::{Decoder, Encoder, MAX_COLUMNS};
pub use events::Events;
pub(super) use events::{EventRows, retain_events};
pub use retention::Cut;
pub(super) use retention::{cut_before, retain_since};
pub(super) use segment::{StoredTick, read_segment};
pub(super) use tables::{
    CONFIGURATION, EVENTS, GAPS, PIECE_BYTES, PLUGIN_NAMES, SEGMENTS, SERIES, STREAMS, Segment,
    StreamId, TICKS, WATCHES, in_force_since, newest_segment, of_tick, oldest_segment, segment_at,
    segments_of, visit_tables,
};

/// Ticks from one keyframe to the next: ten minutes at one tick each 10 s. A
/// reader decodes at most this many in vain, and a keyframe costs about as much
/// as four deltas.
const SEGMENT_TICKS: u8 = 60;
