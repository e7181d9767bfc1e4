//! Deleting whole chunks, each in a transaction of its own.

use std::{
    collections::BTreeMap,
    ops::{AddAssign, Bound},
};

use redb::{ReadTransaction, WriteTransaction};

use super::{
    header::Header,
    newest_chunk,
    tables::{BLOCKS, BlockKey, CHUNKS, Level},
};
use crate::store::{
    database::Database,
    error::Fault,
    files::Files,
    head::{SEGMENTS, StreamId},
};

/// Of each stream, what a full folder leaves of each level: the last day.
const NEVER_CROWDED_OUT_MS: i64 = 24 * 3_600_000;
/// Chunks whose left blocks one run deletes: some hundred MB at most.
const MAX_LEFT_CHUNKS: usize = 64;

/// Chunks that went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store) struct Dropped {
    pub(in crate::store) chunks: u64,
    pub(in crate::store) bytes: u64,
}

impl AddAssign for Dropped {
    fn add_assign(&mut self, other: Self) {
        self.chunks += other.chunks;
        self.bytes += other.bytes;
    }
}

/// A chunk by its key, with what it covers and takes.
struct Found {
    stream: StreamId,
    first: i64,
    header: Header,
}

/// When a chunk of one level is too old.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Cutoff {
    /// Before this, if the coarser level has been made of it.
    pub(in crate::store) made: i64,
    /// Before this in any case.
    pub(in crate::store) any: i64,
}

/// Deletes the chunks of `level` whose last tick is before the cutoff. A
/// stream's newest hours stay as long as it has minutes: they say of which days
/// hours have been made.
pub(in crate::store) fn drop_expired(
    history: &Database,
    level: Level,
    cutoff: Cutoff,
) -> Result<Dropped, Fault> {
    let marks = history.read(Marks::read)?;
    let mut dropped = Dropped::default();
    for chunk in chunks(history, level)? {
        let last = chunk.header.last();
        let is_made = marks.is_coarser_made(level, &chunk);
        let is_old = last < cutoff.any || (last < cutoff.made && is_made);
        if is_old && !marks.is_mark(level, &chunk) {
            dropped += drop_chunk(history, level, &chunk)?;
        }
    }
    Ok(dropped)
}

/// Deletes the oldest chunks of `level` until `excess_bytes` are gone, save for
/// each stream's last day and what the coarser level is yet to be made of.
pub(in crate::store) fn drop_oldest(
    history: &Database,
    level: Level,
    excess_bytes: u64,
) -> Result<Dropped, Fault> {
    let marks = history.read(Marks::read)?;
    let mut all = chunks(history, level)?;
    let mut newest = BTreeMap::new();
    for chunk in &all {
        newest.insert(chunk.stream, chunk.header.last());
    }
    all.retain(|chunk| {
        let day_before = newest[&chunk.stream].saturating_sub(NEVER_CROWDED_OUT_MS);
        chunk.header.last() < day_before && marks.is_coarser_made(level, chunk)
    });
    all.sort_by_key(|chunk| chunk.first);
    let mut dropped = Dropped::default();
    for chunk in all {
        if dropped.bytes >= excess_bytes {
            break;
        }
        dropped += drop_chunk(history, level, &chunk)?;
    }
    Ok(dropped)
}

/// How far hours have been made, by stream.
struct Marks {
    hours: BTreeMap<StreamId, i64>,
    oldest_minutes: BTreeMap<StreamId, i64>,
}

impl Marks {
    fn read(transaction: &ReadTransaction) -> Result<Self, Fault> {
        let mut marks = Self {
            hours: BTreeMap::new(),
            oldest_minutes: BTreeMap::new(),
        };
        let chunks = transaction.open_table(CHUNKS)?;
        let (from, to) = all_of(Level::Minutes);
        for row in chunks.range(from..=to)? {
            let (_, stream, first) = row?.0.value();
            marks.oldest_minutes.entry(stream).or_insert(first);
        }
        for stream in marks.oldest_minutes.keys() {
            if let Some((_, header)) = newest_chunk(transaction, Level::Hours, *stream)? {
                marks.hours.insert(*stream, header.last());
            }
        }
        Ok(marks)
    }

    /// Minutes are made along with raw; hours of a day's minutes once it is over.
    fn is_coarser_made(&self, level: Level, chunk: &Found) -> bool {
        let made_until = self.hours.get(&chunk.stream);
        level != Level::Minutes || made_until.is_some_and(|last| chunk.header.last() <= *last)
    }

    fn is_mark(&self, level: Level, chunk: &Found) -> bool {
        level == Level::Hours && self.hours.get(&chunk.stream) == Some(&chunk.header.last())
    }
}

