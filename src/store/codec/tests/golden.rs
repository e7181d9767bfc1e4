//! Bytes on disk stay what they are.

use super::*;

#[track_caller]
fn assert_golden(cells: &[Cell], reference: Option<&[Cell]>, bytes: &[u8]) {
    assert_eq!(encode(cells, reference), bytes);
    let read = decode(bytes, cells.len(), reference);
    assert_eq!(read.as_deref(), Ok(cells));
}

fn repeated(parts: &[(Cell, usize)]) -> Vec<Cell> {
    let parts = parts.iter().flat_map(|(cell, times)| vec![*cell; *times]);
    parts.collect()
}

#[test]
fn columns_without_a_value() {
    assert_golden(&[Cell::ABSENT; 5], None, &[0x00]);
    assert_golden(&[Cell::NO_COMMIT; 5], None, &[0x20]);
    assert_golden(&[Cell::GONE; 5], None, &[0x40]);
    let left = repeated(&[
        (Cell::NO_COMMIT, 3),
        (Cell::GONE, 4),
        (Cell::NO_COMMIT, 1),
        (Cell::ABSENT, 2),
    ]);
    assert_golden(&left, None, &[0x28, 2, 3, 11, 1, 3]);
}

#[test]
fn constant_columns() {
    assert_golden(&cells([300; 9]), None, &[0x01, 0xd8, 0x04]);
    assert_golden(&cells([-1; 9]), None, &[0x01, 1]);
    let holed = repeated(&[(Cell::of(2), 2), (Cell::ABSENT, 3), (Cell::of(2), 4)]);
    assert_golden(&holed, None, &[0x09, 1, 2, 6, 4]);
    let ends = cells([4_000_000, 4_000_100, 4_000_300]);
    let commits = cells([3_999_990, 4_000_090, 4_000_290]);
    assert_golden(&commits, Some(&ends), &[0x05, 20]);
}

#[test]
fn columns_of_changes() {
    let moved = repeated(&[(Cell::of(7), 40), (Cell::of(1007), 50), (Cell::of(0), 10)]);
    assert_golden(&moved, None, &[0x02, 14, 2, 40, 0xd0, 0x0f, 50, 0xdd, 0x0f]);
    let ends = cells(growing(100, 1000));
    let commits: Vec<_> = ends
        .iter()
        .zip(&moved)
        .map(|(end, lag)| {
            let lag = lag.value().expect("a lag");
            Cell::of(end.value().expect("an end") - lag)
        })
        .collect();
    assert_golden(
        &commits,
        Some(&ends),
        &[0x06, 14, 2, 40, 0xd0, 0x0f, 50, 0xdd, 0x0f],
    );
}

/// Steps of a partition that is written to now and then, and once very much.
const STEPS: [i64; 24] = [
    3, 5, 4, 4, 6, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1_000_000, 0, 0, 4, 9, 3, 3, 5, 4,
];

fn stepped() -> Vec<Cell> {
    let mut end = 100;
    cells(STEPS.map(|step| {
        end += step;
        end
    }))
}

#[test]
fn columns_of_residuals() {
    assert_golden(
        &stepped(),
        None,
        &[
            0x23, 0xce, 0x01, 0x0f, 0xc2, 0x94, 0xa6, 0xda, 0x82, 0x18, 0xff, 0x4f, 0x01, 0x12,
            0x3a, 0x74, 0xff, 0x94, 0x08,
        ],
    );
    assert_golden(
        &cells(growing(24, 40)),
        None,
        &[
            0x03, 0xa2, 0xa4, 0xe8, 0x03, 0x13, 0xc5, 0x09, 0xab, 0x20, 0x13, 0xad, 0x88, 0xce,
            0xf2, 0x06, 0xd6, 0x6d, 0x34, 0x61, 0x75, 0xe5, 0xee, 0xd2, 0x0d,
        ],
    );
}

#[test]
fn columns_of_bursts() {
    let bursts = [0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 8, 0, 0, 3, 0];
    let mut end = 40;
    let ends = cells(bursts.map(|burst| {
        end += burst;
        end
    }));
    assert_golden(
        &ends,
        None,
        &[
            0x43, 0x50, 0x08, 0x01, 0xe4, 0xff, 0x87, 0xfa, 0x5f, 0x5c, 0x00,
        ],
    );
}

#[test]
fn columns_that_move_by_a_step() {
    let batches = [0, 1, 1, 2, 0, 0, 3, 1, 0, 1, 2, 2];
    let mut end = 40;
    let ends = cells(batches.map(|batch| {
        end += 501 * batch;
        end
    }));
    assert_golden(
        &ends,
        None,
        &[0x13, 0x50, 0xf5, 0x03, 0x05, 0x02, 0x49, 0x1d, 0x24, 0x01],
    );
    let once = repeated(&[(Cell::of(40), 60), (Cell::of(541), 2)]);
    assert_golden(&once, None, &[0x12, 0x50, 0xf5, 0x03, 0x01, 0x3c, 0x02]);
}

#[test]
fn columns_of_residuals_of_lag() {
    let mut ends = stepped();
    let commits = ends.iter().zip((0..).map(|tick| tick * 5 % 7));
    let commits = commits.map(|(end, lag)| Cell::of(end.value().expect("an end") - lag));
    let mut commits: Vec<_> = commits.collect();
    assert_golden(
        &commits,
        Some(&ends),
        &[
            0x07, 0x00, 0x0c, 0xc2, 0x84, 0x1f, 0xaa, 0x02, 0x3d, 0xd4, 0x06, 0x7a, 0xa8, 0x0d,
            0x00,
        ],
    );
    ends[5] = Cell::GONE;
    commits[6] = Cell::NO_COMMIT;
    assert_golden(
        &commits,
        Some(&ends),
        &[
            0x0f, 0x01, 0x06, 0x01, 0x00, 0x0b, 0xc2, 0x84, 0x1f, 0x55, 0xc2, 0x0f, 0x55, 0x81,
            0x1e, 0x6a, 0x03,
        ],
    );
}
