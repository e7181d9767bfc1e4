//! One tick as bytes: its columns as deltas to the tick before, compressed.
//!
//! ```text
//! +------------+------------------+-----------------------------------------+
//! | format: u8 | raw length: u32  | one zstd frame, level 1, with checksum  |
//! +------------+------------------+-----------------------------------------+
//!                                             | raw
//!                  +--------------+-----------+--+--------+- - -+--------+
//!                  | position: u8 | op: varint   | op     |     | op     |
//!                  +--------------+--------------+--------+- - -+--------+
//!                                   column 0       1              n - 1
//! ```
//! - `format` is [`FORMAT`]; `raw length` is little-endian and must be exact.
//! - `position` is the tick's place in its segment. 0 is a keyframe: its deltas
//!   are to a row in which each column is absent and has last held the value 0.
//!   Any other must follow its predecessor, so that a delta is never added to a
//!   row that it wasn't made from.
//! - An op for each column, LEB128: 0 as in the row before, 1 absent, 2 no
//!   commit, 3 gone, else 4 + zigzag(value - value that the column held last),
//!   wrapping in 64 bits; the sum takes up to 65.
//! - The row before is cut or filled up (absent, 0) to the number of ops.

use std::io;

use zstd::{
    bulk::{Compressor, Decompressor},
    zstd_safe::CParameter,
};

use super::SEGMENT_TICKS;
use crate::{
    model::Cell,
    store::codec::varint::{unzigzag, zigzag},
};

const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 5;
/// zstd's fastest: the deltas are mostly zeros, and a tick comes each 10 s.
const LEVEL: i32 = 1;

/// Columns that a row may have: forty times the series that Tidegauge is built
/// for. It bounds what a damaged blob can make a reader allocate.
pub(in crate::store) const MAX_COLUMNS: usize = 1 << 22;

/// 65 bits take ten groups of seven.
const MAX_OP_BYTES: usize = 10;
const MAX_RAW_BYTES: usize = 1 + MAX_COLUMNS * MAX_OP_BYTES;

const UNCHANGED: u128 = 0;
const ABSENT: u128 = 1;
const NO_COMMIT: u128 = 2;
const GONE: u128 = 3;
const FIRST_DELTA: u128 = 4;

/// Why bytes are not a tick.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::store) enum BlobError {
    #[error("its header is cut off")]
    NoHeader,
    #[error("unknown format {0}")]
    UnknownFormat(u8),
    #[error("it claims {0} bytes, and none has more than {MAX_RAW_BYTES}")]
    TooLong(usize),
    #[error("it does not decompress ({0})")]
    Compression(String),
    #[error("it has {found} bytes where {claimed} were claimed")]
    WrongLength { found: usize, claimed: usize },
    #[error("it is number {found} of its segment, and {expected} was next")]
    OutOfPlace { found: u8, expected: u8 },
    #[error("it ends within a column")]
    CutOff,
    #[error("column {0} holds what no series can")]
    BadOp(usize),
    #[error("it has more than {MAX_COLUMNS} columns")]
    TooWide,
}

/// What each column held last, which both sides carry from tick to tick.
#[derive(Debug, Clone, Default, PartialEq)]
struct Row {
    cells: Vec<Cell>,
    values: Vec<i64>,
}

impl Row {
    fn clear(&mut self) {
        self.cells.clear();
        self.values.clear();
    }

    fn resize(&mut self, columns: usize) {
        self.cells.resize(columns, Cell::ABSENT);
        self.values.resize(columns, 0);
    }

    /// The op that leads from this row to `cell` in `column`; takes it in.
    fn advance(&mut self, column: usize, cell: Cell) -> u128 {
        if self.cells[column] == cell {
            return UNCHANGED;
        }
        self.cells[column] = cell;
        match cell {
            Cell::ABSENT => ABSENT,
            Cell::NO_COMMIT => NO_COMMIT,
            Cell::GONE => GONE,
            _ => {
                let value = cell.value().expect("a cell of no other kind holds a value");
                let delta = value.wrapping_sub(self.values[column]);
                self.values[column] = value;
                FIRST_DELTA + u128::from(zigzag(delta))
            }
        }
    }

    /// Takes in what `op` says of `column`; `None` if it says nothing sensible.
    fn apply(&mut self, column: usize, op: u128) -> Option<()> {
        self.cells[column] = match op {
            UNCHANGED => return Some(()),
            ABSENT => Cell::ABSENT,
            NO_COMMIT => Cell::NO_COMMIT,
            GONE => Cell::GONE,
            _ => {
                let delta = unzigzag(u64::try_from(op - FIRST_DELTA).ok()?);
                let value = self.values[column].wrapping_add(delta);
                self.values[column] = value;
                let cell = Cell::of(value);
                cell.value()?;
                cell
            }
        };
        Some(())
    }
}

/// A tick's bytes.
#[derive(Debug)]
pub(in crate::store) struct Blob {
    pub(in crate::store) is_keyframe: bool,
    pub(in crate::store) bytes: Vec<u8>,
}

