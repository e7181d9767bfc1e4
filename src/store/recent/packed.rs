//! One segment's ticks by column, packed to a few bits a cell.
//!
//! ```text
//! column
//! +-------------------------+---------------------+--------------+----------------------+
//! | holes: 1 bit, width: 7  | kinds: 2 bits a tick | first: varint| (n - 1) x width bits |
//! +-------------------------+---------------------+--------------+----------------------+
//!                             only if holes is set
//! ```
//! - `width` is how many bits each difference to the tick before takes, zigzag.
//!   Above 56 it is 64.
//! - `kinds` says of each tick whether it has a value (0), or is absent (1),
//!   without a commit (2) or gone (3). Where it has none, the value before goes on.
//!
//! It never reaches the disk, so it has no version.

use std::sync::Arc;

use crate::{
    model::{Cell, Frame},
    store::codec::varint::{put_varint, unzigzag, zigzag},
};

/// Columns from one entry of the directory to the next.
const STRIDE: usize = 32;
/// Columns that are turned at a time: 60 rows of them fit into the processor's
/// nearest cache.
const TILE: usize = 64;
/// The widest difference that one unaligned load of 64 bits always holds.
const WIDEST: u32 = 56;
/// What a load at the end may read beyond it.
const PADDING: usize = 8;

const HAS_HOLES: u8 = 0x80;
const KINDS: [Cell; 3] = [Cell::ABSENT, Cell::NO_COMMIT, Cell::GONE];

/// The ticks of one segment.
#[derive(Debug)]
pub(in crate::store) struct PackedSegment {
    /// When each tick was, in milliseconds.
    times: Vec<i64>,
    /// How many columns each tick had.
    widths: Vec<u32>,
    /// Where every [`STRIDE`]th column begins.
    directory: Vec<u32>,
    bytes: Vec<u8>,
}

impl PackedSegment {
    /// Of frames, oldest first, at least one.
    pub(in crate::store) fn of(frames: &[Arc<Frame>]) -> Self {
        let widths: Vec<u32> = frames
            .iter()
            .map(|frame| u32::try_from(frame.cells().len()).expect("the writer bounds a width"))
            .collect();
        let columns = widths.iter().copied().max().expect("a segment has ticks") as usize;
        let mut packed = Self {
            times: frames.iter().map(|frame| frame.at.0).collect(),
            widths,
            directory: Vec::with_capacity(columns / STRIDE + 1),
            bytes: Vec::new(),
        };
        let mut tile = vec![Cell::ABSENT; TILE * frames.len()];
        for start in (0..columns).step_by(TILE) {
            let count = TILE.min(columns - start);
            turn(frames, start, count, &mut tile);
            for (offset, column) in tile.chunks(frames.len()).take(count).enumerate() {
                if (start + offset).is_multiple_of(STRIDE) {
                    packed.directory.push(packed.position());
                }
                pack(column, &mut packed.bytes);
            }
        }
        packed.bytes.resize(packed.bytes.len() + PADDING, 0);
        packed.bytes.shrink_to_fit();
        packed
    }

    fn position(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("a segment of the widest ticks has 2 GB")
    }

    pub(in crate::store) fn times(&self) -> &[i64] {
        &self.times
    }

    pub(in crate::store) fn widths(&self) -> &[u32] {
        &self.widths
    }

    /// What it takes in memory.
    pub(in crate::store) fn size_bytes(&self) -> usize {
        self.bytes.len() + 4 * self.directory.len() + 12 * self.times.len()
    }

    /// Appends the column's cells, one a tick; absent where the segment does
    /// not have the column.
    pub(in crate::store) fn append(&self, column: u32, cells: &mut Vec<Cell>) {
        let column = column as usize;
        let Some(&start) = self.directory.get(column / STRIDE) else {
            cells.resize(cells.len() + self.times.len(), Cell::ABSENT);
            return;
        };
        let mut reader = Reader {
            bytes: &self.bytes,
            position: start as usize,
        };
        for _ in 0..column % STRIDE {
            // The last stride may be shorter: what follows it is padding.
            if reader.position + PADDING >= self.bytes.len() {
                break;
            }
            reader.skip(self.times.len());
        }
        if reader.position + PADDING >= self.bytes.len() {
            cells.resize(cells.len() + self.times.len(), Cell::ABSENT);
            return;
        }
        reader.unpack(self.times.len(), cells);
    }
}

/// Turns `count` columns of the frames from `start` on into `tile`, one after
/// the other.
fn turn(frames: &[Arc<Frame>], start: usize, count: usize, tile: &mut [Cell]) {
    for (tick, frame) in frames.iter().enumerate() {
        let cells = frame.cells().get(start..).unwrap_or_default();
        for offset in 0..count {
            tile[offset * frames.len() + tick] = cells.get(offset).copied().unwrap_or(Cell::ABSENT);
        }
    }
}

