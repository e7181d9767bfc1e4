//! From bytes to cells.

use super::{
    ColumnError, MAX_TICKS,
    bits::BitReader,
    changes, holes,
    lag::carried,
    predicted::{self, Aspect},
    residuals,
    tag::{Body, Tag},
    varint::{take_byte, take_bytes, take_count, take_varint, unzigzag},
};
use crate::model::Cell;

/// Reads columns. It keeps its buffers from one to the next.
#[derive(Debug, Default)]
pub struct Decoder {
    holes: Vec<holes::Run>,
    residuals: Vec<u64>,
    signal: Vec<i64>,
    reference: Vec<i64>,
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
        self.signal.clear();
        let first = unzigzag(take_varint(bytes)?);
        self.signal.push(first);
        match tag.body {
            Body::Nothing(_) | Body::Constant => self.signal.resize(length, first),
            Body::Changes => changes::take(bytes, length, &mut self.signal)?,
            Body::Residuals(pace) => {
                self.take_residuals(bytes, length)?;
                let aspect = Aspect::of(tag.is_lag);
                predicted::restore(&self.residuals, aspect, pace, &mut self.signal);
            }
        }
        Ok(())
    }

    fn take_residuals(&mut self, bytes: &mut &[u8], length: usize) -> Result<(), ColumnError> {
        let body_bytes = take_count(bytes)?;
        let mut bits = BitReader::new(take_bytes(bytes, body_bytes)?);
        residuals::take(&mut bits, length - 1, &mut self.residuals);
        match bits.is_at_end() {
            true => Ok(()),
            false => Err(ColumnError::WrongLength),
        }
    }

    /// Makes lags the values that they are of.
    fn subtract_from(&mut self, reference: &[Cell]) {
        self.reference.clear();
        holes::pick_outside(&self.holes, carried(reference), &mut self.reference);
        for (number, end) in self.signal.iter_mut().zip(&self.reference) {
            *number = end.wrapping_sub(*number);
        }
    }

    fn put_cells(&self, ticks: usize, out: &mut Vec<Cell>) -> Result<(), ColumnError> {
        let cells = self.signal.iter().map(|number| Cell::of(*number));
        if cells.clone().any(|cell| cell.value().is_none()) {
            return Err(ColumnError::NoSuchValue);
        }
        holes::fill(&self.holes, ticks, cells, out);
        Ok(())
    }
}
