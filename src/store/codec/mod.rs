//! Columns of a chunk as bytes: what one series said at each of up to
//! [`MAX_TICKS`] ticks, as an [`Encoder`] writes it and a [`Decoder`] reads it.
//!
//! ```text
//! +---------+- - - - -+- - - - - - - - -+- - - - - - - - +- - - - - - - - - - +
//! | tag: u8 | holes   | first: varint   | step: varint   | changes, residuals |
//! +---------+- - - - -+- - - - - - - - -+- - - - - - - - +- - - - - - - - - - +
//!
//! holes     +---------------+-----------------+--------------+- - -
//!           | runs: varint  | between: varint | hole: varint | between ...
//!           +---------------+-----------------+--------------+- - -
//!
//! changes   +---------------+------------------+--------------+- - -
//!           | count: varint | distance: varint | by: varint   | distance ...
//!           +---------------+------------------+--------------+- - -
//!
//! residuals +---------------+--------------+- - - - - - -+- - - -+
//!           | bytes: varint | rice: 6 bits | codes       | zeros |
//!           +---------------+--------------+- - - - - - -+- - - -+
//! ```
//! - `tag`, from its lowest bit: 2 bits for the body (0 nothing, 1 constant,
//!   2 changes, 3 residuals), 1 that is set if the signal is lag, 1 if there
//!   are `holes`, 1 if there is a `step`, 3 of detail. A tag that says anything
//!   else is an error, so that what is added later is never misread.
//! - Varints are LEB128. `first` and `by` are zigzag.
//! - `holes`: cells since the run before, then 3 * (length - 1) + kind, which is
//!   0 absent, 1 no commit, 2 gone. What follows is about the other cells only.
//! - The **signal** is the cells' values or, if it is lag, the reference's value
//!   less the cell's. Where the reference has none, it is taken to have the one
//!   before, at first 0.
//! - Each number of the signal is `first` + `step` * its **move**; `step` is 1
//!   if it isn't there, the first move 0. All arithmetic wraps in 64 bits.
//! - Body *nothing*: no cell holds a value, nothing follows `holes`, and all
//!   cells in no hole are of the kind in the detail.
//! - Body *constant*: all moves are 0. Nothing follows `first`.
//! - Body *changes*: cells since the change before, at first since the first
//!   cell, and the difference of the moves.
//! - Body *residuals*: each move but the first is predicted, and the error,
//!   zigzag, is in `codes` (see `residuals.rs`). Of values the growth of moves
//!   is predicted, of lag the moves (see `predictor.rs`). The detail is the
//!   pace: 0 slow, 1 quick, 2 still (see `tag.rs`). `rice`, where the Rice
//!   parameter begins, is among the `bytes`.
//!
//! Nothing here says how many cells there are, or which version of this layout
//! it is: the block that holds the column does. Any change of the layout, of
//! the predictor or of how codes adapt needs another version there.
//!
//! Its key invariant: any bytes make cells or an error, in no more memory than
//! the ticks asked for take, and no number ever comes out as a hole.

mod bits;
mod changes;
mod decoder;
mod encoder;
mod error;
mod holes;
mod lag;
mod predicted;
mod predictor;
mod residuals;
mod signal;
mod tag;
pub(in crate::store) mod varint;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use error::ColumnError;

use tag::{Body, Tag};
use varint::{take_byte, take_bytes, take_count, take_varint};

/// Ticks of the longest column: it bounds what damaged bytes can make a reader
/// allocate, and is eleven times a chunk of 2 h at 10 s.
pub const MAX_TICKS: usize = 8192;

/// Does the column at the front of `bytes` need its reference to be decoded?
pub fn needs_reference(bytes: &[u8]) -> Result<bool, ColumnError> {
    let (&tag, _) = bytes.split_first().ok_or(ColumnError::CutOff)?;
    Ok(Tag::from_byte(tag)?.is_lag)
}

/// Moves `bytes` behind the column at their front, which is not decoded.
pub fn skip(bytes: &mut &[u8]) -> Result<(), ColumnError> {
    let tag = Tag::from_byte(take_byte(bytes)?)?;
    if tag.has_holes {
        holes::skip(bytes)?;
    }
    if !matches!(tag.body, Body::Nothing(_)) {
        take_varint(bytes)?;
    }
    if tag.has_step {
        take_varint(bytes)?;
    }
    match tag.body {
        Body::Nothing(_) | Body::Constant => Ok(()),
        Body::Changes => changes::skip(bytes),
        Body::Residuals(_) => {
            let length = take_count(bytes)?;
            take_bytes(bytes, length).map(drop)
        }
    }
}

#[cfg(test)]
mod tests;
