//! What is told changes more slowly than what is read.

use std::{collections::VecDeque, time::Duration};

use crate::{
    board::Snapshot,
    estimator::{Parameters, Window},
    model::{ClusterName, TimestampMs},
};

use super::{
    answer::{Moment, NoAnswer, Picked, Reading},
    trigger::{Metric, Selection},
};

/// What is remembered of one metric from tick to tick. All of it follows from
/// the ticks that a window holds, and so comes back after a restart; but for
/// activity that hung between its thresholds all the time, which follows from
/// what was told before.
#[derive(Debug)]
pub(super) struct Steady {
    /// The values of the scale-down window that no later one reached, oldest and
    /// highest first.
    highest: VecDeque<(TimestampMs, f64)>,
    was_active: bool,
    newest: Option<TimestampMs>,
    picked: Picked,
}

/// What is told of one metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) value: Result<f64, NoAnswer>,
    pub(super) is_active: Result<bool, NoAnswer>,
    pub(super) as_of: TimestampMs,
    pub(super) is_without_commits: bool,
}

impl Steady {
    /// Before the first tick is judged, given what was told before.
    pub(super) fn new(was_active: bool) -> Self {
        Self {
            highest: VecDeque::new(),
            was_active,
            newest: None,
            picked: Picked::default(),
        }
    }

    pub(super) fn was_active(&self) -> bool {
        self.was_active
    }

    /// What is told of `metric` after the newest tick of `snapshot`, given what
    /// was told before; the first time, what would have been.
    pub(super) fn judge(
        &mut self,
        metric: &Metric,
        cluster: &ClusterName,
        snapshot: &Snapshot,
        parameters: &Parameters,
    ) -> Result<Told, NoAnswer> {
        let Some(at) = snapshot.as_of() else {
            return Err(NoAnswer(format!(
                "cluster {cluster:?} has not been read yet"
            )));
        };
        let moment = Moment {
            cluster,
            snapshot,
            parameters,
            at,
        };
        if self.newest.is_some_and(|newest| at < newest) {
            // The clock was put back: what is remembered is of another time.
            *self = Self::new(self.was_active);
        }
        if self.newest.is_none() && metric.is_steadied() {
            self.replay(metric, moment);
        }
        self.newest = Some(at);
        let reading = metric.read_with_grace(&mut self.picked, moment)?;
        Ok(self.take(metric, reading, at))
    }

    /// Judges the ticks before: those that the scale-down window has, and all
    /// that are held in full.
    fn replay(&mut self, metric: &Metric, moment: Moment<'_>) {
        let window = metric.steadiness.scale_down_window;
        let held = &moment.snapshot.window;
        let since = moment.at.minus(window.max(held.reach().dense));
        for at in held.times().filter(|at| (since..moment.at).contains(at)) {
            let before = as_of(held, at);
            let then = Moment {
                snapshot: &before,
                at,
                ..moment
            };
            if let Ok(reading) = metric.read_with_grace(&mut self.picked, then) {
                self.take(metric, reading, at);
            }
        }
    }

    fn take(&mut self, metric: &Metric, reading: Reading, at: TimestampMs) -> Told {
        let is_active = metric.is_active(&reading, self.was_active);
        if let Ok(is_active) = is_active {
            self.was_active = is_active;
        }
        let window = metric.steadiness.scale_down_window;
        Told {
            value: reading.value.map(|value| self.highest(value, at, window)),
            is_active,
            as_of: reading.as_of,
            is_without_commits: reading.is_without_commits,
        }
    }

    /// The highest value of the `window` before `at`, this one included.
    fn highest(&mut self, value: f64, at: TimestampMs, window: Duration) -> f64 {
        if window.is_zero() {
            return value;
        }
        while self.highest.back().is_some_and(|(_, last)| *last <= value) {
            self.highest.pop_back();
        }
        self.highest.push_back((at, value));
        let edge = at.minus(window);
        while self.highest.front().is_some_and(|(first, _)| *first < edge) {
            self.highest.pop_front();
        }
        self.highest.front().map_or(value, |(_, highest)| *highest)
    }
}

impl Metric {
    /// Does what is told of it depend on earlier ticks?
    fn is_steadied(&self) -> bool {
        self.activation.has_hysteresis() || !self.steadiness.scale_down_window.is_zero()
    }

    /// The reading of this tick, or for a time after a rebalance the one of the
    /// tick before it: while partitions change hands nobody commits, and lag
    /// rises for no other reason.
    fn read_with_grace(
        &self,
        picked: &mut Picked,
        moment: Moment<'_>,
    ) -> Result<Reading, NoAnswer> {
        let grace = self.steadiness.rebalance_grace;
        let max_staleness = moment.parameters.max_staleness;
        let window = &moment.snapshot.window;
        let since = moment.at.minus(max_staleness + grace);
        if let Some(calm) = calm_before(&self.selection, window, grace, since, moment.at)
            && moment.at.since(calm) <= max_staleness
        {
            let held = Moment {
                snapshot: &as_of(window, calm),
                at: calm,
                ..moment
            };
            if let Ok(held) = self.read(picked, held) {
                return Ok(held);
            }
        }
        self.read(picked, moment)
    }
}

/// The snapshot as it was after the tick of `at`; its gaps are not held.
fn as_of(window: &Window, at: TimestampMs) -> Snapshot {
    Snapshot {
        window: window.until(at),
        gaps: [].into(),
    }
}

/// When the tick before a rebalance was taken whose grace has not passed at
/// `at`; of rebalances that follow each other within the grace, the first one
/// after `since`.
fn calm_before(
    selection: &Selection,
    window: &Window,
    grace: Duration,
    since: TimestampMs,
    at: TimestampMs,
) -> Option<TimestampMs> {
    if grace.is_zero() {
        return None;
    }
    let rebalances = selection
        .groups()
        .map(|group| window.rebalances(group.as_str(), since));
    let mut rebalances: Vec<_> = rebalances.flatten().collect();
    rebalances.sort_unstable();
    let (mut first, mut follower) = (None, at);
    for rebalance in rebalances.into_iter().rev() {
        if follower.since(rebalance) >= grace {
            break;
        }
        (first, follower) = (Some(rebalance), rebalance);
    }
    let first = first?;
    window.times().rfind(|time| *time < first)
}
