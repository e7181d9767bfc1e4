//! Rates of counters that are sampled, and that may go back.

use crate::model::{Cell, TimestampMs};

use super::sample::Sample;

/// A counter's value at one time.
type Point = (TimestampMs, i64);

/// Arrival rate in records/s: growth of the log end offset.
///
/// `None` when the current epoch holds fewer than two readings.
pub(super) fn arrival(samples: &[Sample]) -> Option<f64> {
    let points = points(samples_since_recreated(samples), |sample| sample.log_end);
    growth_per_s(*points.first()?, *points.last()?)
}

/// Consumption rate in records/s: growth of the committed offset.
///
/// Commits come in steps, so growth is measured between changes: a window's
/// edge, which falls anywhere between two commits, does not bias it. Two
/// things outside that stretch still count: a silence longer than the mean
/// step, before the first change or after the last, is time in which nothing
/// was committed. Without any change the rate is 0; with a single one there is
/// no step to measure, and it is spread over the time observed.
///
/// `None` when the current epoch holds fewer than two readings.
pub(super) fn consumption(samples: &[Sample]) -> Option<f64> {
    // A log that began anew makes the old commits another counter.
    let since_recreated = samples_since_recreated(samples);
    let since_reset = samples_since_fall(since_recreated, |sample| sample.committed);
    let points = points(since_reset, |sample| sample.committed);
    let (first, last) = (*points.first()?, *points.last()?);
    let changes: Vec<Point> = points
        .windows(2)
        .filter(|pair| pair[0].1 != pair[1].1)
        .map(|pair| pair[1])
        .collect();
    if changes.len() < 2 {
        return growth_per_s(first, last);
    }
    let (first_change, last_change) = (changes[0], changes[changes.len() - 1]);
    let steps_s = last_change.0.seconds_since(first_change.0);
    let mean_step_s = steps_s / (changes.len() - 1) as f64;
    let silence_before_s = first_change.0.seconds_since(first.0);
    let silence_after_s = last.0.seconds_since(last_change.0);

    let mut growth = last_change.1.saturating_sub(first_change.1);
    let mut elapsed_s = steps_s;
    if silence_before_s > mean_step_s {
        growth = last_change.1.saturating_sub(first.1);
        elapsed_s += silence_before_s;
    }
    if silence_after_s > mean_step_s {
        elapsed_s += silence_after_s;
    }
    Some(growth as f64 / elapsed_s)
}

fn growth_per_s(first: Point, last: Point) -> Option<f64> {
    let elapsed_s = last.0.seconds_since(first.0);
    (elapsed_s > 0.0).then(|| last.1.saturating_sub(first.1) as f64 / elapsed_s)
}

/// The counter's readings.
fn points(samples: &[Sample], counter: impl Fn(&Sample) -> Cell) -> Vec<Point> {
    let point = |sample: &Sample| Some((sample.at, counter(sample).value()?));
    samples.iter().filter_map(point).collect()
}

/// The samples since the topic was last made anew: it has another id, or the
/// log begins or ends further back than it did.
pub(super) fn samples_since_recreated(samples: &[Sample]) -> &[Sample] {
    let newest = samples
        .iter()
        .rev()
        .find_map(|sample| sample.topic_id.value());
    let is_other = |sample: &Sample| sample.topic_id.value().is_some_and(|id| Some(id) != newest);
    let first = samples
        .iter()
        .rposition(is_other)
        .map_or(0, |last| last + 1);
    let since = samples_since_fall(&samples[first..], |sample| sample.log_end);
    samples_since_fall(since, |sample| sample.log_start)
}

