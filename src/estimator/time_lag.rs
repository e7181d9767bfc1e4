//! How long ago the next record to read was written.

use crate::model::{Cell, TimestampMs};

use super::{epoch::LogEpoch, reading::Reading};

/// How far a group is behind, in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeLag {
    /// Seconds since the log end offset first exceeded the committed offset.
    pub seconds: f64,
    /// The recorded log ends don't reach back to that moment: it is at least
    /// this long ago.
    pub at_least: bool,
}

impl TimeLag {
    /// The longer of two lags; a lower bound stays one.
    pub(super) fn longer(self, other: Self) -> Self {
        if other.seconds > self.seconds {
            Self {
                at_least: self.at_least || other.at_least,
                ..other
            }
        } else {
            Self {
                at_least: self.at_least || other.at_least,
                ..self
            }
        }
    }
}

/// The time lag of one partition, from one walk back.
///
/// Read back from the recorded log end offsets by interpolation, so that no
/// record need be fetched. Among the records written between two samples, the
/// one to read next is taken to stand in the middle of its own share of the
/// time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    log: LogEpoch,
    /// Offset of the next record to read.
    next: i64,
    at: TimestampMs,
    /// The oldest sample so far in which that record was written already.
    written: Option<(TimestampMs, i64)>,
    found: Option<TimeLag>,
    is_open: bool,
}

impl Waiting {
    /// Before the newest sample is looked at; for nothing without a commit.
    pub(super) fn of(reading: Option<&Reading>) -> Self {
        let next =
            |reading: &Reading| Some((reading.at, reading.committed?.max(reading.log_start)));
        let wanted = reading.and_then(next);
        let (at, next) = wanted.unwrap_or_default();
        Self {
            log: LogEpoch::NEWEST,
            next,
            at,
            written: None,
            found: None,
            is_open: wanted.is_some(),
        }
    }

    /// Looks at the next older sample. Can another one tell more?
    #[inline]
    pub(super) fn add(&mut self, at: TimestampMs, log_start: Cell, log_end: Cell) -> bool {
        self.is_open = self.is_open && self.log.holds(log_start, log_end);
        if let (true, Some(log_end)) = (self.is_open, log_end.value()) {
            if log_end > self.next {
                self.written = Some((at, log_end));
            } else {
                self.found = Some(self.since(at, log_end));
                self.is_open = false;
            }
        }
        self.is_open
    }

    /// The record was written after `before`, when the log ended at `log_end`.
    fn since(&self, before: TimestampMs, log_end: i64) -> TimeLag {
        let seconds = self.written.map_or(0.0, |(later, later_end)| {
            let records = |to: i64| to.abs_diff(log_end) as f64;
            let share = (records(self.next) + 0.5) / records(later_end);
            let written_s = later.seconds_since(before) * share;
            (self.at.seconds_since(before) - written_s).max(0.0)
        });
        TimeLag {
            seconds,
            at_least: false,
        }
    }

    /// The time lag; a lower bound if the record was there in the oldest sample.
    pub(super) fn time_lag(&self) -> Option<TimeLag> {
        let bound = |(earliest, _)| TimeLag {
            seconds: self.at.seconds_since(earliest).max(0.0),
            at_least: true,
        };
        self.found.or_else(|| self.written.map(bound))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample::testing::*, *};
    use crate::estimator::sample::Sample;

    fn time_lag(samples: &[Sample], committed: i64, at: TimestampMs) -> Option<TimeLag> {
        let reading = Reading {
            at,
            committed: Some(committed),
            log_start: i64::MIN + 3,
            log_end: i64::MAX,
        };
        let mut waiting = Waiting::of(Some(&reading));
        for sample in samples.iter().rev() {
            if !waiting.add(sample.at, sample.log_start, sample.log_end) {
                break;
            }
        }
        waiting.time_lag()
    }

    #[test]
    fn the_moment_is_interpolated_between_samples() {
        let rows = samples(&[(0, 0, 0), (10, 0, 100), (20, 0, 200), (30, 0, 300)]);
        let lag = |committed| time_lag(&rows, committed, at(30)).expect("known");
        assert_eq!(lag(300).seconds, 0.0, "all is read");
        assert!((lag(200).seconds - 9.95).abs() < 1e-9);
        assert!((lag(150).seconds - 14.95).abs() < 1e-9);
        assert!((lag(0).seconds - 29.95).abs() < 1e-9);
        assert!(!lag(0).at_least);
    }

    #[test]
    fn beyond_the_record_it_is_a_lower_bound() {
        let rows = samples(&[(0, 0, 100), (10, 0, 200)]);
        assert_eq!(
            time_lag(&rows, 50, at(10)),
            Some(TimeLag {
                seconds: 10.0,
                at_least: true
            })
        );
        assert_eq!(time_lag(&[], 50, at(10)), None);
    }

    #[test]
    fn extreme_offsets_do_not_overflow() {
        let rows = samples(&[(0, 0, i64::MIN + 3), (10, 0, i64::MAX)]);
        let lag = time_lag(&rows, 0, at(10)).expect("known");
        assert!((0.0..=10.0).contains(&lag.seconds), "{lag:?}");
    }

    #[test]
    fn another_epochs_log_is_not_read() {
        let rows = samples(&[(0, 0, 100), (10, 0, 5), (20, 0, 10)]);
        let lag = time_lag(&rows, 3, at(20)).expect("known");
        assert_eq!(
            lag,
            TimeLag {
                seconds: 10.0,
                at_least: true
            }
        );
    }
}