fn pack(column: &[Cell], bytes: &mut Vec<u8>) {
    let first = column.iter().find_map(|cell| cell.value());
    let (mut previous, mut all, mut has_holes) = (first.unwrap_or_default(), 0_u64, false);
    for cell in column {
        match cell.value() {
            Some(value) => {
                all |= zigzag(value.wrapping_sub(previous));
                previous = value;
            }
            None => has_holes = true,
        }
    }
    let width = match u64::BITS - all.leading_zeros() {
        width @ 0..=WIDEST => width,
        _ => u64::BITS,
    };
    bytes.push(width as u8 | if has_holes { HAS_HOLES } else { 0 });
    if has_holes {
        pack_kinds(column, bytes);
    }
    put_varint(bytes, zigzag(first.unwrap_or_default()));
    pack_differences(column, first.unwrap_or_default(), width, bytes);
}

fn pack_kinds(column: &[Cell], bytes: &mut Vec<u8>) {
    for four in column.chunks(4) {
        let kinds = four.iter().enumerate().map(|(place, cell)| {
            let kind = KINDS.iter().position(|kind| kind == cell);
            (kind.map_or(0, |kind| kind as u8 + 1)) << (2 * place)
        });
        bytes.push(kinds.fold(0, |byte, kind| byte | kind));
    }
}

fn pack_differences(column: &[Cell], first: i64, width: u32, bytes: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let (mut previous, mut pending, mut filled) = (first, 0_u128, 0);
    for cell in &column[1..] {
        let value = cell.value().unwrap_or(previous);
        pending |= u128::from(zigzag(value.wrapping_sub(previous))) << filled;
        previous = value;
        filled += width;
        while filled >= 8 {
            bytes.push(pending as u8);
            pending >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        bytes.push(pending as u8);
    }
}

/// Reads what [`pack`] wrote in this process; nothing else is ever given to it.
struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        let byte = self.bytes[self.position];
        self.position += 1;
        byte
    }

    fn varint(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return number;
            }
            shift += 7;
        }
    }

    fn load(&self, position: usize) -> u64 {
        let eight = &self.bytes[position..position + 8];
        u64::from_le_bytes(eight.try_into().expect("eight bytes"))
    }

    fn skip(&mut self, ticks: usize) {
        let head = self.byte();
        if head & HAS_HOLES != 0 {
            self.position += ticks.div_ceil(4);
        }
        self.varint();
        self.position += ((ticks - 1) * usize::from(head & !HAS_HOLES)).div_ceil(8);
    }

    fn unpack(&mut self, ticks: usize, cells: &mut Vec<Cell>) {
        let head = self.byte();
        let kinds = self.position;
        if head & HAS_HOLES != 0 {
            self.position += ticks.div_ceil(4);
        }
        let first = unzigzag(self.varint());
        let start = cells.len();
        self.unpack_values(first, u32::from(head & !HAS_HOLES), ticks, cells);
        if head & HAS_HOLES != 0 {
            for (tick, cell) in cells[start..].iter_mut().enumerate() {
                let kind = self.bytes[kinds + tick / 4] >> (2 * (tick % 4)) & 3;
                if kind > 0 {
                    *cell = KINDS[usize::from(kind) - 1];
                }
            }
        }
    }

    fn unpack_values(&self, first: i64, width: u32, ticks: usize, cells: &mut Vec<Cell>) {
        cells.push(Cell::of(first));
        if width == 0 {
            cells.resize(cells.len() + ticks - 1, Cell::of(first));
            return;
        }
        let mask = u64::MAX >> (u64::BITS - width);
        let mut value = first;
        for tick in 0..ticks - 1 {
            let bit = tick * width as usize;
            let word = self.load(self.position + bit / 8);
            value = value.wrapping_add(unzigzag(word >> (bit % 8) & mask));
            cells.push(Cell::of(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::model::TimestampMs;

    fn cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            20 => (0_i64..50).prop_map(Cell::of),
            2 => any::<i64>().prop_map(Cell::of),
            1 => Just(Cell::ABSENT),
            1 => Just(Cell::NO_COMMIT),
            1 => Just(Cell::GONE),
        ]
    }

    proptest! {
        #[test]
        fn every_cell_comes_back(
            rows in vec(vec(cell(), 0..150), 1..60),
            grows in any::<bool>(),
        ) {
            let mut rows = rows;
            if grows {
                rows.sort_by_key(Vec::len);
            }
            let frames: Vec<_> = (0..)
                .zip(&rows)
                .map(|(at, cells)| Arc::new(Frame::new(TimestampMs(at), cells.clone())))
                .collect();
            let packed = PackedSegment::of(&frames);
            prop_assert_eq!(packed.times().len(), frames.len());
            for column in 0..160 {
                let expected: Vec<_> = frames.iter().map(|frame| frame.cell(column)).collect();
                let mut found = Vec::new();
                packed.append(column, &mut found);
                prop_assert_eq!(found, expected, "column {}", column);
            }
        }
    }

    #[test]
    fn idle_columns_take_next_to_nothing() {
        let frame = |at| Frame::new(TimestampMs(at), vec![Cell::of(1_000_000); 1_000]);
        let frames: Vec<_> = (0..60).map(|at| Arc::new(frame(at))).collect();
        let bytes = PackedSegment::of(&frames).size_bytes();
        assert!(bytes < 6_000, "{bytes}");
    }
}
