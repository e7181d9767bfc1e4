//! What KEDA was told, on its way into frames.
//!
//! In these frames what is not known any more, be it that KEDA was told an error
//! or that the process was started anew, is a cell that is gone, and one that is
//! absent was never told: rollups pass over absent cells as over readings that
//! failed, and would tell an old value on.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::model::{Cell, Frame, SeriesIndex, TimestampMs, ToldChange};

/// Answers of different watches within this time share a frame, which bears
/// the time of the newest: KEDA asks for a value and for activity one after the
/// other, and a thousand watches would make a thousand frames each round. What
/// a watch is told twice has two frames, however soon.
const SHARED_FRAME: Duration = Duration::from_secs(1);

/// Cells of frames that wait for a tick, 32 MiB. More come only while the disk
/// fails; then the oldest go, and the newest still say what is in force.
const MAX_QUEUED_CELLS: usize = 4 << 20;

/// The newest of all that was told, and the frames that are not recorded yet.
#[derive(Debug, Default)]
pub(super) struct ToldFrames {
    cells: Vec<Cell>,
    /// Time of the newest frame, queued or recorded.
    newest: Option<TimestampMs>,
    queued: VecDeque<Arc<Frame>>,
}

/// A frame that may take in more.
struct OpenFrame {
    began: TimestampMs,
    at: TimestampMs,
    columns: BTreeSet<u32>,
}

impl ToldFrames {
    /// None yet; the newest frame on disk is of `newest`.
    pub(super) fn after(newest: Option<TimestampMs>) -> Self {
        Self {
            newest,
            ..Self::default()
        }
    }

    /// Takes in what was told, oldest first; `index` has all of its watches.
    pub(super) fn take_in(&mut self, changes: &[ToldChange], index: &SeriesIndex) {
        let mut open: Option<OpenFrame> = None;
        for change in changes {
            let changed = self.changed(change, index);
            if changed.is_empty() {
                continue;
            }
            let mut frame = match open.take() {
                Some(frame) if frame.takes(change.at, &changed) => frame,
                other => {
                    self.queue(other);
                    OpenFrame::new(change.at)
                }
            };
            frame.at = frame.at.max(change.at);
            self.cells.resize(index.width() as usize, Cell::ABSENT);
            for (column, cell) in changed {
                self.cells[column as usize] = cell;
                frame.columns.insert(column);
            }
            open = Some(frame);
        }
        self.queue(open);
    }

    /// Nothing was told since `at`, when the process started: what was in force
    /// before is unknown from then on.
    pub(super) fn forget(&mut self, at: TimestampMs, index: &SeriesIndex) {
        if index.width() > 0 {
            self.cells = vec![Cell::GONE; index.width() as usize];
            self.queue(Some(OpenFrame::new(at)));
        }
    }

    pub(super) fn queued(&mut self) -> &[Arc<Frame>] {
        self.queued.make_contiguous()
    }

    pub(super) fn clear_queue(&mut self) {
        self.queued.clear();
    }

    fn changed(&self, change: &ToldChange, index: &SeriesIndex) -> Vec<(u32, Cell)> {
        let series = index.watches().get(&change.watch);
        let cells = series
            .into_iter()
            .flat_map(|series| series.place(change.told));
        let known_or_gone = cells.map(|(column, cell)| match cell.value() {
            Some(_) => (column, cell),
            None => (column, Cell::GONE),
        });
        known_or_gone
            .filter(|(column, cell)| cell.value() != self.cell(*column).value())
            .collect()
    }

    fn cell(&self, column: u32) -> Cell {
        let cell = self.cells.get(column as usize).copied();
        cell.unwrap_or(Cell::ABSENT)
    }

    fn queue(&mut self, frame: Option<OpenFrame>) {
        let Some(at) = frame.and_then(|frame| self.time_of(&frame)) else {
            return;
        };
        self.newest = Some(at);
        self.queued
            .push_back(Arc::new(Frame::new(at, self.cells.clone())));
        while self.queued.len() > 1 && self.queued_cells() > MAX_QUEUED_CELLS {
            self.queued.pop_front();
        }
    }

