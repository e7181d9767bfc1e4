//! The newest usable reading of a partition.

use crate::model::{Cell, TimestampMs};

use super::sample::Parameters;

/// Offsets that were read together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) at: TimestampMs,
    /// `None`: the group has committed nothing.
    pub(super) committed: Option<i64>,
    pub(super) log_start: i64,
    pub(super) log_end: i64,
}

impl Reading {
    /// Is it young enough to use?
    pub(super) fn is_usable(&self, parameters: &Parameters, now: TimestampMs) -> bool {
        now.since(self.at) <= parameters.max_staleness
    }
}

/// Looks for the newest sample in which commit and log end were both read. The
/// log start moves slowly and is read apart: the newest one up to then serves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Search {
    /// None was found yet.
    Open,
    /// One was found that has no log start yet.
    NeedsStart {
        at: TimestampMs,
        committed: Option<i64>,
        log_end: i64,
        /// Topic or commit was gone in a sample since looked at.
        then_gone: bool,
    },
    /// This is it.
    Found(Reading),
    /// The topic was deleted, or the group has left it.
    Gone,
}

impl Search {
    /// Looks at the next older sample. Is another one needed?
    #[inline]
    pub(super) fn add(
        &mut self,
        at: TimestampMs,
        committed: Cell,
        log_start: Cell,
        log_end: Cell,
    ) -> bool {
        let is_gone = committed == Cell::GONE || log_end == Cell::GONE;
        *self = match *self {
            Self::Open if is_gone => Self::Gone,
            Self::Open => Self::of(at, committed, log_start, log_end),
            Self::NeedsStart {
                at,
                committed,
                log_end,
                then_gone,
            } => {
                let then_gone = then_gone || is_gone;
                Self::with_start(at, committed, log_start, log_end, then_gone)
            }
            done => done,
        };
        !matches!(self, Self::Found(_) | Self::Gone)
    }

    /// From one sample alone.
    #[inline]
    fn of(at: TimestampMs, committed: Cell, log_start: Cell, log_end: Cell) -> Self {
        let Some(log_end) = log_end.value() else {
            return Self::Open;
        };
        let offset = committed.value();
        if offset.is_none() && committed != Cell::NO_COMMIT {
            return Self::Open;
        }
        Self::with_start(at, offset, log_start, log_end, false)
    }

    #[inline]
    fn with_start(
        at: TimestampMs,
        committed: Option<i64>,
        log_start: Cell,
        log_end: i64,
        then_gone: bool,
    ) -> Self {
        match log_start.value() {
            Some(log_start) => Self::Found(Reading {
                at,
                committed,
                // Within one epoch it never exceeds the end.
                log_start: log_start.min(log_end),
                log_end,
            }),
            // What was read since has no log start, nor will it get one.
            None if log_start == Cell::GONE && then_gone => Self::Gone,
            None if log_start == Cell::GONE => Self::Open,
            None => Self::NeedsStart {
                at,
                committed,
                log_end,
                then_gone,
            },
        }
    }

    /// After the oldest sample: nothing will be found.
    pub(super) fn ended(self) -> Self {
        match self {
            Self::NeedsStart {
                then_gone: true, ..
            } => Self::Gone,
            Self::NeedsStart { .. } => Self::Open,
            done => done,
        }
    }
}
