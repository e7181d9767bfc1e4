//! What a task's readings tell, from all ticks in a row.

use crate::{
    estimator::{
        partition::{PartitionEstimate, PartitionStanding, Wanted},
        sample::Parameters,
        task::{RatesFrom, TaskEstimate},
        time_lag::TimeLag,
        window::Window,
    },
    model::{GroupSeries, TimestampMs},
};

/// A partition that was judged as if it were one of Kafka's.
pub(super) fn put_right(
    estimate: PartitionEstimate,
    window: &Window,
    series: &GroupSeries,
    wanted: Wanted,
) -> PartitionEstimate {
    let age = told(window, series.oldest_age(), estimate.as_of);
    let recorded = age.map(|ms| TimeLag {
        seconds: if ms < 0 { 0.0 } else { ms as f64 / 1000.0 },
        at_least: false,
    });
    let waits = estimate.lag.is_some() && estimate.lag != Some(0);
    PartitionEstimate {
        lost_records: None,
        uncommitted_records: estimate.consumption_rate.map(|_| 0.0),
        time_lag: match recorded {
            Some(recorded) if waits && wanted.time_lag => Some(recorded),
            _ => estimate.time_lag,
        },
        ..estimate
    }
}

/// What is told of the task itself, with the time of its oldest reading.
pub(in super::super) fn task(
    window: &Window,
    group: &str,
    parameters: &Parameters,
    now: TimestampMs,
) -> Option<(Option<TaskEstimate>, Option<TimestampMs>)> {
    let series = window.index().groups().get(group)?;
    let (mut as_of, mut all_known) = (None, true);
    for topic in series.topics.keys() {
        let offsets = Wanted::OFFSETS;
        for (_, standing) in super::standings(window, group, topic, offsets, parameters, now) {
            match standing {
                PartitionStanding::Known(estimate) => {
                    as_of = Some(
                        as_of.map_or(estimate.as_of, |at: TimestampMs| at.min(estimate.as_of)),
                    );
                }
                _ => all_known = false,
            }
        }
    }
    let told = |column| {
        as_of
            .filter(|_| all_known)
            .and_then(|at| told(window, column, at))
    };
    let (added, done) = (told(series.added()), told(series.done()));
    let age = told(series.oldest_age());
    let of_counters = added.is_some() || done.is_some();
    let rates_from = if of_counters {
        RatesFrom::Counters
    } else {
        RatesFrom::Depth
    };
    let estimate = TaskEstimate {
        oldest_age_seconds: age.map(|ms| if ms < 0 { 0.0 } else { ms as f64 / 1000.0 }),
        added,
        done,
        rates_from: as_of.filter(|_| all_known).map(|_| rates_from),
    };
    Some((series.is_task().then_some(estimate), as_of))
}

fn told(window: &Window, column: Option<u32>, at: TimestampMs) -> Option<i64> {
    let tick = window.frames().find(|frame| frame.at == at)?;
    tick.cell(column?).value()
}
