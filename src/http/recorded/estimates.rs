//! What needs a window of ticks: time lags, rates, ETA, status.
//!
//! The estimator's own window is slid over the ticks of one group, and judged as
//! of a tick with the parameters of `/metrics`. What it does not tell then, the
//! page left out at once.

use std::{sync::Arc, time::Duration};

use crate::{
    estimator::{
        Eta, GroupEstimate, GroupVerdict, Parameters, PartitionStanding, Reach, TopicEstimate,
        Wanted, Window,
    },
    http::{
        metrics::families::Measure,
        narrow::Narrowing,
        standing::{has_commit, known_time_lag},
    },
    model::{Frame, GroupId, SeriesIndex, TimestampMs},
    store::Selection,
};

use super::{Of, Reading, Series};

/// Some series of one group.
#[derive(Debug)]
pub(crate) struct Estimates {
    group: GroupId,
    series: Vec<Series>,
    narrowing: Narrowing,
    window: Window,
    parameters: Parameters,
    needs: Needs,
}

/// What is judged to tell all of some series.
#[derive(Debug, Clone, Copy)]
struct Needs {
    estimate: Option<Wanted>,
    status: bool,
}

impl Estimates {
    /// `None` if the catalogue does not know the group. `reach`: how far back the
    /// page looks.
    pub(crate) fn new(
        index: &SeriesIndex,
        group: &GroupId,
        series: Vec<Series>,
        parameters: Parameters,
        reach: Duration,
    ) -> Option<Self> {
        Some(Self {
            needs: Needs::of(&series),
            group: group.clone(),
            series,
            narrowing: Narrowing::to(index, group, None)?,
            window: Window::new(Reach::all(reach)),
            parameters,
        })
    }

    /// The columns to read.
    pub(crate) fn selection(&self) -> Selection {
        self.narrowing.selection()
    }

    /// Takes in the next frame, which has the columns of
    /// [`selection`](Self::selection).
    pub(crate) fn push(&mut self, frame: Frame) {
        let index = self.narrowing.index(&frame);
        self.window.push(index, Arc::new(frame));
    }

    /// When the frame was taken that came last.
    pub(crate) fn as_of(&self) -> Option<TimestampMs> {
        self.window.as_of()
    }

    /// What was told of each series at the frame that came last.
    pub(crate) fn readings(&self) -> Vec<Reading> {
        let (estimate, status) = match self.as_of() {
            Some(now) => (self.estimate(now), self.status(now)),
            None => (None, None),
        };
        let told = |series| value(series, estimate.as_ref(), status);
        self.series.iter().map(told).map(Reading::or_gone).collect()
    }

    fn estimate(&self, now: TimestampMs) -> Option<GroupEstimate> {
        let (group, wanted) = (self.group.as_str(), self.needs.estimate?);
        self.window
            .estimate_group(group, wanted, &self.parameters, now)
    }

    fn status(&self, now: TimestampMs) -> Option<GroupVerdict> {
        let group = self.needs.status.then_some(self.group.as_str())?;
        self.window.status(group, &self.parameters, now)?.verdict
    }
}

impl Needs {
    fn of(series: &[Series]) -> Self {
        let asks = |measures: &[Measure]| {
            let mut series = series.iter();
            series.any(|series| measures.contains(&series.recorded.measure))
        };
        let is_judged = |series: &Series| series.recorded.measure != Measure::Status;
        let wanted = Wanted {
            rates: asks(&[Measure::Arrival, Measure::Consumption, Measure::Eta]),
            time_lag: asks(&[Measure::TimeLag, Measure::MaxTimeLag]),
            ..Wanted::OFFSETS
        };
        Self {
            estimate: series.iter().any(is_judged).then_some(wanted),
            status: asks(&[Measure::Status]),
        }
    }
}

/// What `/metrics` tells of a series.
fn value(
    series: &Series,
    estimate: Option<&GroupEstimate>,
    status: Option<GroupVerdict>,
) -> Option<f64> {
    if let (Measure::Status, Of::Status(_, verdict)) = (series.recorded.measure, &series.of) {
        return (status == Some(*verdict)).then_some(1.0);
    }
    let estimate = estimate?;
    match (series.recorded.measure, &series.of) {
        (Measure::MaxTimeLag, _) => max_time_lag(estimate),
        (Measure::Eta, _) => eta(estimate),
        (Measure::Arrival, Of::Group(_)) => estimate.topics.first()?.totals.arrival_rate,
        (Measure::Consumption, Of::Group(_)) => estimate.topics.first()?.totals.consumption_rate,
        (Measure::RatesFrom, Of::RatesFrom(_, from)) => {
            (estimate.rates_from() == Some(*from)).then_some(1.0)
        }
        (Measure::Arrival, Of::GroupTopic(_, topic)) => {
            find(estimate, topic.as_str())?.totals.arrival_rate
        }
        (Measure::Consumption, Of::GroupTopic(_, topic)) => {
            find(estimate, topic.as_str())?.totals.consumption_rate
        }
        (Measure::TimeLag, Of::GroupPartition(_, topic, partition)) => {
            let partitions = &find(estimate, topic.as_str())?.partitions;
            let place = partitions.binary_search_by_key(partition, |(number, _)| *number);
            match &partitions[place.ok()?].1 {
                PartitionStanding::Known(known) => Some(known.time_lag?.seconds),
                PartitionStanding::Unknown { .. } | PartitionStanding::Gone => None,
            }
        }
        _ => None,
    }
}

fn find<'a>(estimate: &'a GroupEstimate, topic: &str) -> Option<&'a TopicEstimate> {
    let mut topics = estimate.topics.iter();
    topics.find(|found| found.topic.as_str() == topic)
}

/// The longest time lag of a group, in seconds.
fn max_time_lag(estimate: &GroupEstimate) -> Option<f64> {
    Some(known_time_lag(&estimate.totals)?.seconds)
}

/// When the lag will be gone, in seconds; `None`: never, or unknown.
pub(crate) fn eta(estimate: &GroupEstimate) -> Option<f64> {
    let totals = &estimate.totals;
    match totals
        .eta()
        .filter(|_| totals.partitions > 0 && has_commit(totals))?
    {
        Eta::In(seconds) => Some(seconds),
        Eta::Never => None,
    }
}
