//! An answer that waits to be asked for.

use std::time::Duration;

use tonic::metadata::AsciiMetadataValue;

use crate::{
    estimator::{Freshness, Parameters},
    model::TimestampMs,
};

use super::{answer::NoAnswer, steady::Told};

/// What is told of a watch's metrics since its cluster's newest tick.
#[derive(Debug)]
pub(super) struct Judged {
    /// Of which tick; `None`: its cluster has not been read yet.
    pub(super) tick: Option<TimestampMs>,
    /// By metric, in the trigger's order.
    pub(super) metrics: Vec<JudgedMetric>,
    /// Has none of its groups committed anything?
    pub(super) is_without_commits: bool,
}

/// What is told of one metric.
#[derive(Debug)]
pub(super) struct JudgedMetric {
    told: Result<Told, NoAnswer>,
    /// Of a known one, when its oldest reading was taken, as it is sent.
    as_of: Option<AsciiMetadataValue>,
}

/// One metric, as KEDA is told.
#[derive(Debug)]
pub(super) struct Answer<T> {
    pub(super) told: T,
    pub(super) age: Age,
}

/// How old the oldest reading in an answer is.
#[derive(Debug)]
pub(super) struct Age {
    /// When it was taken, as it is sent.
    pub(super) as_of: AsciiMetadataValue,
    pub(super) freshness: Freshness,
}

impl Age {
    /// The older of two. Times of one length, as they are sent, sort as text.
    pub(super) fn older(self, other: Self) -> Self {
        let is_older = other.as_of.as_bytes() < self.as_of.as_bytes();
        if is_older { other } else { self }
    }
}

/// The readings of an answer are too old by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expired;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Missing {
    /// It was not known at the tick.
    NoAnswer(NoAnswer),
    /// It was, too long ago.
    Expired,
}

impl Judged {
    /// The value of the metric at `place`.
    pub(super) fn metric(
        &self,
        place: usize,
        parameters: &Parameters,
        now: TimestampMs,
    ) -> Result<Answer<f64>, Missing> {
        match self.metrics.get(place) {
            Some(metric) => metric.value(parameters, now),
            // A reload has just changed what is asked.
            None => Err(Missing::Expired),
        }
    }

    /// Has each metric a value at `now`?
    pub(super) fn is_known(&self, parameters: &Parameters, now: TimestampMs) -> bool {
        let mut metrics = self.metrics.iter();
        metrics.all(|metric| metric.value(parameters, now).is_ok())
    }
}

impl JudgedMetric {
    pub(super) fn of(told: Result<Told, NoAnswer>) -> Self {
        let as_of = told.as_ref().ok().map(|told| told.as_of.to_string());
        Self {
            as_of: as_of.and_then(|as_of| as_of.parse().ok()),
            told,
        }
    }

    /// Its value at `now`.
    pub(super) fn value(
        &self,
        parameters: &Parameters,
        now: TimestampMs,
    ) -> Result<Answer<f64>, Missing> {
        self.answer(parameters, now, |told| told.value.clone())
    }

    /// Is there anything to do at `now`?
    pub(super) fn is_active(
        &self,
        parameters: &Parameters,
        now: TimestampMs,
    ) -> Result<Answer<bool>, Missing> {
        self.answer(parameters, now, |told| told.is_active.clone())
    }

    fn answer<T>(
        &self,
        parameters: &Parameters,
        now: TimestampMs,
        part: impl Fn(&Told) -> Result<T, NoAnswer>,
    ) -> Result<Answer<T>, Missing> {
        let told = self
            .told
            .as_ref()
            .map_err(|cause| Missing::NoAnswer(cause.clone()))?;
        let freshness =
            freshness(now.since(told.as_of), parameters).map_err(|Expired| Missing::Expired)?;
        Ok(Answer {
            told: part(told).map_err(Missing::NoAnswer)?,
            age: Age {
                as_of: self.as_of.clone().ok_or(Missing::Expired)?,
                freshness,
            },
        })
    }
}

fn freshness(age: Duration, parameters: &Parameters) -> Result<Freshness, Expired> {
    if age <= parameters.fresh_for {
        Ok(Freshness::Fresh)
    } else if age <= parameters.max_staleness {
        Ok(Freshness::Stale)
    } else {
        Err(Expired)
    }
}
