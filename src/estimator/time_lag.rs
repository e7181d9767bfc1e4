//! How long ago the next record to read was written.

use crate::model::TimestampMs;

use super::{rate::samples_since_recreated, sample::Sample};

/// How far a group is behind, in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeLag {
    /// Seconds since the log end offset first exceeded the committed offset.
    pub seconds: f64,
    /// The recorded log ends don't reach back to that moment: it is at least
    /// this long ago.
    pub at_least: bool,
}

/// Time lag at `at` of a group that has committed `committed`.
///
/// Read back from the recorded log end offsets by interpolation, so that no
/// record need be fetched. Among the records written between two samples, the
/// one at `committed` is taken to stand in the middle of its own share of the
/// time. `None` when no log end offset is known.
pub(super) fn time_lag(samples: &[Sample], committed: i64, at: TimestampMs) -> Option<TimeLag> {
    // The first sample, going back, at which the record was written already.
    let mut written: Option<(TimestampMs, i64)> = None;
    for sample in samples_since_recreated(samples).iter().rev() {
        let Some(log_end) = sample.log_end.value() else {
            continue;
        };
        if log_end > committed {
            written = Some((sample.at, log_end));
            continue;
        }
        let Some((later, later_end)) = written else {
            return Some(TimeLag {
                seconds: 0.0,
                at_least: false,
            });
        };
        let records = |to: i64| to.abs_diff(log_end) as f64;
        let share = (records(committed) + 0.5) / records(later_end);
        let written_s = later.seconds_since(sample.at) * share;
        let seconds = (at.seconds_since(sample.at) - written_s).max(0.0);
        return Some(TimeLag {
            seconds,
            at_least: false,
        });
    }
    written.map(|(earliest, _)| TimeLag {
        seconds: at.seconds_since(earliest).max(0.0),
        at_least: true,
    })
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

#[cfg(test)]
mod tests {
    use super::{super::sample::testing::*, *};

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
