//! The tables of `head.redb`.
//!
//! ```text
//! table     key                              value
//! +----------+--------------------------------+------------------------------+
//! | meta     | "schema_version"               | u32                          |
//! +----------+--------------------------------+------------------------------+
//! | streams  | stream u16                     | catalogue record: who it is  |
//! | series   | stream u16, first column u32   | catalogue record: a run      |
//! | gaps     | stream u16, at i64             | catalogue record: whole set  |
//! | watches  | key str                        | catalogue record             |
//! | plugin_names | plugin str                 | catalogue record             |
//! | events   | at i64, number u16             | catalogue record             |
//! | configuration | section str               | fingerprint u64              |
//! +----------+--------------------------------+------------------------------+
//! | ticks    | at i64, stream u16, piece u16  | up to 4,040 bytes of a blob  |
//! | segments | stream u16, first at i64       | last at i64                  |
//! +----------+--------------------------------+------------------------------+
//! ```
//! - Times are milliseconds since 1970. A stream is one source of ticks, a
//!   cluster or what KEDA was told; its number is given once and never again.
//! - `ticks` has the time first, so that each tick is appended at the end and
//!   old ones are a prefix; the other tables are searched by stream. Pieces
//!   0, 1, ... of a tick follow each other and make one blob
//!   (see [`blob`](super::blob)).
//! - `segments` has a row for each segment, under the time of its keyframe. Its
//!   value moves on with each tick, so that a segment's end, and a stream's, is
//!   found without a walk over what other streams recorded since.
//! - Invariant: where a segment's row is, all its ticks are. Its row is written
//!   with its first tick and removed before the first of its ticks is, so ticks
//!   without a segment are rubbish that the next retention takes away.
//! - `gaps` has a row where the set differs from the row before; an empty set
//!   says that all is well again.
//! - `events` has the time first, so that the newest of all clusters are its end
//!   and the oldest its beginning; those of one millisecond are numbered from 0.
//!   Clusters stand in the records by name, since an event may be older than
//!   its cluster's first tick.
//! - `configuration` is that of the newest start, without any secret.
//! - Records of the catalogue are described in [`catalogue`](super::super::catalogue).

use std::ops::RangeInclusive;

use redb::{ReadTransaction, ReadableTable, TableDefinition};

use crate::store::{CareError, care::TableVisitor, error::Fault, migrate::META};

pub(in crate::store) type StreamId = u16;
type Millis = i64;

pub(in crate::store) const STREAMS: TableDefinition<StreamId, &[u8]> =
    TableDefinition::new("streams");
pub(in crate::store) const SERIES: TableDefinition<(StreamId, u32), &[u8]> =
    TableDefinition::new("series");
pub(in crate::store) const GAPS: TableDefinition<(StreamId, Millis), &[u8]> =
    TableDefinition::new("gaps");
pub(in crate::store) const WATCHES: TableDefinition<&str, &[u8]> = TableDefinition::new("watches");
pub(in crate::store) const PLUGIN_NAMES: TableDefinition<&str, &[u8]> =
    TableDefinition::new("plugin_names");
pub(in crate::store) const TICKS: TableDefinition<(Millis, StreamId, u16), &[u8]> =
    TableDefinition::new("ticks");
pub(in crate::store) const SEGMENTS: TableDefinition<(StreamId, Millis), Millis> =
    TableDefinition::new("segments");
pub(in crate::store) const EVENTS: TableDefinition<(Millis, u16), &[u8]> =
    TableDefinition::new("events");
pub(in crate::store) const CONFIGURATION: TableDefinition<&str, u64> =
    TableDefinition::new("configuration");

/// Shows each table, the version with them. A new one has its line here too.
pub(in crate::store) fn visit_tables(visitor: &mut impl TableVisitor) -> Result<(), CareError> {
    visitor.table(META)?;
    visitor.table(STREAMS)?;
    visitor.table(SERIES)?;
    visitor.table(GAPS)?;
    visitor.table(WATCHES)?;
    visitor.table(PLUGIN_NAMES)?;
    visitor.table(TICKS)?;
    visitor.table(SEGMENTS)?;
    visitor.table(EVENTS)?;
    visitor.table(CONFIGURATION)
}

/// A row of `ticks` with this much fills one page of 4,096 bytes; one byte more
/// than fits would take two.
pub(in crate::store) const PIECE_BYTES: usize = 4_040;

/// Times of a segment's first and last tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Segment {
    pub(in crate::store) first: Millis,
    pub(in crate::store) last: Millis,
}

/// All keys of one stream.
pub(in crate::store) fn of_stream(stream: StreamId) -> RangeInclusive<(StreamId, Millis)> {
    (stream, Millis::MIN)..=(stream, Millis::MAX)
}

/// All keys of one tick.
pub(in crate::store) fn of_tick(
    stream: StreamId,
    at: Millis,
) -> RangeInclusive<(Millis, StreamId, u16)> {
    (at, stream, 0)..=(at, stream, u16::MAX)
}

/// The segment that covers `at`, or else the first one after it.
pub(in crate::store) fn segment_at(
    segments: &impl ReadableTable<(StreamId, Millis), Millis>,
    stream: StreamId,
    at: Millis,
) -> Result<Option<Segment>, Fault> {
    let mut before = segments.range((stream, Millis::MIN)..=(stream, at))?;
    if let Some(segment) = before.next_back().map(segment_of).transpose()?
        && segment.last >= at
    {
        return Ok(Some(segment));
    }
    let mut after = segments.range((stream, at)..=(stream, Millis::MAX))?;
    after.next().map(segment_of).transpose()
}

pub(in crate::store) fn oldest_segment(
    segments: &impl ReadableTable<(StreamId, Millis), Millis>,
    stream: StreamId,
) -> Result<Option<Segment>, Fault> {
    let mut all = segments.range(of_stream(stream))?;
    all.next().map(segment_of).transpose()
}

pub(in crate::store) fn newest_segment(
    segments: &impl ReadableTable<(StreamId, Millis), Millis>,
    stream: StreamId,
) -> Result<Option<Segment>, Fault> {
    let mut all = segments.range(of_stream(stream))?;
    all.next_back().map(segment_of).transpose()
}

/// All segments of a stream, oldest first.
pub(in crate::store) fn segments_of(
    transaction: &ReadTransaction,
    stream: StreamId,
) -> Result<Vec<Segment>, Fault> {
    let segments = transaction.open_table(SEGMENTS)?;
    segments.range(of_stream(stream))?.map(segment_of).collect()
}

/// From where to read so as to meet the tick that was the newest at `at`, where
/// ticks are changes; `None` if there was none yet.
pub(in crate::store) fn in_force_since(
    segments: &impl ReadableTable<(StreamId, Millis), Millis>,
    stream: StreamId,
    at: Millis,
) -> Result<Option<Millis>, Fault> {
    let mut before = segments.range((stream, Millis::MIN)..=(stream, at))?;
    let newest = before.next_back().map(segment_of).transpose()?;
    Ok(newest.map(|segment| match segment.last <= at {
        true => segment.last,
        false => segment.first,
    }))
}

type SegmentRow<'a> = (
    redb::AccessGuard<'a, (StreamId, Millis)>,
    redb::AccessGuard<'a, Millis>,
);

fn segment_of(row: Result<SegmentRow<'_>, redb::StorageError>) -> Result<Segment, Fault> {
    let (key, last) = row?;
    Ok(Segment {
        first: key.value().1,
        last: last.value(),
    })
}
