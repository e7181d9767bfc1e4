//! How sealing and retention go.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing::{error, info, warn};

use crate::{
    model::TimestampMs,
    store::{LevelSize, Retained},
};

/// So long after it has happened it is still told that history had to go: a
/// folder that stays full loses some each few hours.
const CROWDED_OUT_FOR: Duration = Duration::from_hours(24);

/// How sealing and retention go; read by health and metrics. What goes wrong is
/// logged when it begins and when it ends.
#[derive(Debug, Default)]
pub struct StoreStatus(Mutex<StoreState>);

/// One moment's status.
#[derive(Debug, Clone, Default)]
pub struct StoreState {
    /// Why ticks can't be sealed; `None`: they can.
    pub sealing_failure: Option<String>,
    /// How old the oldest tick was that was due and not sealed, when sealing
    /// last came to its end; `None`: there was none.
    pub unsealed: Option<Duration>,
    /// Why what is too old stays; `None`: it goes.
    pub retention_failure: Option<String>,
    /// When history was last cut to its limits.
    pub retained_at: Option<TimestampMs>,
    /// What that left of each level.
    pub levels: [LevelSize; 3],
    /// Chunks that were too old, by level, since the start.
    pub expired_chunks: [u64; 3],
    /// Chunks that had to go because the folder was full, by level, since the
    /// start.
    pub crowded_out_chunks: [u64; 3],
    /// When one of them last had to.
    pub crowded_out_at: Option<TimestampMs>,
    /// So much more than the limit is in use, and may not be deleted.
    pub excess_bytes: u64,
    /// Compactions since the start.
    pub compactions: u64,
}

impl StoreState {
    /// Is the folder so full that history had to go lately?
    pub fn is_crowded(&self, now: TimestampMs) -> bool {
        let is_recent = |at| now.since(at) < CROWDED_OUT_FOR;
        self.crowded_out_at.is_some_and(is_recent)
    }
}

impl StoreStatus {
    /// As it is now.
    pub fn state(&self) -> StoreState {
        self.lock().clone()
    }

    /// Takes in how far sealing is behind, or why it failed.
    pub(super) fn note_sealed(&self, unsealed: Result<Option<Duration>, String>) {
        let mut state = self.lock();
        let was_well = state.sealing_failure.is_none();
        match unsealed {
            Ok(unsealed) => {
                if !was_well {
                    info!("history is sealed again");
                }
                state.sealing_failure = None;
                state.unsealed = unsealed;
            }
            Err(cause) => {
                if was_well {
                    error!(
                        cause,
                        "history is not sealed; it is tried again each minute"
                    );
                }
                state.sealing_failure = Some(cause);
            }
        }
    }

    /// Takes in what a retention run did as of `now`, or why it failed.
    pub(super) fn note_retained(&self, now: TimestampMs, outcome: Result<Retained, String>) {
        let mut state = self.lock();
        let was_well = state.retention_failure.is_none();
        match outcome {
            Ok(retained) => {
                if !was_well {
                    info!("history that is too old goes again");
                }
                state.retention_failure = None;
                state.take(now, &retained);
            }
            Err(cause) => {
                if was_well {
                    error!(cause, "history that is too old stays; it is tried again");
                }
                state.retention_failure = Some(cause);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, StoreState> {
        // Each change is whole before the lock is let go.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoreState {
    fn take(&mut self, now: TimestampMs, retained: &Retained) {
        if retained.crowded_out_chunks != [0; 3] {
            let [raw, minutes, hours] = retained.crowded_out_chunks;
            if !self.is_crowded(now) {
                warn!(
                    raw,
                    minutes, hours, "the oldest history had to go: store.max_size_mib is reached"
                );
            }
            self.crowded_out_at = Some(now);
        }
        match (self.excess_bytes, retained.excess_bytes) {
            (0, 1..) => warn!(
                excess_bytes = retained.excess_bytes,
                "store.max_size_mib is too little for one day of history, which stays"
            ),
            (1.., 0) => info!("history takes no more than store.max_size_mib again"),
            _ => {}
        }
        if retained.has_deleted() || retained.is_compacted {
            info!(?retained, "history cut to its limits");
        }
        self.retained_at = Some(now);
        self.levels = retained.left;
        self.excess_bytes = retained.excess_bytes;
        self.compactions += u64::from(retained.is_compacted);
        add(&mut self.expired_chunks, retained.expired_chunks);
        add(&mut self.crowded_out_chunks, retained.crowded_out_chunks);
    }
}

fn add(sums: &mut [u64; 3], more: [u64; 3]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn failures_last_until_it_goes_well() {
        let status = StoreStatus::default();
        status.note_sealed(Err("full".to_owned()));
        status.note_retained(TimestampMs(0), Err("gone".to_owned()));
        let state = status.state();
        assert_eq!(state.sealing_failure.as_deref(), Some("full"));
        assert_eq!(state.retention_failure.as_deref(), Some("gone"));
        assert_eq!(state.retained_at, None);

        status.note_sealed(Ok(Some(HOUR)));
        status.note_retained(TimestampMs(9), Ok(Retained::default()));
        let state = status.state();
        assert_eq!(state.sealing_failure, None);
        assert_eq!(state.retention_failure, None);
        assert_eq!(state.unsealed, Some(HOUR));
        assert_eq!(state.retained_at, Some(TimestampMs(9)));
    }

    #[test]
    fn what_had_to_go_is_counted_and_told_for_a_day() {
        let status = StoreStatus::default();
        let start = TimestampMs(0);
        let runs = [[3, 0, 0], [0, 0, 0], [2, 1, 0]];
        for (crowded_out_chunks, hours) in runs.into_iter().zip(0..) {
            let retained = Retained {
                crowded_out_chunks,
                expired_chunks: [0, 1, 2],
                is_compacted: hours == 1,
                ..Retained::default()
            };
            status.note_retained(start.plus(HOUR * hours), Ok(retained));
        }
        let state = status.state();
        assert_eq!(state.crowded_out_chunks, [5, 1, 0]);
        assert_eq!(state.expired_chunks, [0, 3, 6]);
        assert_eq!(state.compactions, 1);
        assert!(state.is_crowded(start.plus(HOUR * 25)));
        assert!(!state.is_crowded(start.plus(HOUR * 26)));
        assert!(!StoreState::default().is_crowded(start));
    }
}