/// The samples since the counter last went back: a new epoch, across which no
/// difference means anything.
fn samples_since_fall(samples: &[Sample], counter: impl Fn(&Sample) -> Cell) -> &[Sample] {
    let mut newer: Option<i64> = None;
    for (index, sample) in samples.iter().enumerate().rev() {
        let cell = counter(sample);
        // Deleted, or its commits: what came before was another counter.
        if cell == Cell::GONE || cell == Cell::NO_COMMIT {
            return &samples[index + 1..];
        }
        let Some(value) = cell.value() else { continue };
        if newer.is_some_and(|newer| value > newer) {
            return &samples[index + 1..];
        }
        newer = Some(value);
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::{super::sample::testing::*, *};

    fn assert_close(found: Option<f64>, expected: f64) {
        let found = found.expect("a rate");
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn arrival_is_the_growth_of_the_log() {
        assert_close(
            arrival(&samples(&[(0, 0, 100), (10, 0, 150), (20, 0, 300)])),
            10.0,
        );
        assert_eq!(arrival(&samples(&[(0, 0, 100)])), None);
        assert_eq!(arrival(&[]), None);
    }

    #[test]
    fn a_gap_does_not_change_a_rate() {
        let mut rows = samples(&[(0, 0, 0), (10, 50, 100), (20, 100, 200), (100, 500, 1000)]);
        rows[1].log_end = Cell::ABSENT;
        rows[2].committed = Cell::ABSENT;
        assert_close(arrival(&rows), 10.0);
        assert_close(consumption(&rows), 5.0);
    }

    #[test]
    fn the_place_of_the_windows_edge_does_not_bias_consumption() {
        // 100 records committed each 30 s, sampled each 10 s.
        let committed = |seconds: i64| seconds / 30 * 100;
        for offset in 0..3 {
            let rows: Vec<_> = (0..31)
                .map(|tick| (tick + offset) * 10)
                .map(|seconds| (seconds, committed(seconds), 10_000))
                .collect();
            assert_close(consumption(&samples(&rows)), 100.0 / 30.0);
        }
    }

    #[test]
    fn a_stall_lowers_consumption_and_a_long_one_ends_it() {
        let rows: Vec<_> = (0..=30)
            .map(|tick| (tick * 10, (tick * 100).min(1000), 10_000))
            .collect();
        // 10/s for 100 s, then nothing for 200 s.
        let rate = consumption(&samples(&rows)).expect("a rate");
        assert!((3.0..4.0).contains(&rate), "{rate}");
        assert_close(consumption(&samples(&rows[15..])), 0.0);
    }

    #[test]
    fn a_single_commit_is_spread_over_the_time_observed() {
        let rows = samples(&[(0, 0, 500), (10, 0, 500), (20, 100, 500), (50, 100, 500)]);
        assert_close(consumption(&rows), 2.0);
    }

    #[test]
    fn no_difference_is_taken_across_an_epoch() {
        let reset = samples(&[
            (0, 900, 1000),
            (10, 1000, 1100),
            (20, 100, 1200),
            (30, 150, 1300),
        ]);
        assert_close(consumption(&reset), 5.0);
        assert_close(arrival(&reset), 10.0);

        let recreated = samples(&[(0, 900, 1000), (10, 950, 1100), (20, 950, 5), (30, 950, 25)]);
        assert_close(arrival(&recreated), 2.0);
        assert_close(consumption(&recreated), 0.0);
    }

    #[test]
    fn a_longer_topic_made_anew_shows_in_its_log_start() {
        let mut rows = samples(&[(0, 90, 100), (10, 100, 150), (20, 100, 400), (30, 100, 420)]);
        rows[0].log_start = Cell::of(70);
        rows[1].log_start = Cell::of(80);
        assert_close(arrival(&rows), 2.0);
        assert_close(consumption(&rows), 0.0);
        // A log start that was not read, or that moves on, means nothing.
        rows[2].log_start = Cell::ABSENT;
        rows[3].log_start = Cell::of(90);
        assert_close(arrival(&rows), 320.0 / 30.0);
    }

    #[test]
    fn a_topic_with_another_id_is_another_log() {
        let mut rows = samples(&[
            (0, 90, 100),
            (10, 100, 150),
            (20, 4_000, 5_000),
            (30, 4_010, 5_020),
        ]);
        for (row, id) in rows.iter_mut().zip([1, 1, 2, 2]) {
            row.topic_id = Cell::of(id);
        }
        assert_close(arrival(&rows), 2.0);
        assert_close(consumption(&rows), 1.0);
        // Where it was not read, nothing is known to have changed.
        rows[3].topic_id = Cell::ABSENT;
        assert_close(arrival(&rows), 2.0);
        rows[2].topic_id = Cell::ABSENT;
        assert_close(arrival(&rows), 4_920.0 / 30.0);
    }

    #[test]
    fn a_deleted_topic_ends_an_epoch_even_if_the_next_one_is_longer() {
        let mut rows = samples(&[(0, 10, 10), (10, 0, 0), (20, 500, 1000), (30, 510, 1020)]);
        rows[1].log_end = Cell::GONE;
        assert_close(arrival(&rows), 2.0);
        assert_close(consumption(&rows), 1.0);
    }
}
