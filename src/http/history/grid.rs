//! Steps of time.

use std::time::Duration;

use crate::model::TimestampMs;

use super::super::query::Range;

/// A span of time in steps that begin at multiples of their length, so that a
/// range that moves on doesn't shift them. The first and the last may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    from: TimestampMs,
    to: TimestampMs,
    step_ms: i64,
}

impl Grid {
    /// From `from` to `to`, both included; `step` is at least a millisecond.
    pub(super) fn new(from: TimestampMs, to: TimestampMs, step: Duration) -> Self {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        Self { from, to, step_ms }
    }

    pub(super) fn from(&self) -> TimestampMs {
        self.from
    }

    pub(super) fn to(&self) -> TimestampMs {
        self.to
    }

    pub(super) fn range(&self) -> Range {
        Range {
            from: self.from,
            to: self.to,
        }
    }

    pub(super) fn step(&self) -> Duration {
        Duration::from_millis(self.step_ms.unsigned_abs())
    }

    /// How many steps there are.
    pub(super) fn len(&self) -> i64 {
        self.step_of(self.to) + 1
    }

    /// The number, from 0, of the step that `at` is in.
    pub(super) fn step_of(&self, at: TimestampMs) -> i64 {
        at.0.div_euclid(self.step_ms) - self.first()
    }

    /// When the step begins; `from` if that is later.
    pub(super) fn start(&self, step: i64) -> TimestampMs {
        let start = (self.first() + step).saturating_mul(self.step_ms);
        TimestampMs(start).max(self.from)
    }

    fn first(&self) -> i64 {
        self.from.0.div_euclid(self.step_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_begin_at_multiples_and_the_first_may_be_cut() {
        let grid = Grid::new(TimestampMs(15), TimestampMs(40), Duration::from_millis(10));
        assert_eq!(grid.len(), 4);
        let starts: Vec<_> = (0..grid.len()).map(|step| grid.start(step).0).collect();
        assert_eq!(starts, [15, 20, 30, 40]);
        for (at, step) in [(15, 0), (19, 0), (20, 1), (39, 2), (40, 3)] {
            assert_eq!(grid.step_of(TimestampMs(at)), step, "{at}");
        }
    }
}
