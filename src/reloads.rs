//! How changes of the configuration went; read by health and metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::TimestampMs;

/// How changes of the configuration went.
#[derive(Debug)]
pub struct ReloadStatus(Mutex<State>);

#[derive(Debug)]
struct State {
    taken_up: u64,
    unchanged: u64,
    refused: u64,
    succeeded_at: TimestampMs,
    refusal: Option<Refusal>,
}

/// Why the newest configuration is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Since when there has been one that is refused.
    pub since: TimestampMs,
    /// What is wrong with the newest.
    pub cause: String,
}

impl Default for ReloadStatus {
    /// The configuration of the start is in force.
    fn default() -> Self {
        Self(Mutex::new(State {
            taken_up: 0,
            unchanged: 0,
            refused: 0,
            succeeded_at: TimestampMs::now(),
            refusal: None,
        }))
    }
}

impl ReloadStatus {
    /// Another configuration is in force.
    pub fn taken_up(&self, at: TimestampMs) {
        self.lock().taken_up += 1;
        self.succeeded(at);
    }

    /// The newest configuration is the one in force.
    pub fn unchanged(&self, at: TimestampMs) {
        self.lock().unchanged += 1;
        self.succeeded(at);
    }

    /// The newest configuration is not taken up; the one before stays.
    pub fn refused(&self, at: TimestampMs, cause: String) {
        let mut state = self.lock();
        state.refused += 1;
        let since = state.refusal.as_ref().map_or(at, |before| before.since);
        state.refusal = Some(Refusal { since, cause });
    }

    /// Changes since the start, by result.
    pub fn results(&self) -> [(&'static str, u64); 3] {
        let state = self.lock();
        [
            ("ok", state.taken_up),
            ("unchanged", state.unchanged),
            ("refused", state.refused),
        ]
    }

    /// When the newest configuration was last in force; the start counts.
    pub fn succeeded_at(&self) -> TimestampMs {
        self.lock().succeeded_at
    }

    /// Why the newest configuration is not in force; `None`: it is.
    pub fn refusal(&self) -> Option<Refusal> {
        self.lock().refusal.clone()
    }

    fn succeeded(&self, at: TimestampMs) {
        let mut state = self.lock();
        state.succeeded_at = at;
        state.refusal = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in there can be left half changed by a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_lasts_until_a_configuration_is_in_force() {
        let status = ReloadStatus::default();
        let started = status.succeeded_at();
        status.refused(TimestampMs(1), "one".to_owned());
        status.refused(TimestampMs(2), "two".to_owned());
        let refusal = status.refusal().expect("refused");
        assert_eq!((refusal.since.0, refusal.cause.as_str()), (1, "two"));
        assert_eq!(status.succeeded_at(), started);
        status.unchanged(TimestampMs(3));
        assert_eq!((status.refusal(), status.succeeded_at().0), (None, 3));
        status.taken_up(TimestampMs(4));
        let results = [("ok", 1), ("unchanged", 1), ("refused", 2)];
        assert_eq!(status.results(), results);
    }
}