/// Turns one stream's rows into blobs.
pub(in crate::store) struct Encoder {
    compressor: Compressor<'static>,
    row: Row,
    /// The next tick's place in its segment.
    position: u8,
    raw: Vec<u8>,
}

impl Encoder {
    pub(in crate::store) fn new() -> Self {
        Self {
            compressor: compressor().expect("zstd takes its own parameters"),
            row: Row::default(),
            position: 0,
            raw: Vec::new(),
        }
    }

    /// The next row's blob. `cells` has at most [`MAX_COLUMNS`].
    pub(in crate::store) fn encode(&mut self, cells: &[Cell]) -> Blob {
        assert!(
            cells.len() <= MAX_COLUMNS,
            "the writer bounds a row's width"
        );
        let is_keyframe = self.position == 0;
        self.encode_raw(cells);
        self.position = (self.position + 1) % SEGMENT_TICKS;
        Blob {
            is_keyframe,
            bytes: self.compress(),
        }
    }

    /// Makes the next blob a keyframe, since the one before was not kept.
    pub(in crate::store) fn restart(&mut self) {
        self.position = 0;
    }

    fn encode_raw(&mut self, cells: &[Cell]) {
        if self.position == 0 {
            self.row.clear();
        }
        self.row.resize(cells.len());
        self.raw.clear();
        self.raw.push(self.position);
        for (column, cell) in cells.iter().enumerate() {
            put_varint(&mut self.raw, self.row.advance(column, *cell));
        }
    }

    fn compress(&mut self) -> Vec<u8> {
        let raw_length = u32::try_from(self.raw.len()).expect("the width bounds a blob's length");
        let frame = self
            .compressor
            .compress(&self.raw)
            .expect("zstd compresses into a buffer of the size that it asks for");
        let mut bytes = Vec::with_capacity(HEADER_BYTES + frame.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(&raw_length.to_le_bytes());
        bytes.extend_from_slice(&frame);
        bytes
    }
}

fn compressor() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

/// Turns one stream's blobs back into rows.
pub(in crate::store) struct Decoder {
    decompressor: Decompressor<'static>,
    row: Row,
    /// The place in its segment that the next tick must have, unless it is a
    /// keyframe.
    position: u8,
}

impl Decoder {
    pub(in crate::store) fn new() -> Self {
        Self {
            decompressor: Decompressor::new().expect("zstd takes no parameters here"),
            row: Row::default(),
            position: 0,
        }
    }

    /// The next row. After an error only a keyframe is taken.
    pub(in crate::store) fn decode(&mut self, bytes: &[u8]) -> Result<Vec<Cell>, BlobError> {
        let expected = std::mem::take(&mut self.position);
        let raw = self.decompress(bytes)?;
        let (&position, ops) = raw.split_first().ok_or(BlobError::CutOff)?;
        match position {
            0 => self.row.clear(),
            _ if position == expected => {}
            found => return Err(BlobError::OutOfPlace { found, expected }),
        }
        self.apply_all(ops)?;
        self.position = (position + 1) % SEGMENT_TICKS;
        Ok(self.row.cells.clone())
    }

    fn decompress(&mut self, bytes: &[u8]) -> Result<Vec<u8>, BlobError> {
        let (header, frame) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(BlobError::NoHeader)?;
        let [format, length @ ..] = *header;
        if format != FORMAT {
            return Err(BlobError::UnknownFormat(format));
        }
        let claimed = u32::from_le_bytes(length) as usize;
        if claimed > MAX_RAW_BYTES {
            return Err(BlobError::TooLong(claimed));
        }
        let raw = self
            .decompressor
            .decompress(frame, claimed)
            .map_err(|error| BlobError::Compression(error.to_string()))?;
        if raw.len() != claimed {
            let found = raw.len();
            return Err(BlobError::WrongLength { found, claimed });
        }
        Ok(raw)
    }

    fn apply_all(&mut self, mut ops: &[u8]) -> Result<(), BlobError> {
        // Each op ends with the only of its bytes that has no high bit.
        let columns = ops.iter().filter(|&&byte| byte < 0x80).count();
        if columns > MAX_COLUMNS {
            return Err(BlobError::TooWide);
        }
        self.row.resize(columns);
        for column in 0..columns {
            let op = take_varint(&mut ops).ok_or(BlobError::BadOp(column))?;
            self.row.apply(column, op).ok_or(BlobError::BadOp(column))?;
        }
        if ops.is_empty() {
            Ok(())
        } else {
            Err(BlobError::CutOff)
        }
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The varint at the beginning of `bytes`, which move on behind it. `None` if
/// it doesn't end, or not within [`MAX_OP_BYTES`].
fn take_varint(bytes: &mut &[u8]) -> Option<u128> {
    let mut number = 0;
    for (index, &byte) in bytes.iter().take(MAX_OP_BYTES).enumerate() {
        number |= u128::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests;
