//! Where a column has no value, as runs.

use super::{
    ColumnError,
    varint::{put_varint, take_count, take_varint},
};
use crate::model::Cell;

/// The kinds of hole; a kind's place is its number in the bytes.
const KINDS: [Cell; 3] = [Cell::ABSENT, Cell::NO_COMMIT, Cell::GONE];

/// A hole's number in the bytes; `None` for a value.
pub(super) fn number_of(hole: Cell) -> Option<u8> {
    let number = KINDS.iter().position(|kind| *kind == hole)?;
    Some(number as u8)
}

/// The hole with this number in the bytes.
pub(super) fn hole_of(number: u8) -> Option<Cell> {
    KINDS.get(usize::from(number)).copied()
}

/// Cells in a row that are the same hole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// Cells between the run before, or the beginning, and this one.
    between: usize,
    kind: u8,
    length: usize,
}

/// Lists the holes of `cells` other than `rest`. Clears `runs` first.
pub(super) fn find(cells: &[Cell], rest: Option<Cell>, runs: &mut Vec<Run>) {
    runs.clear();
    let (mut begin, mut end_before) = (0, 0);
    for same in cells.chunk_by(|one, other| one == other) {
        let number = number_of(same[0]).filter(|_| Some(same[0]) != rest);
        if let Some(kind) = number {
            runs.push(Run {
                between: begin - end_before,
                kind,
                length: same.len(),
            });
            end_before = begin + same.len();
        }
        begin += same.len();
    }
}

pub(super) fn put(runs: &[Run], out: &mut Vec<u8>) {
    put_varint(out, runs.len() as u64);
    for run in runs {
        put_varint(out, run.between as u64);
        put_varint(out, 3 * (run.length as u64 - 1) + u64::from(run.kind));
    }
}

/// Takes the runs of a column of `ticks` cells; clears `runs` first. Gives how
/// many cells are in none.
pub(super) fn take(
    bytes: &mut &[u8],
    ticks: usize,
    runs: &mut Vec<Run>,
) -> Result<usize, ColumnError> {
    runs.clear();
    let (mut left, mut outside) = (ticks, ticks);
    for _ in 0..take_count(bytes)? {
        let run = take_run(bytes)?;
        let after = left.checked_sub(run.between);
        let after = after.and_then(|left| left.checked_sub(run.length));
        left = after.ok_or(ColumnError::TooManyCells)?;
        outside -= run.length;
        runs.push(run);
    }
    Ok(outside)
}

fn take_run(bytes: &mut &[u8]) -> Result<Run, ColumnError> {
    let between = take_count(bytes)?;
    let hole = take_count(bytes)?;
    Ok(Run {
        between,
        kind: (hole % 3) as u8,
        length: hole / 3 + 1,
    })
}

pub(super) fn skip(bytes: &mut &[u8]) -> Result<(), ColumnError> {
    for _ in 0..take_count(bytes)? {
        take_varint(bytes)?;
        take_varint(bytes)?;
    }
    Ok(())
}

/// Appends `ticks` cells to `out`: the holes, and the cells of `others` in turn
/// in what is left.
pub(super) fn fill(
    runs: &[Run],
    ticks: usize,
    mut others: impl Iterator<Item = Cell>,
    out: &mut Vec<Cell>,
) {
    for run in runs {
        out.extend(others.by_ref().take(run.between));
        let hole = KINDS[usize::from(run.kind)];
        out.resize(out.len() + run.length, hole);
    }
    let left = ticks - out.len();
    out.extend(others.take(left));
}

/// Appends those of a column's `numbers` that are in none of the runs.
pub(super) fn pick_outside(
    runs: &[Run],
    mut numbers: impl Iterator<Item = i64>,
    out: &mut Vec<i64>,
) {
    for run in runs {
        out.extend(numbers.by_ref().take(run.between));
        numbers.nth(run.length - 1);
    }
    out.extend(numbers);
}
