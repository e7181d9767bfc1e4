//! What KEDA was told, as of the ticks of a cluster.

use std::sync::Arc;

use crate::{
    http::{metrics::families::Measure, told::number},
    model::{Frame, SeriesIndex, TimestampMs, Told, ToldSeries},
    store::{Frames, ReadError, Store},
};

use super::{Of, Reading, Series};

/// Some series of watches, and what is in force of them.
#[derive(Debug)]
pub(crate) struct Promises {
    series: Vec<(Measure, ToldSeries)>,
    changes: Frames,
    in_force: Option<Frame>,
    next: Option<Frame>,
}

impl Promises {
    /// From `from` to `to`.
    pub(crate) fn open<'a>(
        store: &Store,
        told: &SeriesIndex,
        series: impl IntoIterator<Item = &'a Series>,
        (from, to): (TimestampMs, TimestampMs),
    ) -> Result<Self, ReadError> {
        let places = series.into_iter().map(|series| {
            let place = match &series.of {
                Of::Watch(watch) => told.watches().get(watch).cloned(),
                _ => None,
            };
            (series.recorded.measure, place.unwrap_or_default())
        });
        Ok(Self {
            series: places.collect(),
            changes: store.told(from, to)?,
            in_force: None,
            next: None,
        })
    }

    /// The columns of a cluster to read: none, its ticks alone count.
    pub(crate) fn selection() -> crate::store::Selection {
        crate::store::Selection::Columns(Arc::default())
    }

    /// Goes on to a tick that is later than the one before.
    pub(crate) fn advance(&mut self, at: TimestampMs) -> Result<(), ReadError> {
        loop {
            let next = match self.next.take() {
                Some(next) => Some(next),
                None => self.changes.next().transpose()?,
            };
            match next {
                Some(next) if next.at <= at => self.in_force = Some(next),
                next => {
                    self.next = next;
                    return Ok(());
                }
            }
        }
    }

    /// What is in force of each series.
    pub(crate) fn readings(&self) -> impl Iterator<Item = Reading> + '_ {
        self.series.iter().map(|(measure, place)| {
            let told = self.in_force.as_ref().map(|frame| place.told(frame));
            Reading::or_gone(told.and_then(|told| value(*measure, told)))
        })
    }
}

/// What `/metrics` tells of a watch.
pub(crate) fn value(measure: Measure, told: Told) -> Option<f64> {
    match measure {
        Measure::MetricValue => number(told.metric_value),
        Measure::Target => number(told.target),
        _ => told.active.value().map(|active| active as f64),
    }
}
