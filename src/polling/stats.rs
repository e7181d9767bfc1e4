//! Numbers about the polling itself, for the metrics page.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How polling one cluster or queue goes.
#[derive(Debug, Default)]
pub struct PollStats {
    cycles: AtomicU64,
    skipped_cycles: AtomicU64,
    incomplete_cycles: AtomicU64,
    last_cycle_us: AtomicU64,
    last_gaps: AtomicU64,
}

impl PollStats {
    /// Cycles that came to their end since the start.
    pub fn cycles(&self) -> u64 {
        self.cycles.load(Ordering::Relaxed)
    }

    /// Cycles left out since the start, because the one before took too long.
    pub fn skipped_cycles(&self) -> u64 {
        self.skipped_cycles.load(Ordering::Relaxed)
    }

    /// Cycles since the start in which something could not be read.
    pub fn incomplete_cycles(&self) -> u64 {
        self.incomplete_cycles.load(Ordering::Relaxed)
    }

    /// How long the newest cycle took.
    pub fn last_cycle(&self) -> Duration {
        Duration::from_micros(self.last_cycle_us.load(Ordering::Relaxed))
    }

    /// How many gaps the newest tick has.
    pub fn last_gaps(&self) -> u64 {
        self.last_gaps.load(Ordering::Relaxed)
    }

    pub(super) fn cycle_ended(&self, took: Duration, gaps: usize) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.last_cycle_us.store(took_us, Ordering::Relaxed);
        self.last_gaps.store(gaps as u64, Ordering::Relaxed);
        let is_incomplete = u64::from(gaps > 0);
        self.incomplete_cycles
            .fetch_add(is_incomplete, Ordering::Relaxed);
        self.cycles.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cycles_skipped(&self, count: u64) {
        self.skipped_cycles.fetch_add(count, Ordering::Relaxed);
    }
}
