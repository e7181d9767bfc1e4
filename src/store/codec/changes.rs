//! A signal that hardly ever changes, as the list of its changes.

use super::{
    ColumnError,
    varint::{put_varint, take_count, take_varint, unzigzag, varint_bytes, zigzag},
};

/// The changes of `signal`: how long after the one before, or the beginning,
/// and by how much.
fn changes(signal: &[i64]) -> impl Iterator<Item = (u64, u64)> {
    let mut before = 0;
    let steps = signal.windows(2).zip(1..);
    steps
        .filter(|(step, _)| step[0] != step[1])
        .map(move |(step, at)| {
            let distance = at - before;
            before = at;
            (distance, zigzag(step[1].wrapping_sub(step[0])))
        })
}

pub(super) fn count(signal: &[i64]) -> usize {
    let steps = signal.iter().zip(&signal[1..]);
    steps.filter(|(one, other)| one != other).count()
}

/// What [`put`] takes.
pub(super) fn size(signal: &[i64]) -> usize {
    let (mut count, mut bytes) = (0, 0);
    for (distance, step) in changes(signal) {
        count += 1;
        bytes += varint_bytes(distance) + varint_bytes(step);
    }
    varint_bytes(count) + bytes
}

pub(super) fn put(signal: &[i64], out: &mut Vec<u8>) {
    put_varint(out, count(signal) as u64);
    for (distance, step) in changes(signal) {
        put_varint(out, distance);
        put_varint(out, step);
    }
}

/// Fills `signal` up to `length` from the one value that it holds.
pub(super) fn take(
    bytes: &mut &[u8],
    length: usize,
    signal: &mut Vec<i64>,
) -> Result<(), ColumnError> {
    let mut value = signal[0];
    for _ in 0..take_count(bytes)? {
        let distance = take_count(bytes)?;
        let step = take_varint(bytes)?;
        if distance == 0 || distance > length - signal.len() {
            return Err(ColumnError::TooManyCells);
        }
        signal.resize(signal.len() + distance - 1, value);
        value = value.wrapping_add(unzigzag(step));
        signal.push(value);
    }
    signal.resize(length, value);
    Ok(())
}

pub(super) fn skip(bytes: &mut &[u8]) -> Result<(), ColumnError> {
    for _ in 0..take_count(bytes)? {
        take_varint(bytes)?;
        take_varint(bytes)?;
    }
    Ok(())
}
