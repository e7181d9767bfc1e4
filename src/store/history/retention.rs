//! Deleting whole chunks, each in a transaction of its own.

use super::{
    header::Header,
    tables::{BLOCKS, CHUNKS, Level},
};
use crate::store::{database::Database, error::Fault, head::StreamId};

/// A chunk by its key, with what it covers and takes.
struct Found {
    stream: StreamId,
    first: i64,
    header: Header,
}

/// Deletes the chunks of `level` whose last tick is before `cutoff`; how many
/// and how large they were.
pub(in crate::store) fn drop_chunks_before(
    history: &Database,
    level: Level,
    cutoff: i64,
) -> Result<(u64, u64), Fault> {
    let mut dropped = (0, 0);
    for chunk in chunks(history, level)? {
        if chunk.header.last() < cutoff {
            drop_chunk(history, level, &chunk)?;
            dropped = (dropped.0 + 1, dropped.1 + chunk.header.block_bytes);
        }
    }
    Ok(dropped)
}

/// Deletes the oldest chunks of `level` until `excess_bytes` are gone or there
/// are no more; how many and how large they were.
pub(in crate::store) fn drop_oldest(
    history: &Database,
    level: Level,
    excess_bytes: u64,
) -> Result<(u64, u64), Fault> {
    let mut all = chunks(history, level)?;
    all.sort_by_key(|chunk| chunk.first);
    let mut dropped = (0, 0);
    for chunk in all {
        if dropped.1 >= excess_bytes {
            break;
        }
        drop_chunk(history, level, &chunk)?;
        dropped = (dropped.0 + 1, dropped.1 + chunk.header.block_bytes);
    }
    Ok(dropped)
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
        let number = level.number();
        let mut found = Vec::new();
        for row in chunks.range((number, 0, i64::MIN)..=(number, StreamId::MAX, i64::MAX))? {
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

fn drop_chunk(history: &Database, level: Level, chunk: &Found) -> Result<(), Fault> {
    let (level, first, stream) = (level.number(), chunk.first, chunk.stream);
    history.write(|transaction| {
        transaction
            .open_table(CHUNKS)?
            .remove((level, stream, first))?;
        let all = (level, first, stream, 0, 0)..=(level, first, stream, u8::MAX, u32::MAX);
        transaction
            .open_table(BLOCKS)?
            .retain_in(all, |_, _| false)?;
        Ok(())
    })
}
