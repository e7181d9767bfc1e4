//! Numbers of unknown size in whole bytes: LEB128, and zigzag for the sign.

use super::ColumnError;

/// 64 bits take ten groups of seven.
const MAX_BYTES: usize = 10;

#[inline]
pub(in crate::store) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

#[inline]
pub(in crate::store) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

pub(in crate::store) fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Bytes that [`put_varint`] takes for `number`.
pub(super) fn varint_bytes(number: u64) -> usize {
    let bits = u64::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// The varint at the front of `bytes`, which move on behind it.
pub(in crate::store) fn take_varint(bytes: &mut &[u8]) -> Result<u64, ColumnError> {
    let mut number = 0;
    for index in 0..MAX_BYTES {
        let byte = take_byte(bytes)?;
        let group = u64::from(byte & 0x7f);
        if index == MAX_BYTES - 1 && byte > 1 {
            break;
        }
        number |= group << (7 * index);
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(ColumnError::LongNumber)
}

/// [`take_varint`] for a number of cells: whatever is too much for the machine
/// is too much for a column.
pub(super) fn take_count(bytes: &mut &[u8]) -> Result<usize, ColumnError> {
    usize::try_from(take_varint(bytes)?).map_err(|_| ColumnError::TooManyCells)
}

pub(super) fn take_byte(bytes: &mut &[u8]) -> Result<u8, ColumnError> {
    let (&byte, rest) = bytes.split_first().ok_or(ColumnError::CutOff)?;
    *bytes = rest;
    Ok(byte)
}

pub(super) fn take_bytes<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], ColumnError> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(ColumnError::CutOff)?;
    *bytes = rest;
    Ok(taken)
}
