//! From bytes to cells.

use super::{
    ColumnError, MAX_TICKS,
    bits::BitReader,
    changes, holes,
    lag::carried,
    predicted::{self, Aspect},
    residuals,
    signal::Signal,
    tag::{Body, Tag},
    varint::{take_byte, take_bytes, take_count, take_varint, unzigzag},
};
use crate::model::Cell;

/// Reads columns. It keeps its buffers from one to the next.
#[derive(Debug, Default)]
pub struct Decoder {
    holes: Vec<holes::Run>,
    residuals: Vec<u64>,
    signal: Signal,
    /// Of the reference, where the column has values.
    ends: Vec<i64>,
}

impl Decoder {
    /// A decoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one column off the front of `bytes`; writes exactly `ticks` cells
    /// into `out`, cleared first. After an error, what is in either is of no use.
    ///
    /// `reference` is what the column was encoded with. It may be `None` where
    /// [`needs_reference`](super::needs_reference) says no.
    ///
    /// # Panics
    ///
    /// If `ticks` is 0 or more than [`MAX_TICKS`], or not the length of
    /// `reference`.
    pub fn decode(
        &mut self,
        bytes: &mut &[u8],
        ticks: usize,
        reference: Option<&[Cell]>,
        out: &mut Vec<Cell>,
    ) -> Result<(), ColumnError> {
        assert!(
            (1..=MAX_TICKS).contains(&ticks),
            "a chunk has ticks, and at most {MAX_TICKS}"
        );
        out.clear();
        let tag = Tag::from_byte(take_byte(bytes)?)?;
        let outside = self.take_holes(tag, bytes, ticks)?;
        if let Body::Nothing(rest) = tag.body {
            holes::fill(&self.holes, ticks, std::iter::repeat(rest), out);
            return Ok(());
        }
        self.take_signal(tag, bytes, outside)?;
        if tag.is_lag {
            let reference = reference.ok_or(ColumnError::NoReference)?;
            assert_eq!(reference.len(), ticks, "a reference has the same ticks");
            self.subtract_from(reference);
        }
        self.put_cells(ticks, out)
    }

    /// Gives how many cells are in no hole.
    fn take_holes(
        &mut self,
        tag: Tag,
        bytes: &mut &[u8],
        ticks: usize,
    ) -> Result<usize, ColumnError> {
        if tag.has_holes {
            return holes::take(bytes, ticks, &mut self.holes);
        }
        self.holes.clear();
        Ok(ticks)
    }

    fn take_signal(
        &mut self,
        tag: Tag,
        bytes: &mut &[u8],
        length: usize,
    ) -> Result<(), ColumnError> {
        if length == 0 {
            return Err(ColumnError::NoValue);
        }
        let signal = &mut self.signal;
        signal.first = unzigzag(take_varint(bytes)?);
        signal.step = match tag.has_step {
            true => take_varint(bytes)?,
            false => 1,
        };
        match tag.body {
            Body::Nothing(_) | Body::Constant => signal.set_constant(length),
            Body::Changes => changes::take(bytes, length, &mut signal.moves)?,
            Body::Residuals(pace) => {
                take_residuals(bytes, length, &mut self.residuals)?;
                let aspect = Aspect::of(tag.is_lag);
                predicted::restore(&self.residuals, aspect, pace, &mut signal.moves);
            }
        }
        signal.finish();
        Ok(())
    }
    /// Makes lags the values that they are of.
    fn subtract_from(&mut self, reference: &[Cell]) {
        self.ends.clear();
        holes::pick_outside(&self.holes, carried(reference), &mut self.ends);
        for (number, end) in self.signal.moves.iter_mut().zip(&self.ends) {
            *number = end.wrapping_sub(*number);
        }
    }

    fn put_cells(&self, ticks: usize, out: &mut Vec<Cell>) -> Result<(), ColumnError> {
        let cells = self.signal.moves.iter().map(|number| Cell::of(*number));
        if cells.clone().any(|cell| cell.value().is_none()) {
            return Err(ColumnError::NoSuchValue);
        }
        holes::fill(&self.holes, ticks, cells, out);
        Ok(())
    }
}

/// Takes the residuals of all moves of `length` but the first.
fn take_residuals(
    bytes: &mut &[u8],
    length: usize,
    residuals: &mut Vec<u64>,
) -> Result<(), ColumnError> {
    let body_bytes = take_count(bytes)?;
    let mut bits = BitReader::new(take_bytes(bytes, body_bytes)?);
    residuals::take(&mut bits, length - 1, residuals);
    match bits.is_at_end() {
        true => Ok(()),
        false => Err(ColumnError::WrongLength),
    }
}
