//! Time lag from all samples of a partition in a row.

use crate::{
    estimator::{TimeLag, sample::Sample},
    model::TimestampMs,
};

use super::rate::samples_since_recreated;

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
