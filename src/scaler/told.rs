//! What was told of a watch, until the recorder takes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{Cell, TimestampMs, Told, ToldChange, WatchName};

/// Changes of one watch that wait for the recorder, which comes with each tick;
/// an answer changes about once a tick. Beyond these the newest takes the place
/// of the one before, so that what is in force is always right.
const MAX_WAITING: usize = 32;

/// What was told of one watch.
#[derive(Debug)]
pub(super) struct ToldLog {
    watch: Arc<WatchName>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    told: Told,
    waiting: Vec<(TimestampMs, Told)>,
}

impl ToldLog {
    /// Nothing was told yet.
    pub(super) fn of(watch: WatchName) -> Self {
        Self {
            watch: Arc::new(watch),
            state: Mutex::new(State {
                told: Told::NOTHING,
                waiting: Vec::new(),
            }),
        }
    }

    /// KEDA is told the metric's value; `None`: that it is not known.
    pub(super) fn metric_value(&self, at: TimestampMs, value: Option<f64>) {
        self.note(at, |told| {
            told.metric_value = value.map_or(Cell::ABSENT, Cell::of_thousandths);
        });
    }

    /// KEDA is told the target.
    pub(super) fn target(&self, at: TimestampMs, target: f64) {
        self.note(at, |told| told.target = Cell::of_thousandths(target));
    }

    /// KEDA is told whether there is anything to do; `None`: that it is not
    /// known.
    pub(super) fn active(&self, at: TimestampMs, active: Option<bool>) {
        self.note(at, |told| {
            told.active = active.map_or(Cell::ABSENT, |active| Cell::of(active.into()));
        });
    }

    /// Nobody asks any more.
    pub(super) fn gone(&self, at: TimestampMs) {
        self.note(at, |told| {
            if *told != Told::NOTHING {
                *told = Told::GONE;
            }
        });
    }

    /// Moves what waits to `changes`.
    pub(super) fn take(&self, changes: &mut Vec<ToldChange>) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        changes.extend(waiting.into_iter().map(|(at, told)| ToldChange {
            at,
            watch: Arc::clone(&self.watch),
            told,
        }));
    }

    fn note(&self, at: TimestampMs, part: impl FnOnce(&mut Told)) {
        let mut state = self.lock();
        let mut told = state.told;
        part(&mut told);
        if told == state.told {
            return;
        }
        state.told = told;
        if state.waiting.len() == MAX_WAITING {
            state.waiting.pop();
        }
        state.waiting.push((at, told));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A plain copy can't be left half changed by a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trigger::testing::*, *};

    fn log() -> ToldLog {
        let trigger = parse(&[("consumerGroup", "g")], &rules(&["main"])).expect("valid");
        ToldLog::of(trigger.watch_names().remove(0))
    }

    fn taken(log: &ToldLog) -> Vec<(i64, [Option<i64>; 3])> {
        let mut changes = Vec::new();
        log.take(&mut changes);
        let cells = |told: Told| [told.metric_value, told.target, told.active].map(Cell::value);
        let rows = changes
            .iter()
            .map(|change| (change.at.0, cells(change.told)));
        rows.collect()
    }

    #[test]
    fn only_what_changes_waits_for_the_recorder() {
        let log = log();
        log.active(TimestampMs(1), None);
        log.gone(TimestampMs(1));
        assert_eq!(taken(&log), [], "nothing was told");
        log.metric_value(TimestampMs(2), Some(1.5));
        log.metric_value(TimestampMs(3), Some(1.5));
        log.target(TimestampMs(4), 10.0);
        log.active(TimestampMs(5), Some(true));
        let expected = [
            (2, [Some(1_500), None, None]),
            (4, [Some(1_500), Some(10_000), None]),
            (5, [Some(1_500), Some(10_000), Some(1)]),
        ];
        assert_eq!(taken(&log), expected);
        assert_eq!(taken(&log), []);

        log.metric_value(TimestampMs(6), None);
        assert_eq!(taken(&log), [(6, [None, Some(10_000), Some(1)])]);
        log.gone(TimestampMs(7));
        assert_eq!(taken(&log), [(7, [None; 3])]);
    }

    #[test]
    fn without_a_recorder_the_newest_is_kept() {
        let log = log();
        for at in 0..100 {
            log.metric_value(TimestampMs(at), Some(at as f64));
        }
        let taken = taken(&log);
        assert_eq!(taken.len(), MAX_WAITING);
        assert_eq!(taken[0].0, 0);
        assert_eq!(
            taken[MAX_WAITING - 1],
            (99, [Some(99_000), None, None]),
            "what is in force"
        );
    }
}