    /// Times strictly increase, so two frames of one millisecond stand one
    /// after the other. `None` if the clock was put back: what was told then
    /// stands in the first frame after the clock has passed the newest.
    fn time_of(&self, frame: &OpenFrame) -> Option<TimestampMs> {
        match self.newest {
            Some(newest) if frame.at <= newest => (newest.since(frame.at) <= SHARED_FRAME)
                .then(|| newest.plus(Duration::from_millis(1))),
            _ => Some(frame.at),
        }
    }

    fn queued_cells(&self) -> usize {
        self.queued.iter().map(|frame| frame.cells().len()).sum()
    }
}

impl OpenFrame {
    fn new(at: TimestampMs) -> Self {
        Self {
            began: at,
            at,
            columns: BTreeSet::new(),
        }
    }

    fn takes(&self, at: TimestampMs, changed: &[(u32, Cell)]) -> bool {
        let is_told_again = |(column, _): &(u32, Cell)| self.columns.contains(column);
        at.since(self.began) < SHARED_FRAME && !changed.iter().any(is_told_again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Told, WatchName};

    fn watch(key: &str) -> Arc<WatchName> {
        Arc::new(WatchName {
            cluster: "c".into(),
            group: None,
            topic: None,
            metric_name: "m".into(),
            key: key.into(),
        })
    }

    fn change(at: i64, key: &str, value: i64) -> ToldChange {
        ToldChange {
            at: TimestampMs(at),
            watch: watch(key),
            told: Told {
                metric_value: Cell::of(value),
                ..Told::NOTHING
            },
        }
    }

    fn index() -> SeriesIndex {
        let mut index = SeriesIndex::default();
        for run in index.missing_runs_of([&watch("a"), &watch("b")]) {
            index.restore(&run).expect("a run just made fits");
        }
        index
    }

    /// By frame: its time, and the values of `a` and `b`.
    fn rows(told: &mut ToldFrames, index: &SeriesIndex) -> Vec<(i64, [Option<i64>; 2])> {
        let rows = told.queued().iter().map(|frame| {
            let value = |key| {
                index.watches()[&watch(key)]
                    .told(frame)
                    .metric_value
                    .value()
            };
            (frame.at.0, ["a", "b"].map(value))
        });
        rows.collect()
    }

    #[test]
    fn answers_of_one_round_share_a_frame_and_none_is_lost() {
        let index = index();
        let mut told = ToldFrames::default();
        let changes = [
            change(10, "a", 1),
            change(900, "b", 2),
            change(950, "b", 3),
            change(2_000, "a", 1),
            change(2_500, "b", 4),
        ];
        told.take_in(&changes, &index);
        let expected = [
            (900, [Some(1), Some(2)]),
            (950, [Some(1), Some(3)]),
            (2_500, [Some(1), Some(4)]),
        ];
        assert_eq!(rows(&mut told, &index), expected);
    }

    #[test]
    fn times_strictly_increase_whatever_the_clock_does() {
        let index = index();
        let mut told = ToldFrames::after(Some(TimestampMs(10_000)));
        told.take_in(&[change(10_000, "a", 1)], &index);
        told.take_in(&[change(5_000, "a", 2)], &index);
        assert_eq!(rows(&mut told, &index), [(10_001, [Some(1), None])]);
        told.clear_queue();
        told.take_in(&[change(20_000, "b", 3)], &index);
        assert_eq!(rows(&mut told, &index), [(20_000, [Some(2), Some(3)])]);
    }

    #[test]
    fn after_a_start_nothing_is_in_force() {
        let index = index();
        let mut told = ToldFrames::after(Some(TimestampMs(1)));
        told.forget(TimestampMs(5), &index);
        told.take_in(&[change(7, "b", 3)], &index);
        let expected = [(5, [None, None]), (7, [None, Some(3)])];
        assert_eq!(rows(&mut told, &index), expected);

        let mut nothing = ToldFrames::default();
        nothing.forget(TimestampMs(5), &SeriesIndex::default());
        assert_eq!(nothing.queued().len(), 0, "there was nothing to forget");
    }

    #[test]
    fn while_the_disk_fails_the_newest_frames_are_kept() {
        let mut told = ToldFrames {
            cells: vec![Cell::ABSENT; MAX_QUEUED_CELLS / 2],
            ..ToldFrames::default()
        };
        for at in 1..=4 {
            told.queue(Some(OpenFrame::new(TimestampMs(at))));
        }
        let times: Vec<_> = told.queued().iter().map(|frame| frame.at.0).collect();
        assert_eq!(times, [3, 4]);
    }
}
