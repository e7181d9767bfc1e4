//! From ticks to the ticks of a coarser level.
//!
//! A coarse tick stands for a **bucket**: the ticks of one minute or hour of
//! UTC. It has the time of the bucket's last tick, so that a reader passes from
//! one level to another without seeing a tick twice; each series' newest
//! reading in the bucket; and of lags the first, the least and the most.

use std::ops::Range;

use crate::model::Cell;

/// Which ticks are in which bucket; buckets without a tick are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Buckets(Vec<Range<usize>>);

impl Buckets {
    /// Of ticks at `times`, ascending.
    pub(in crate::store) fn of(times: &[i64], resolution_ms: i64) -> Self {
        let mut buckets: Vec<Range<usize>> = Vec::new();
        let mut open = None;
        for (tick, at) in times.iter().enumerate() {
            let bucket = Some(at.div_euclid(resolution_ms));
            match buckets.last_mut().filter(|_| bucket == open) {
                Some(ticks) => ticks.end = tick + 1,
                None => buckets.push(tick..tick + 1),
            }
            open = bucket;
        }
        Self(buckets)
    }

    /// Of each bucket's ticks, what the last one has.
    pub(in crate::store) fn last_of<T: Copy>(&self, by_tick: &[T]) -> Vec<T> {
        let last = |ticks: &Range<usize>| by_tick[ticks.end - 1];
        self.0.iter().map(last).collect()
    }

    /// The newest reading of each bucket.
    pub(in crate::store) fn newest(&self, cells: &[Cell], newest: &mut Vec<Cell>) {
        newest.clear();
        newest.extend(self.slices(cells).map(newest_reading));
    }

    /// Of each bucket the first, the least and the most, from lags of which
    /// the same is known. Where there is no lag, the newest of what there is.
    pub(in crate::store) fn extremes<'a>(
        &self,
        of: Extremes<&'a [Cell]>,
        into: &mut Extremes<Vec<Cell>>,
    ) {
        into.first.clear();
        into.min.clear();
        into.max.clear();
        for ticks in &self.0 {
            let none = newest_reading(&of.first[ticks.clone()]);
            let values = |cells: &'a [Cell]| cells[ticks.clone()].iter().copied();
            let first = values(of.first).find_map(Cell::value);
            let min = values(of.min).filter_map(Cell::value).min();
            let max = values(of.max).filter_map(Cell::value).max();
            into.first.push(first.map_or(none, Cell::of));
            into.min.push(min.map_or(none, Cell::of));
            into.max.push(max.map_or(none, Cell::of));
        }
    }

    fn slices<'a>(&'a self, cells: &'a [Cell]) -> impl Iterator<Item = &'a [Cell]> + 'a {
        self.0.iter().map(|ticks| &cells[ticks.clone()])
    }
}

fn newest_reading(cells: &[Cell]) -> Cell {
    let read = cells.iter().rev().find(|cell| **cell != Cell::ABSENT);
    read.copied().unwrap_or(Cell::ABSENT)
}

/// Three columns of lags.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Extremes<C> {
    pub(in crate::store) first: C,
    pub(in crate::store) min: C,
    pub(in crate::store) max: C,
}

impl Extremes<Vec<Cell>> {
    /// Of ticks as they came, each of which is all three.
    pub(in crate::store) fn fill(&mut self, lags: &[Cell]) {
        for cells in [&mut self.first, &mut self.min, &mut self.max] {
            cells.clear();
            cells.extend_from_slice(lags);
        }
    }

    pub(in crate::store) fn as_slices(&self) -> Extremes<&[Cell]> {
        Extremes {
            first: &self.first,
            min: &self.min,
            max: &self.max,
        }
    }
}

/// A group's lag in a whole topic, tick by tick.
#[derive(Debug, Default)]
pub(in crate::store) struct Total {
    cells: Vec<Cell>,
}

impl Total {
    /// Nothing yet, over so many ticks.
    pub(in crate::store) fn begin(&mut self, ticks: usize) {
        self.cells.clear();
        self.cells.resize(ticks, Cell::GONE);
    }

    /// Adds one partition's lags, all unknown if there are none, in the ticks
    /// that were wide enough to have its `column`. A sum with an unknown term is
    /// unknown. A partition without a commit adds nothing, and where there are
    /// no others the sum is none.
    pub(in crate::store) fn add(&mut self, lags: Option<&[Cell]>, column: u32, widths: &[u32]) {
        for (tick, sum) in self.cells.iter_mut().enumerate() {
            if column >= widths[tick] {
                continue;
            }
            *sum = sum.plus(lags.map_or(Cell::ABSENT, |lags| lags[tick]));
        }
    }

    pub(in crate::store) fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn buckets_are_of_utc_and_have_ticks() {
        let times = [-1, 0, 30_000, 59_999, 60_000, 300_000];
        let buckets = Buckets::of(&times, 60_000);
        assert_eq!(buckets.0, [0..1, 1..4, 4..5, 5..6]);
        assert_eq!(buckets.last_of(&times), [-1, 59_999, 60_000, 300_000]);
    }

    fn cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            4 => (0_i64..100).prop_map(Cell::of),
            1 => Just(Cell::ABSENT),
            1 => Just(Cell::NO_COMMIT),
            1 => Just(Cell::GONE),
        ]
    }

    proptest! {
        #[test]
        fn an_hour_of_minutes_is_an_hour_of_ticks(
            ticks in vec((1_i64..200_000, cell()), 1..200),
        ) {
            let mut now = 0;
            let times: Vec<_> = ticks.iter().map(|(after, _)| { now += after; now }).collect();
            let lags: Vec<_> = ticks.iter().map(|(_, lag)| *lag).collect();
            let roll = |times: &[i64], resolution, of: &Extremes<Vec<Cell>>| {
                let buckets = Buckets::of(times, resolution);
                let mut into = Extremes::default();
                buckets.extremes(of.as_slices(), &mut into);
                (buckets.last_of(times), into)
            };
            let mut by_tick = Extremes::default();
            by_tick.fill(&lags);
            let (minutes, by_minute) = roll(&times, 60_000, &by_tick);
            let (_, direct) = roll(&times, 3_600_000, &by_tick);
            let (_, by_hour) = roll(&minutes, 3_600_000, &by_minute);
            prop_assert_eq!(direct.first, by_hour.first);
            prop_assert_eq!(direct.min, by_hour.min);
            prop_assert_eq!(direct.max, by_hour.max);
        }
    }

    #[test]
    fn a_total_with_an_unknown_term_is_unknown() {
        let mut total = Total::default();
        total.begin(7);
        let [one, two] = [1, 2].map(Cell::of);
        let (absent, none, gone) = (Cell::ABSENT, Cell::NO_COMMIT, Cell::GONE);
        let widths = [2, 2, 2, 2, 1, 2, 2];
        let first = [one, one, none, gone, one, none, one];
        total.add(Some(&first), 0, &widths);
        let second = [two, absent, two, gone, absent, none, none];
        total.add(Some(&second), 1, &widths);
        let expected = [Cell::of(3), absent, two, gone, one, none, one];
        assert_eq!(total.cells(), expected);
    }
}
