//! Decodes all that is in a chunk.

use redb::ReadTransaction;

use super::{
    block::OpenBlock,
    chunk::ChunkReader,
    header::Header,
    tables::{BLOCKS, BlockKey, CHUNKS, Level, Plane},
};
use crate::store::{error::Fault, head::StreamId};

/// The first tick of each chunk of one level of a stream.
pub(in crate::store) fn chunk_keys(
    history: &ReadTransaction,
    level: Level,
    stream: StreamId,
) -> Result<Vec<i64>, Fault> {
    let number = level.number();
    let chunks = history.open_table(CHUNKS)?;
    let range = chunks.range((number, stream, i64::MIN)..=(number, stream, i64::MAX))?;
    range.map(|row| Ok(row?.0.value().2)).collect()
}

/// Decodes each column of a chunk, and tells `note` how its header, each of its
/// blocks and their number went. An error that `note` gives back ends it.
pub(in crate::store) fn verify_chunk(
    history: &ReadTransaction,
    level: Level,
    stream: StreamId,
    first: i64,
    mut note: impl FnMut(Result<(), Fault>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let chunks = history.open_table(CHUNKS)?;
    let Some(header) = chunks.get((level.number(), stream, first))? else {
        return Ok(());
    };
    let header = match Header::decode(header.value()) {
        Ok(header) => header,
        Err(fault) => return note(Err(fault)),
    };
    let blocks = history.open_table(BLOCKS)?;
    let mut chunk = ChunkReader::new(&blocks, level, first, stream, header.times.len());
    let number = level.number();
    let all = (number, first, stream, 0, 0)..=(number, first, stream, u8::MAX, u32::MAX);
    let mut bytes = 0;
    for row in blocks.range(all)? {
        let (key, block) = row?;
        bytes += block.value().len() as u64;
        note(decode_block(
            &mut chunk,
            key.value(),
            block.value().to_vec(),
        ))?;
    }
    if bytes != header.block_bytes {
        let reason = format!("{bytes} bytes, and it was {}", header.block_bytes);
        note(Err(Fault::damaged("blocks of a chunk", reason)))?;
    }
    Ok(())
}

fn decode_block(
    chunk: &mut ChunkReader<'_>,
    (_, _, _, plane, first): BlockKey,
    bytes: Vec<u8>,
) -> Result<(), Fault> {
    let plane = Plane::ALL
        .into_iter()
        .find(|known| known.number() == plane)
        .ok_or_else(|| Fault::damaged("block of a chunk", format!("unknown plane {plane}")))?;
    let block = OpenBlock::open(first, bytes)?;
    let mut cells = Vec::new();
    for column in block.columns() {
        chunk.column(plane, column, &mut cells).map_err(|fault| {
            let place = format!("column {column} of plane {plane:?}");
            match fault {
                Fault::Damaged { reason, .. } => Fault::damaged(place, reason),
                database => database,
            }
        })?;
    }
    Ok(())
}
