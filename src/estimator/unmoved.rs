//! For how long a commit has not moved, read back from the newest sample.

use std::time::Duration;

use crate::model::{Cell, TimestampMs};

use super::reading::Reading;

/// From the oldest sample of the newest stretch in which nothing else was
/// committed than in the reading, to the reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unmoved {
    committed: i64,
    at: TimestampMs,
    since: TimestampMs,
    is_open: bool,
}

impl Unmoved {
    /// Before the newest sample is looked at; for nothing without a commit.
    pub(super) fn of(reading: Option<&Reading>) -> Self {
        let wanted = reading.and_then(|reading| Some((reading.at, reading.committed?)));
        let (at, committed) = wanted.unwrap_or_default();
        Self {
            committed,
            at,
            since: at,
            is_open: wanted.is_some(),
        }
    }

    /// Looks at the next older sample. Can another one tell more?
    #[inline]
    pub(super) fn add(&mut self, at: TimestampMs, committed: Cell) -> bool {
        if !self.is_open || at > self.at {
            return self.is_open;
        }
        match committed.value() {
            Some(value) if value == self.committed => self.since = at,
            Some(_) => self.is_open = false,
            None => {}
        }
        self.is_open
    }

    /// For how long, as far as samples reach back.
    pub(super) fn duration(&self) -> Duration {
        self.at.since(self.since)
    }
}
