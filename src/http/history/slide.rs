//! Slides the estimator's window over recorded ticks.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    estimator::{GroupEstimate, GroupStatus, Parameters, Reach, TopicEstimate, Wanted, Window},
    model::{Frame, Partition, TimestampMs, TopicName},
    store::Level,
};

use super::{
    super::{error::ApiError, gate::Allowance, joined::Joined, narrow::Narrowing},
    extremes::{Extremes, LagRange},
    grid::Grid,
    metric::Point,
    request::{Detail, Request},
    rows::{Row, RowSink, RowWriter, Telling},
};

/// One answer in the making.
pub(super) struct Slide<'a, S> {
    request: &'a Request,
    parameters: &'a Parameters,
    allowance: &'a Allowance,
    narrowing: Narrowing,
    window: Window,
    /// If they are asked for.
    extremes: Option<Extremes>,
    writer: RowWriter<'a, S>,
    /// The step of the window's newest tick, if it is yet to be written.
    open: Option<i64>,
    /// The first step that is neither written nor open.
    next: i64,
    /// Steps of a gap at the start, whose rows are not known yet.
    leading: i64,
    /// What was told last.
    rows: Vec<Row>,
    /// Topics that have had a reading: before its first, a topic has no rows.
    seen: BTreeSet<TopicName>,
    /// How far apart the ticks are that come now.
    cadence: Duration,
}

impl<'a, S: RowSink> Slide<'a, S> {
    pub(super) fn new(
        request: &'a Request,
        parameters: &'a Parameters,
        reach: Duration,
        narrowing: Narrowing,
        extremes: Option<Extremes>,
        writer: RowWriter<'a, S>,
        allowance: &'a Allowance,
    ) -> Self {
        Self {
            request,
            parameters,
            allowance,
            narrowing,
            window: Window::new(Reach::all(reach)),
            extremes,
            writer,
            open: None,
            next: 0,
            leading: 0,
            rows: Vec::new(),
            seen: BTreeSet::new(),
            cadence: request.cadence,
        }
    }

    /// Writes the answer. `frames` begin some time before the range and go on
    /// to the newest; `began_before`: there are frames before the range, if
    /// perhaps none among these.
    pub(super) fn over(
        mut self,
        mut frames: Joined,
        began_before: bool,
    ) -> Result<S::Made, ApiError> {
        while let Some(frame) = frames.next() {
            self.allowance.check()?;
            let frame = frame?;
            self.note(frames.told_level());
            let is_beyond = frame.at > self.grid().to();
            if is_beyond {
                self.advance(self.grid().len(), frame.at, began_before)?;
            } else if frame.at >= self.grid().from() {
                let step = self.grid().step_of(frame.at);
                if self.open != Some(step) {
                    self.advance(step, frame.at, began_before)?;
                    self.open = Some(step);
                    self.next = step + 1;
                }
            }
            self.push(frame);
            if is_beyond {
                break;
            }
        }
        self.close()?;
        self.tell_leading()?;
        self.writer.finish()
    }

    /// Writes an answer with a row for each tick in the range, judged by that tick
    /// alone. `frames` as for [`over`](Self::over).
    pub(super) fn over_each_tick(mut self, mut frames: Joined) -> Result<S::Made, ApiError> {
        while let Some(frame) = frames.next() {
            self.allowance.check()?;
            let frame = frame?;
            let at = frame.at;
            if at > self.grid().to() {
                break;
            }
            self.note(frames.told_level());
            self.push(frame);
            if at >= self.grid().from() {
                let rows = self.judge(at)?;
                self.writer.write(at, &rows, Telling::Values)?;
            }
        }
        self.writer.finish()
    }

    fn push(&mut self, frame: Frame) {
        let index = self.narrowing.index(&frame);
        self.window.push(index, Arc::new(frame));
    }

    fn note(&mut self, level: Level) {
        let apart = Duration::from_millis(level.resolution_ms().unsigned_abs());
        self.cadence = self.request.cadence.max(apart);
    }

