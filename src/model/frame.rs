//! One tick as a row of numbers, one column a series.

use super::TimestampMs;

/// One tick of one cluster in columns, placed by a
/// [`SeriesIndex`](super::SeriesIndex).
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// When the tick was taken.
    pub at: TimestampMs,
    cells: Vec<Cell>,
}

impl Frame {
    /// A frame with these cells, by column.
    pub fn new(at: TimestampMs, cells: Vec<Cell>) -> Self {
        Self { at, cells }
    }

    /// The cell in `column`. Series that came later than this frame are absent
    /// in it.
    pub fn cell(&self, column: u32) -> Cell {
        self.cells
            .get(column as usize)
            .copied()
            .unwrap_or(Cell::ABSENT)
    }

    /// The cell in `column`; absent where a series has no column.
    pub fn optional_cell(&self, column: Option<u32>) -> Cell {
        column.map_or(Cell::ABSENT, |column| self.cell(column))
    }

    /// All cells, by column.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

/// What one tick says of one series: a value, or one of three ways to have none.
///
/// Eight bytes, since a window holds millions of them: the three lowest
/// numbers of `i64`, which no offset and no count ever takes, stand for the
/// three ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell(i64);

impl Cell {
    /// Could not be read, or was not asked for.
    pub const ABSENT: Self = Self(i64::MIN);
    /// The group has committed nothing.
    pub const NO_COMMIT: Self = Self(i64::MIN + 1);
    /// It is known not to exist any more: topic deleted, or left by the group.
    pub const GONE: Self = Self(i64::MIN + 2);

    const LOWEST_VALUE: i64 = i64::MIN + 3;

    /// A cell that holds `value`; absent if `value` is one of the three
    /// reserved numbers, which no honest broker sends.
    pub fn of(value: i64) -> Self {
        if value >= Self::LOWEST_VALUE {
            Self(value)
        } else {
            Self::ABSENT
        }
    }

    /// A cell that holds thousandths of `number`, rounded, and the nearest that
    /// there is if it holds none so large; absent if it is no number.
    pub fn of_thousandths(number: f64) -> Self {
        if number.is_nan() {
            return Self::ABSENT;
        }
        Self(((number * 1000.0).round() as i64).max(Self::LOWEST_VALUE))
    }

    /// A sum of lags. With an unknown term it is unknown; what does not exist or
    /// has no commit adds nothing, and where there is nothing else the sum is none.
    pub fn plus(self, lag: Self) -> Self {
        match (self, lag) {
            (sum, Self::GONE) => sum,
            (Self::ABSENT, _) | (_, Self::ABSENT) => Self::ABSENT,
            (Self::GONE | Self::NO_COMMIT, lag) => lag,
            (sum, lag) => {
                let plus = sum.value().zip(lag.value());
                plus.map_or(sum, |(sum, lag)| Self::of(sum.saturating_add(lag)))
            }
        }
    }

    /// The value, if it holds one.
    pub fn value(self) -> Option<i64> {
        (self.0 >= Self::LOWEST_VALUE).then_some(self.0)
    }
}

impl From<Option<i64>> for Cell {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::ABSENT, Self::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_without_a_value_never_reads_as_a_number() {
        for cell in [Cell::ABSENT, Cell::NO_COMMIT, Cell::GONE] {
            assert_eq!(cell.value(), None);
        }
        assert_eq!(Cell::of(i64::MIN + 1), Cell::ABSENT);
        for value in [i64::MIN + 3, -1, 0, 1, i64::MAX] {
            assert_eq!(Cell::of(value).value(), Some(value));
        }
    }

    #[test]
    fn thousandths_are_rounded_and_end_at_the_largest_cell() {
        for (number, expected) in [
            (0.0, Some(0)),
            (1.0, Some(1_000)),
            (0.000_4, Some(0)),
            (2.345_678, Some(2_346)),
            (-0.5, Some(-500)),
            (1e300, Some(i64::MAX)),
            (f64::NEG_INFINITY, Some(i64::MIN + 3)),
            (f64::NAN, None),
        ] {
            assert_eq!(Cell::of_thousandths(number).value(), expected, "{number}");
        }
    }

    #[test]
    fn a_column_beyond_the_frame_is_absent() {
        let frame = Frame::new(TimestampMs(1), vec![Cell::of(7)]);
        assert_eq!(frame.cell(0).value(), Some(7));
        assert_eq!(frame.cell(1), Cell::ABSENT);
    }
}