/// Deletes blocks that have no chunk and never will: a seal was cut short, and
/// what it sealed is gone. How many chunks they would have made.
pub(in crate::store) fn drop_left_blocks(files: &Files) -> Result<u64, Fault> {
    let mut dropped = 0;
    for (level, first, stream) in left_blocks(files)? {
        dropped += files.history.write(|transaction| {
            // The seal may have come to its end meanwhile.
            let chunks = transaction.open_table(CHUNKS)?;
            let is_whole = redb::ReadableTable::get(&chunks, (level, stream, first))?.is_some();
            if !is_whole {
                drop_blocks(transaction, level, first, stream)?;
            }
            Ok(u64::from(!is_whole))
        })?;
    }
    Ok(dropped)
}

type ChunkPlace = (u8, i64, StreamId);

fn left_blocks(files: &Files) -> Result<Vec<ChunkPlace>, Fault> {
    let mut left = files.history.read(|transaction| {
        let chunks = transaction.open_table(CHUNKS)?;
        let is_whole = |(level, first, stream): &ChunkPlace| {
            Ok::<_, Fault>(chunks.get((*level, *stream, *first))?.is_some())
        };
        let mut left = Vec::new();
        for place in chunk_places(transaction)? {
            let (level, first, stream) = place;
            // Hours are made anew from the same minutes.
            let is_to_come = level == Level::Hours.number()
                && is_whole(&(Level::Minutes.number(), first, stream))?;
            if !is_whole(&place)? && !is_to_come {
                left.push(place);
            }
        }
        Ok(left)
    })?;
    files.head.read(|head| {
        // All else from the same segment of the head.
        let segments = head.open_table(SEGMENTS)?;
        let mut is_to_come = Vec::new();
        for (_, first, stream) in &left {
            is_to_come.push(segments.get((*stream, *first))?.is_some());
        }
        let mut is_to_come = is_to_come.into_iter();
        left.retain(|_| is_to_come.next() == Some(false));
        Ok(())
    })?;
    left.truncate(MAX_LEFT_CHUNKS);
    Ok(left)
}

/// Where there are blocks, one after the other without reading them all.
fn chunk_places(transaction: &ReadTransaction) -> Result<Vec<ChunkPlace>, Fault> {
    let blocks = transaction.open_table(BLOCKS)?;
    let mut places = Vec::new();
    let mut after: Bound<BlockKey> = Bound::Unbounded;
    while let Some(row) = blocks.range((after, Bound::Unbounded))?.next() {
        let (level, first, stream, ..) = row?.0.value();
        places.push((level, first, stream));
        after = Bound::Excluded((level, first, stream, u8::MAX, u32::MAX));
    }
    Ok(places)
}

/// What is kept of one level, of all streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LevelSize {
    /// Chunks.
    pub chunks: u64,
    /// Ticks in them.
    pub ticks: u64,
    /// What their blocks take; on the disk it is a little more.
    pub bytes: u64,
}

/// How much of each level there is, from the finest on.
pub(in crate::store) fn level_sizes(history: &Database) -> Result<[LevelSize; 3], Fault> {
    let mut sizes = [LevelSize::default(); 3];
    for (size, level) in sizes.iter_mut().zip(Level::ALL) {
        for chunk in chunks(history, level)? {
            size.chunks += 1;
            size.ticks += chunk.header.times.len() as u64;
            size.bytes += chunk.header.block_bytes;
        }
    }
    Ok(sizes)
}

fn chunks(history: &Database, level: Level) -> Result<Vec<Found>, Fault> {
    history.read(|transaction| {
        let chunks = transaction.open_table(CHUNKS)?;
        let (from, to) = all_of(level);
        let mut found = Vec::new();
        for row in chunks.range(from..=to)? {
            let (key, header) = row?;
            let (_, stream, first) = key.value();
            let header = Header::decode(header.value())?;
            found.push(Found {
                stream,
                first,
                header,
            });
        }
        Ok(found)
    })
}

type ChunkKey = (u8, StreamId, i64);

fn all_of(level: Level) -> (ChunkKey, ChunkKey) {
    let number = level.number();
    ((number, 0, i64::MIN), (number, StreamId::MAX, i64::MAX))
}

fn drop_chunk(history: &Database, level: Level, chunk: &Found) -> Result<Dropped, Fault> {
    let (level, first, stream) = (level.number(), chunk.first, chunk.stream);
    history.write(|transaction| {
        let mut chunks = transaction.open_table(CHUNKS)?;
        chunks.remove((level, stream, first))?;
        drop_blocks(transaction, level, first, stream)
    })?;
    Ok(Dropped {
        chunks: 1,
        bytes: chunk.header.block_bytes,
    })
}

pub(super) fn drop_blocks(
    transaction: &WriteTransaction,
    level: u8,
    first: i64,
    stream: StreamId,
) -> Result<(), Fault> {
    let all = (level, first, stream, 0, 0)..=(level, first, stream, u8::MAX, u32::MAX);
    let mut blocks = transaction.open_table(BLOCKS)?;
    Ok(blocks.retain_in(all, |_, _| false)?)
}
