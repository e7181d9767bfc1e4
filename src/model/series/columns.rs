//! Where the partitions of one thing stand.

use crate::model::{Cell, Partition};

/// Where the partitions of one thing stand in a frame: usually one run, one
/// more for each time that partitions were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// `(base, count)`; the runs' partitions follow each other from 0.
    pub(super) runs: Vec<(u32, u32)>,
}

impl Columns {
    /// How many partitions have a column.
    pub fn len(&self) -> u32 {
        self.runs.iter().map(|(_, count)| count).sum()
    }

    /// No partition has a column.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Columns in the order of their partitions, from 0.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.runs
            .iter()
            .flat_map(|&(base, count)| base..base + count)
    }

    /// The column of `partition`.
    pub fn of(&self, partition: Partition) -> Option<u32> {
        self.run_from(partition).map(|(column, _)| column)
    }

    /// The column of `partition`, and how many partitions from it on have
    /// theirs side by side.
    pub fn run_from(&self, partition: Partition) -> Option<(u32, u32)> {
        let mut left = u32::try_from(partition).ok()?;
        for &(base, count) in &self.runs {
            if left < count {
                return Some((base + left, count - left));
            }
            left -= count;
        }
        None
    }

    /// Puts the cells of `values`, partition by partition, into their columns, and
    /// `beyond` into those of partitions that have none.
    pub(super) fn place<T>(
        &self,
        values: &[T],
        cell: impl Fn(&T) -> Cell,
        beyond: Cell,
        cells: &mut [Cell],
    ) {
        let mut values = values.iter();
        for &(base, count) in &self.runs {
            for place in &mut cells[base as usize..(base + count) as usize] {
                *place = values.next().map_or(beyond, &cell);
            }
        }
    }

    /// The column of what has no partitions.
    pub fn single(&self) -> Option<u32> {
        self.of(0)
    }
}
