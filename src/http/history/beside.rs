//! What KEDA was told, beside what was recorded of the group.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    model::{ClusterName, Frame, TimestampMs, Told, ToldSeries, TopicName, WatchName},
    store::{Frames, ReadError, Store},
};

use super::{
    super::{
        error::ApiError,
        told::{flag, implied_replicas, number, shown_key},
    },
    request::Request,
};

/// One part of what KEDA is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToldMetric {
    MetricValue,
    Target,
    Active,
    ImpliedReplicas,
}

impl ToldMetric {
    pub(super) const ALL: [Self; 4] = [
        Self::MetricValue,
        Self::Target,
        Self::Active,
        Self::ImpliedReplicas,
    ];

    /// Its name, and its key in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MetricValue => "metric_value",
            Self::Target => "target",
            Self::Active => "active",
            Self::ImpliedReplicas => "implied_replicas",
        }
    }

    pub(super) fn of(self, told: Told) -> Value {
        match self {
            Self::MetricValue => number(told.metric_value).into(),
            Self::Target => number(told.target).into(),
            Self::Active => flag(told.active).into(),
            Self::ImpliedReplicas => implied_replicas(told).into(),
        }
    }
}

/// What was in force at the end of each row's step.
#[derive(Debug)]
pub(super) struct Beside<'a> {
    request: &'a Request,
    /// Those of the group.
    watches: Vec<(Arc<WatchName>, ToldSeries)>,
    frames: Frames,
    in_force: Option<Frame>,
    next: Option<Frame>,
}

impl<'a> Beside<'a> {
    /// `None` if nothing of it is asked for.
    pub(super) fn open(
        store: &Store,
        cluster: &ClusterName,
        request: &'a Request,
    ) -> Result<Option<Self>, ReadError> {
        if request.told.is_empty() {
            return Ok(None);
        }
        let index = store.told_index()?.unwrap_or_default();
        let of_group = |watch: &WatchName| {
            watch.cluster == *cluster && watch.group.as_ref() == Some(&request.group)
        };
        let watches = index.watches().iter();
        let watches = watches.filter(|(watch, _)| of_group(watch));
        Ok(Some(Self {
            request,
            watches: watches
                .map(|(watch, series)| (Arc::clone(watch), series.clone()))
                .collect(),
            frames: store.told(request.grid.from(), request.grid.to())?,
            in_force: None,
            next: None,
        }))
    }

    /// Goes on to the row at `time`, which is after the one before.
    pub(super) fn advance(&mut self, time: TimestampMs) -> Result<(), ApiError> {
        let until = self.end_of_step(time);
        loop {
            let next = match self.next.take() {
                Some(next) => Some(next),
                None => self.frames.next().transpose()?,
            };
            match next {
                Some(next) if next.at <= until => self.in_force = Some(next),
                next => {
                    self.next = next;
                    return Ok(());
                }
            }
        }
    }

    /// What was told of the group in `topic`; an error if that is not one thing.
    pub(super) fn told(&self, topic: &TopicName) -> Result<Told, ApiError> {
        let Some(frame) = &self.in_force else {
            return Ok(Told::NOTHING);
        };
        let watches = self.watches.iter();
        let of_topic =
            watches.filter(|(watch, _)| watch.topic.as_ref().is_none_or(|of| of == topic));
        let told = of_topic.map(|(watch, series)| (watch, series.told(frame)));
        let mut told = told.filter(|(_, told)| !told.is_unknown());
        let Some((one, first)) = told.next() else {
            return Ok(Told::NOTHING);
        };
        let others: Vec<_> = told.map(|(watch, _)| shown_key(watch)).collect();
        if others.is_empty() {
            return Ok(first);
        }
        Err(ApiError::AmbiguousWatch {
            group: self.request.group.to_string(),
            topic: topic.to_string(),
            watches: [&[shown_key(one)], &others[..]].concat().join(" and "),
        })
    }

    fn end_of_step(&self, time: TimestampMs) -> TimestampMs {
        if self.request.every_tick {
            return time;
        }
        let grid = &self.request.grid;
        let next = grid.start(grid.step_of(time) + 1);
        next.minus(Duration::from_millis(1)).min(grid.to())
    }
}
