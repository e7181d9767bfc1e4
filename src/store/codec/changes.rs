//! Moves that hardly ever change, as the list of their changes.

use super::{
    ColumnError,
    varint::{put_varint, take_count, take_varint, unzigzag, varint_bytes, zigzag},
};

/// The changes of `moves`: how long after the one before, or the beginning,
/// and by how much.
fn changes(moves: &[i64]) -> impl Iterator<Item = (u64, u64)> {
    let mut before = 0;
    let pairs = moves.windows(2).zip(1..);
    pairs
        .filter(|(pair, _)| pair[0] != pair[1])
        .map(move |(pair, at)| {
            let distance = at - before;
            before = at;
            (distance, zigzag(pair[1].wrapping_sub(pair[0])))
        })
}

pub(super) fn count(moves: &[i64]) -> usize {
    let pairs = moves.iter().zip(&moves[1..]);
    pairs.filter(|(one, other)| one != other).count()
}

/// What [`put`] takes.
pub(super) fn size(moves: &[i64]) -> usize {
    let (mut count, mut bytes) = (0, 0);
    for (distance, by) in changes(moves) {
        count += 1;
        bytes += varint_bytes(distance) + varint_bytes(by);
    }
    varint_bytes(count) + bytes
}

pub(super) fn put(moves: &[i64], out: &mut Vec<u8>) {
    put_varint(out, count(moves) as u64);
    for (distance, by) in changes(moves) {
        put_varint(out, distance);
        put_varint(out, by);
    }
}

/// Makes `length` moves, of which the first is 0; clears `moves` first.
pub(super) fn take(
    bytes: &mut &[u8],
    length: usize,
    moves: &mut Vec<i64>,
) -> Result<(), ColumnError> {
    moves.clear();
    let mut last = 0_i64;
    for _ in 0..take_count(bytes)? {
        let distance = take_count(bytes)?;
        let by = take_varint(bytes)?;
        let before = moves.len().max(1);
        if distance == 0 || distance > length - before {
            return Err(ColumnError::TooManyCells);
        }
        moves.resize(before + distance - 1, last);
        last = last.wrapping_add(unzigzag(by));
        moves.push(last);
    }
    moves.resize(length, last);
    Ok(())
}

pub(super) fn skip(bytes: &mut &[u8]) -> Result<(), ColumnError> {
    for _ in 0..take_count(bytes)? {
        take_varint(bytes)?;
        take_varint(bytes)?;
    }
    Ok(())
}
