//! The lag of a window, not of a moment.

use crate::model::{Cell, TimestampMs, lag_records};

/// Mean lag of a partition, from one walk over its samples, oldest first.
///
/// Between two readings lag is taken to grow or shrink evenly, so that the mean
/// does not depend on how the polls fell; a gap is bridged the same way. Of a
/// single reading it is that reading.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MeanLag {
    newest_start: Option<i64>,
    first_at: TimestampMs,
    /// The newest reading so far: when, and the lag in records.
    newest: Option<(TimestampMs, f64)>,
    record_seconds: f64,
}

impl MeanLag {
    /// Looks at the next newer sample.
    #[inline]
    pub(super) fn add(&mut self, at: TimestampMs, committed: Cell, log_start: Cell, log_end: Cell) {
        if log_start == Cell::GONE {
            self.newest_start = None;
        }
        self.newest_start = log_start.value().or(self.newest_start);
        if let (Some(committed), Some(log_start), Some(log_end)) =
            (committed.value(), self.newest_start, log_end.value())
        {
            self.add_lag(at, lag_records(committed, log_start, log_end) as f64);
        }
    }

    #[inline]
    fn add_lag(&mut self, at: TimestampMs, lag: f64) {
        match self.newest {
            Some((before, lag_before)) => {
                self.record_seconds += (lag_before + lag) / 2.0 * at.seconds_since(before);
            }
            None => self.first_at = at,
        }
        self.newest = Some((at, lag));
    }

    /// The mean in records, weighed by time; `None` without any reading.
    pub(super) fn mean(&self) -> Option<f64> {
        let (at, lag) = self.newest?;
        let elapsed_s = at.seconds_since(self.first_at);
        Some(if elapsed_s > 0.0 {
            self.record_seconds / elapsed_s
        } else {
            lag
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::sample::{Sample, testing::*},
        *,
    };

    fn mean_lag(samples: &[Sample]) -> Option<f64> {
        let mut mean = MeanLag::default();
        for sample in samples {
            mean.add(
                sample.at,
                sample.committed,
                sample.log_start,
                sample.log_end,
            );
        }
        mean.mean()
    }

    #[test]
    fn each_lag_weighs_as_long_as_it_lasted() {
        let rows = samples(&[(0, 0, 100), (10, 0, 100), (20, 100, 100), (60, 100, 100)]);
        // 100 for 10 s, then down within 10 s, then none for 40 s.
        let mean = mean_lag(&rows).expect("known");
        assert!((mean - 1_500.0 / 60.0).abs() < 1e-9, "{mean}");
    }

    #[test]
    fn a_gap_is_bridged_and_one_reading_is_enough() {
        let mut rows = samples(&[(0, 0, 100), (10, 0, 0), (20, 0, 300)]);
        rows[1].log_end = Cell::ABSENT;
        assert_eq!(mean_lag(&rows), Some(200.0));
        assert_eq!(mean_lag(&rows[..1]), Some(100.0));
        assert_eq!(mean_lag(&rows[1..2]), None);
        rows[0].committed = Cell::NO_COMMIT;
        assert_eq!(mean_lag(&rows), Some(300.0), "no commit is not a lag of 0");
    }

    #[test]
    fn deleted_records_are_not_lag() {
        let mut rows = samples(&[(0, 10, 100), (10, 10, 100)]);
        for row in &mut rows {
            row.log_start = Cell::of(40);
        }
        rows[1].log_start = Cell::ABSENT;
        assert_eq!(mean_lag(&rows), Some(60.0));
    }
}