    fn grid(&self) -> &'a Grid {
        &self.request.grid
    }

    /// Writes the open step and those without a tick before `step`, in which
    /// the next tick is.
    fn advance(
        &mut self,
        step: i64,
        next_tick: TimestampMs,
        began_before: bool,
    ) -> Result<(), ApiError> {
        self.close()?;
        if self.next >= step {
            return Ok(());
        }
        let Some(last_tick) = self.window.as_of() else {
            if began_before {
                self.leading = step;
            }
            return Ok(());
        };
        if self.next == 0 {
            self.rows = self.judge(last_tick)?;
        }
        // A step shorter than the polls' interval, or one that just missed its
        // tick, is no gap.
        let telling = if next_tick.since(last_tick) <= self.cadence * 3 / 2 {
            Telling::Values
        } else {
            Telling::Gap
        };
        for step in self.next..step {
            self.allowance.check()?;
            self.writer
                .write(self.grid().start(step), &self.rows, telling)?;
        }
        self.next = step;
        Ok(())
    }

    fn close(&mut self) -> Result<(), ApiError> {
        let Some(step) = self.open.take() else {
            return Ok(());
        };
        let start = self.grid().start(step);
        self.rows = self.judge(start)?;
        self.tell_leading()?;
        self.writer.write(start, &self.rows, Telling::Values)
    }

    /// Tells the gap at the start, now that the rows are known.
    fn tell_leading(&mut self) -> Result<(), ApiError> {
        if self.leading > 0 && self.rows.is_empty() {
            self.rows = self.judge(self.grid().from())?;
        }
        for step in 0..std::mem::take(&mut self.leading) {
            self.allowance.check()?;
            self.writer
                .write(self.grid().start(step), &self.rows, Telling::Gap)?;
        }
        Ok(())
    }

    /// The rows as of the window's newest tick, from readings that are not
    /// older than `since`.
    fn judge(&mut self, since: TimestampMs) -> Result<Vec<Row>, ApiError> {
        let Some(as_of) = self.window.as_of() else {
            return Ok(Vec::new());
        };
        if let Some(extremes) = &mut self.extremes {
            extremes.advance(since, as_of, self.allowance)?;
        }
        let parameters = Parameters {
            max_staleness: as_of.since(since),
            ..*self.parameters
        };
        let group = self.request.group.as_str();
        let wanted = if self.request.looks_back() {
            Wanted::SHOWN
        } else {
            Wanted::OFFSETS
        };
        let window = &self.window;
        let estimate = window.estimate_group(group, wanted, &parameters, as_of);
        let status = || window.status(group, &parameters, as_of);
        let status = self.request.asks_status().then(status).flatten();
        let rows_of = |estimate| self.rows_of(&estimate, status.as_ref());
        Ok(estimate.map_or_else(Vec::new, rows_of))
    }

    fn rows_of(&mut self, estimate: &GroupEstimate, status: Option<&GroupStatus>) -> Vec<Row> {
        let mut rows = Vec::new();
        for topic in &estimate.topics {
            if !self.seen.contains(&topic.topic) {
                if !has_reading(topic) {
                    continue;
                }
                self.seen.insert(topic.topic.clone());
            }
            self.append_rows(topic, estimate, status, &mut rows);
        }
        rows
    }

    fn append_rows(
        &self,
        topic: &TopicEstimate,
        group: &GroupEstimate,
        status: Option<&GroupStatus>,
        rows: &mut Vec<Row>,
    ) {
        let row = |partition, point: &Point| {
            let mut values = Vec::with_capacity(self.request.metrics.len() + 1);
            for metric in &self.request.metrics {
                metric.append(point, &mut values);
            }
            Row {
                topic: topic.topic.clone(),
                partition,
                values,
            }
        };
        let lags = |partition| {
            let extremes = self.extremes.as_ref();
            extremes.map_or(LagRange::default(), |extremes| {
                extremes.of(&topic.topic, partition)
            })
        };
        if self.request.detail == Detail::Topics {
            let verdict = status.and_then(|status| status.topic_verdict(&topic.topic));
            let point = Point::of_topic(topic, group, lags(None), verdict);
            rows.push(row(None, &point));
            return;
        }
        for (partition, standing) in &topic.partitions {
            if self.is_asked(*partition) {
                let lags = lags(Some(*partition));
                let verdict =
                    status.and_then(|status| status.partition_verdict(&topic.topic, *partition));
                let point = Point::of_partition(standing, group, lags, verdict);
                rows.push(row(Some(*partition), &point));
            }
        }
    }

    fn is_asked(&self, partition: Partition) -> bool {
        match self.request.detail {
            Detail::Topics | Detail::AllPartitions => true,
            Detail::OnePartition(asked) => asked == partition,
        }
    }
}

fn has_reading(topic: &TopicEstimate) -> bool {
    let totals = &topic.totals;
    totals.unknown_partitions < totals.partitions || totals.unknown_since.is_some()
}
