//! What one would do without a codec: differences as varints, and zstd.
//!
//! They are spared the holes: a cell without a value counts as the one before.

use tidegauge::model::Cell;
use zstd::bulk::Compressor;

use crate::chunk::Chunk;

/// Columns that are compressed together: more than a reader of one series would
/// like, so that zstd learns from one what helps it with the next.
const COLUMNS_A_FRAME: usize = 256;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Baseline {
    /// Differences, and zstd's fastest level.
    DeltaZstd1,
    /// Differences of differences, and zstd's usual level.
    DeltaOfDeltaZstd3,
}

impl Baseline {
    pub(crate) const ALL: [Self; 2] = [Self::DeltaZstd1, Self::DeltaOfDeltaZstd3];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DeltaZstd1 => "delta_zstd1",
            Self::DeltaOfDeltaZstd3 => "dod_zstd3",
        }
    }

    pub(crate) fn bytes(self, chunk: &Chunk) -> usize {
        let level = match self {
            Self::DeltaZstd1 => 1,
            Self::DeltaOfDeltaZstd3 => 3,
        };
        let mut compressor = Compressor::new(level).expect("a level of zstd's");
        let frames = chunk.columns.chunks(COLUMNS_A_FRAME).map(|columns| {
            let mut raw = Vec::new();
            for column in columns {
                self.put(&column.cells, &mut raw);
            }
            compressor.compress(&raw).expect("zstd compresses").len()
        });
        frames.sum()
    }

    fn put(self, cells: &[Cell], raw: &mut Vec<u8>) {
        let (mut last, mut last_delta) = (0, 0);
        for cell in cells {
            let value = cell.value().unwrap_or(last);
            let delta = value.wrapping_sub(last);
            put_varint(raw, delta.wrapping_sub(last_delta));
            last = value;
            if matches!(self, Self::DeltaOfDeltaZstd3) {
                last_delta = delta;
            }
        }
    }
}

fn put_varint(raw: &mut Vec<u8>, number: i64) {
    let mut zigzag = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        raw.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    raw.push(zigzag as u8);
}
