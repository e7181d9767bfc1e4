//! The first byte of a column: what the others are.

use super::{ColumnError, holes};
use crate::model::Cell;

const IS_LAG: u8 = 1 << 2;
const HAS_HOLES: u8 = 1 << 3;
const HAS_STEP: u8 = 1 << 4;
const DETAIL_SHIFT: u32 = 5;

/// What is behind the holes of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// Nothing: each cell that is not listed is this hole.
    Nothing(Cell),
    /// The first number of the signal, which never changes.
    Constant,
    /// The first number, and a list of changes.
    Changes,
    /// The first number, and residuals.
    Residuals(Pace),
}

/// How quickly predictions follow what comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// For rates that stay much the same under their noise.
    Slow,
    /// For what rises and falls.
    Quick,
    /// For bursts: nothing is to be learned, zero is predicted.
    Still,
}

impl Pace {
    /// Each number counts for one in two to the power of this.
    pub(super) fn shift(self) -> u32 {
        match self {
            Self::Slow => 4,
            Self::Quick => 1,
            Self::Still => 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) body: Body,
    /// The signal is how far the values are behind the reference, else it is
    /// the values.
    pub(super) is_lag: bool,
    pub(super) has_holes: bool,
    /// The signal moves by multiples of a step, else by any number.
    pub(super) has_step: bool,
}

impl Tag {
    pub(super) fn to_byte(self) -> u8 {
        let (body, detail) = match self.body {
            Body::Nothing(hole) => (0, holes::number_of(hole).expect("no value is a hole")),
            Body::Constant => (1, 0),
            Body::Changes => (2, 0),
            Body::Residuals(Pace::Slow) => (3, 0),
            Body::Residuals(Pace::Quick) => (3, 1),
            Body::Residuals(Pace::Still) => (3, 2),
        };
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let flags = flag(self.is_lag, IS_LAG)
            | flag(self.has_holes, HAS_HOLES)
            | flag(self.has_step, HAS_STEP);
        body | flags | detail << DETAIL_SHIFT
    }

    pub(super) fn from_byte(byte: u8) -> Result<Self, ColumnError> {
        let unknown = ColumnError::UnknownTag(byte);
        let is_lag = byte & IS_LAG != 0;
        let has_step = byte & HAS_STEP != 0;
        let body = match (byte & 3, byte >> DETAIL_SHIFT) {
            (0, number) if !is_lag && !has_step => {
                Body::Nothing(holes::hole_of(number).ok_or(unknown)?)
            }
            (1, 0) if !has_step => Body::Constant,
            (2, 0) => Body::Changes,
            (3, 0) => Body::Residuals(Pace::Slow),
            (3, 1) => Body::Residuals(Pace::Quick),
            (3, 2) => Body::Residuals(Pace::Still),
            _ => return Err(unknown),
        };
        Ok(Self {
            body,
            is_lag,
            has_holes: byte & HAS_HOLES != 0,
            has_step,
        })
    }
}
