//! Deleting what is too old, by whole segments and in small transactions, so
//! that a tick never waits long for its turn to be written.

use std::collections::BTreeMap;

use redb::{ReadableTable, WriteTransaction};

use super::tables::{GAPS, SEGMENTS, STREAMS, StreamId, TICKS, newest_segment, segment_at};
use crate::{
    model::TimestampMs,
    store::{database::Database, error::Fault},
};

/// Rows that one transaction deletes or passes over: 4 MB of ticks at most,
/// some ten milliseconds.
pub(super) const SLICE_ROWS: usize = 1_024;

/// What was cut from the head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cut {
    /// Segments, each of up to 60 ticks of one cluster.
    pub segments: u64,
    /// Rows of ticks, with what earlier runs may have left behind.
    pub tick_rows: u64,
    /// Sets of gaps.
    pub gap_sets: u64,
}

/// Where a stream's kept history begins.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    ticks: i64,
    gaps: i64,
}

/// Deletes the segments of all streams that end before `cutoff`, except each
/// stream's newest.
pub(in crate::store) fn retain_since(
    database: &Database,
    cutoff: TimestampMs,
) -> Result<Cut, Fault> {
    let kept = database.read(|transaction| {
        let segments = transaction.open_table(SEGMENTS)?;
        let mut kept = BTreeMap::new();
        for row in transaction.open_table(STREAMS)?.iter()? {
            let stream = row?.0.value();
            let first = match segment_at(&segments, stream, cutoff.0)? {
                Some(segment) => Some(segment),
                None => newest_segment(&segments, stream)?,
            };
            kept.insert(stream, first.map_or(i64::MIN, |segment| segment.first));
        }
        Ok(kept)
    })?;
    cut(database, kept, cutoff.0)
}

/// Deletes the segments of `stream` that begin before `first`, which is the
/// beginning of one.
pub(in crate::store) fn cut_before(
    database: &Database,
    stream: StreamId,
    first: i64,
) -> Result<Cut, Fault> {
    cut(database, BTreeMap::from([(stream, first)]), first)
}

/// Deletes by stream what is before its first kept segment, and the gaps before
/// that and `gaps_since`, save for the set in force then.
fn cut(database: &Database, kept: BTreeMap<StreamId, i64>, gaps_since: i64) -> Result<Cut, Fault> {
    let bounds = database.read(|transaction| {
        let gaps = transaction.open_table(GAPS)?;
        let bounds = kept.into_iter().map(|(stream, ticks)| {
            let until = ticks.min(gaps_since);
            let in_force = gaps.range((stream, i64::MIN)..=(stream, until))?;
            let in_force = { in_force }.next_back().transpose()?;
            let gaps = in_force.map_or(i64::MIN, |(key, _)| key.value().1);
            Ok((stream, Bounds { ticks, gaps }))
        });
        bounds.collect::<Result<BTreeMap<_, _>, Fault>>()
    })?;
    let mut done = Cut::default();
    for (&stream, bounds) in &bounds {
        // Before their ticks: see the invariant in `tables`.
        done.segments += in_slices(|| {
            database.write(|transaction| drop_segments(transaction, stream, bounds.ticks))
        })?;
        done.gap_sets += in_slices(|| {
            database.write(|transaction| drop_gaps(transaction, stream, bounds.gaps))
        })?;
    }
    done.tick_rows = drop_ticks(database, &bounds)?;
    Ok(done)
}

/// Calls `slice` until it finds less than a slice; how much was deleted.
pub(super) fn in_slices(mut slice: impl FnMut() -> Result<u64, Fault>) -> Result<u64, Fault> {
    let mut total = 0;
    loop {
        let deleted = slice()?;
        total += deleted;
        if deleted < SLICE_ROWS as u64 {
            return Ok(total);
        }
    }
}

fn drop_segments(
    transaction: &WriteTransaction,
    stream: StreamId,
    before: i64,
) -> Result<u64, Fault> {
    let mut table = transaction.open_table(SEGMENTS)?;
    let old = table.extract_from_if((stream, i64::MIN)..(stream, before), |_, _| true)?;
    count(old.take(SLICE_ROWS))
}

fn drop_gaps(transaction: &WriteTransaction, stream: StreamId, before: i64) -> Result<u64, Fault> {
    let mut table = transaction.open_table(GAPS)?;
    let old = table.extract_from_if((stream, i64::MIN)..(stream, before), |_, _| true)?;
    count(old.take(SLICE_ROWS))
}

type TickKey = (i64, StreamId, u16);

/// Streams keep different spans, so this passes over rows as well as deleting.
fn drop_ticks(database: &Database, bounds: &BTreeMap<StreamId, Bounds>) -> Result<u64, Fault> {
    let end = bounds.values().map(|bounds| bounds.ticks).max();
    let end = (end.unwrap_or(i64::MIN), 0, 0);
    let mut total = 0;
    let mut next = Some((i64::MIN, 0, 0));
    while let Some(start) = next {
        let deleted;
        (deleted, next) =
            database.write(|transaction| drop_tick_slice(transaction, start, end, bounds))?;
        total += deleted;
    }
    Ok(total)
}

/// How many rows of the slice at `start` were deleted, and where the next one
/// begins.
fn drop_tick_slice(
    transaction: &WriteTransaction,
    start: TickKey,
    end: TickKey,
    bounds: &BTreeMap<StreamId, Bounds>,
) -> Result<(u64, Option<TickKey>), Fault> {
    let mut table = transaction.open_table(TICKS)?;
    let next = table.range(start..end)?.nth(SLICE_ROWS).transpose()?;
    let next = next.map(|(key, _)| key.value());
    let is_old = |(at, stream, _): TickKey, _: &[u8]| {
        bounds.get(&stream).is_some_and(|bounds| at < bounds.ticks)
    };
    let deleted = count(table.extract_from_if(start..next.unwrap_or(end), is_old)?)?;
    Ok((deleted, next))
}

pub(super) fn count<T>(
    rows: impl Iterator<Item = Result<T, redb::StorageError>>,
) -> Result<u64, Fault> {
    let mut total = 0;
    for row in rows {
        row?;
        total += 1;
    }
    Ok(total)
}
