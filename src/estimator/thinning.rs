//! Which of the older ticks a window keeps.

use std::time::Duration;

use crate::model::TimestampMs;

/// The newest stretch of ages that is thinned out has so many slots, or fewer.
const SLOTS: u64 = 30;
/// Its slots are so long, or a multiple of it, so that those of all older ones
/// are whole minutes: of a minute history keeps the last tick, too.
const SLOT_MS: u64 = 15_000;
/// Each tier reaches so many times as far back as the one before.
const TIER_FACTOR: u64 = 4;

/// Keeps every tick up to an age `dense`. Beyond it, at ages from `dense * 4^k`
/// to `dense * 4^(k+1)`, only the last tick of each slot of `dense / 30 * 4^k`,
/// with the first slot's length rounded up to a quarter of a minute.
///
/// Slots begin at the epoch, and four of one tier make one of the next. So
/// what is kept depends on the ticks alone and not on when they came in: a
/// window that is rebuilt from history is the one that went on. Beyond the
/// window's span slots grow no more: the one tick that is held there would go
/// after those before it are gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thinning {
    dense_ms: u64,
    span_ms: u64,
}

impl Thinning {
    pub(super) fn new(dense: Duration, span: Duration) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            dense_ms: ms(dense),
            span_ms: ms(span),
        }
    }

    /// Keeps it all.
    pub(super) fn is_idle(self) -> bool {
        self.span_ms <= self.dense_ms
    }

    /// Is the tick at `at` kept beside the next one that is held, when the
    /// newest is at `newest`?
    pub(super) fn keeps(self, at: TimestampMs, next: TimestampMs, newest: TimestampMs) -> bool {
        let age_ms = newest.0.saturating_sub(at.0).max(0).unsigned_abs();
        let age_ms = age_ms.min(self.span_ms);
        if age_ms <= self.dense_ms {
            return true;
        }
        let slot_ms = i64::try_from(self.slot_ms(age_ms)).unwrap_or(i64::MAX);
        at.0.div_euclid(slot_ms) != next.0.div_euclid(slot_ms)
    }

    fn slot_ms(self, age_ms: u64) -> u64 {
        let quarters = self.dense_ms.div_ceil(SLOTS * SLOT_MS).max(1);
        let mut slot_ms = quarters.saturating_mul(SLOT_MS);
        // A tier reaches at least a second, or there would be no end of them.
        let mut reach_ms = self.dense_ms.max(1_000).saturating_mul(TIER_FACTOR);
        while age_ms > reach_ms {
            slot_ms = slot_ms.saturating_mul(TIER_FACTOR);
            reach_ms = reach_ms.saturating_mul(TIER_FACTOR);
        }
        slot_ms
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample::testing::at, *};

    #[test]
    fn slots_grow_with_age() {
        let thinning = Thinning::new(Duration::from_secs(900), Duration::from_secs(86_400));
        for (age_s, slot_s) in [(901, 30), (3_600, 30), (3_601, 120), (86_400, 1_920)] {
            assert_eq!(thinning.slot_ms(age_s * 1000), slot_s * 1000, "{age_s}");
        }
        let keeps = |seconds, next| thinning.keeps(at(seconds), at(next), at(10_000));
        assert!(keeps(9_100, 9_110), "young");
        assert!(!keeps(9_000, 9_010), "another follows in its slot");
        assert!(keeps(9_020, 9_030), "the last of its slot");
    }
}
