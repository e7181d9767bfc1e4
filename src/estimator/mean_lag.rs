//! The lag of a window, not of a moment.

use crate::model::{Cell, TimestampMs, lag_records};

use super::sample::Sample;

/// Mean lag of a partition over `samples`, oldest first, in records.
///
/// Between two readings lag is taken to grow or shrink evenly, so that the mean
/// does not depend on how the polls fell; a gap is bridged the same way. Of a
/// single reading it is that reading. `None` without any.
pub(super) fn mean_lag(samples: &[Sample]) -> Option<f64> {
    let mut readings = readings(samples);
    let (first_at, first_lag) = readings.next()?;
    let (mut at, mut lag) = (first_at, first_lag);
    let mut record_seconds = 0.0;
    for (next_at, next_lag) in readings {
        record_seconds += (lag + next_lag) / 2.0 * next_at.seconds_since(at);
        (at, lag) = (next_at, next_lag);
    }
    let elapsed_s = at.seconds_since(first_at);
    Some(if elapsed_s > 0.0 {
        record_seconds / elapsed_s
    } else {
        lag
    })
}

/// The lags of all samples in which commit and log end were read.
fn readings(samples: &[Sample]) -> impl Iterator<Item = (TimestampMs, f64)> {
    let mut newest_start = None;
    samples.iter().filter_map(move |sample| {
        if sample.log_start == Cell::GONE {
            newest_start = None;
        }
        newest_start = sample.log_start.value().or(newest_start);
        let (committed, log_end) = (sample.committed.value()?, sample.log_end.value()?);
        let log_start = newest_start?.min(log_end);
        let lag = lag_records(committed, log_start, log_end) as f64;
        Some((sample.at, lag))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::sample::testing::*, *};

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
