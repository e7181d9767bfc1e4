//! History: what the head held, sealed into chunks, at three levels.
//!
//! A **chunk** is some two hours of a stream's ticks, by column, in the
//! [codec](super::codec) made for offsets. Sealing makes of them a second chunk
//! of one tick a minute, and of a day's minutes one of a tick an hour. Each
//! level is kept for its own time; readers join them with the head.

mod block;
mod chunk;
mod header;
mod links;
mod retention;
mod rollup;
mod seal;
mod tables;
mod verify;

use std::ops::Range;

use redb::ReadTransaction;

use super::{error::Fault, head::StreamId};

pub(super) use block::Links;
pub(super) use chunk::{ChunkReader, LagPlanes};
pub(super) use header::{Header, MAX_TICKS};
pub use retention::LevelSize;
pub(super) use retention::{Cutoff, drop_expired, drop_left_blocks, drop_oldest, level_sizes};
pub(super) use rollup::Total;
pub(super) use seal::Seal;
pub use tables::Level;
pub(super) use tables::{BLOCKS, CHUNKS, Plane, visit_tables};
pub(super) use verify::{chunk_keys, verify_chunk};

/// The chunk of `level` that covers `at`, or else the first one after it, under
/// the first tick that it covers.
pub(super) fn chunk_at(
    transaction: &ReadTransaction,
    level: Level,
    stream: StreamId,
    at: i64,
) -> Result<Option<(i64, Header)>, Fault> {
    let chunks = transaction.open_table(CHUNKS)?;
    let number = level.number();
    let mut before = chunks.range((number, stream, i64::MIN)..=(number, stream, at))?;
    if let Some(row) = before.next_back() {
        let (key, header) = row?;
        let header = Header::decode(header.value())?;
        if header.last() >= at {
            return Ok(Some((key.value().2, header)));
        }
    }
    let mut after = chunks.range((number, stream, at)..=(number, stream, i64::MAX))?;
    let Some(row) = after.next() else {
        return Ok(None);
    };
    let (key, header) = row?;
    Ok(Some((key.value().2, Header::decode(header.value())?)))
}

/// When the newest tick up to `at` was, of one level of a stream.
pub(super) fn newest_tick_until(
    transaction: &ReadTransaction,
    level: Level,
    stream: StreamId,
    at: i64,
) -> Result<Option<i64>, Fault> {
    let chunks = transaction.open_table(CHUNKS)?;
    let number = level.number();
    let mut before = chunks.range((number, stream, i64::MIN)..=(number, stream, at))?;
    let Some(row) = before.next_back() else {
        return Ok(None);
    };
    let times = Header::decode(row?.1.value())?.times;
    Ok(times.into_iter().rfind(|tick| *tick <= at))
}

/// The chunks of one level of a stream that begin in `span`, oldest first.
pub(super) fn chunks_between(
    transaction: &ReadTransaction,
    level: Level,
    stream: StreamId,
    span: Range<i64>,
) -> Result<Vec<(i64, Header)>, Fault> {
    let chunks = transaction.open_table(CHUNKS)?;
    let number = level.number();
    let mut found = Vec::new();
    for row in chunks.range((number, stream, span.start)..(number, stream, span.end))? {
        let (key, header) = row?;
        found.push((key.value().2, Header::decode(header.value())?));
    }
    Ok(found)
}

/// The newest chunk of one level of a stream.
pub(super) fn newest_chunk(
    transaction: &ReadTransaction,
    level: Level,
    stream: StreamId,
) -> Result<Option<(i64, Header)>, Fault> {
    let chunks = transaction.open_table(CHUNKS)?;
    let number = level.number();
    let mut all = chunks.range((number, stream, i64::MIN)..=(number, stream, i64::MAX))?;
    let Some(row) = all.next_back() else {
        return Ok(None);
    };
    let (key, header) = row?;
    Ok(Some((key.value().2, Header::decode(header.value())?)))
}
