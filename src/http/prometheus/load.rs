//! Reads the samples that a selector needs.
//!
//! **Levels.** A query over no more than [`EXACT_SPAN_MS`] is told from ticks as
//! they were recorded. A longer one from the coarsest level whose ticks are no
//! further apart than its step, and of which a range window holds at least
//! [`WINDOW_TICKS`]. A sample counts for [`LOOKBACK_MS`] as in Prometheus, or for
//! two ticks of the level that it came from (or was meant to come from) if that
//! is longer; and where a range window would hold fewer than three ticks of that
//! level, it is widened to three.

use std::time::Duration;

use crate::{
    http::{
        HttpState,
        gate::Allowance,
        joined::{Joined, Span},
        query::Range,
        recorded::{Estimates, Promises, Reading},
    },
    model::{ClusterName, Frame, TimestampMs},
    store::{Level, Selection},
};

use super::{
    failure::Failure,
    select::{Batch, Reader},
};

/// Prometheus' default.
pub(super) const LOOKBACK_MS: i64 = 5 * 60 * 1000;
/// 1,440 ticks at the default interval, of which most are still in memory.
const EXACT_SPAN_MS: i64 = 4 * 3_600_000;
const WINDOW_TICKS: i64 = 10;
/// Of the level that they come from.
const LOOKBACK_TICKS: i64 = 2;
const WIDENED_TICKS: i64 = 3;

/// When samples are needed.
#[derive(Debug)]
pub(super) struct Need<'a> {
    /// The times that are asked about, ascending.
    pub(super) times: &'a [i64],
    /// How far apart they are.
    pub(super) step: i64,
    /// Of a range vector.
    pub(super) window: Option<i64>,
}

/// Where samples go. `resolution`: how far apart the ticks of the level are that
/// they came from or were meant to come from; 0: as they were recorded.
pub(super) trait Sink {
    /// Is a tick needed of which the next one is at `next`?
    fn needs(&self, at: i64, next: i64) -> bool;

    /// What a tick tells, series by series.
    fn take(
        &mut self,
        at: i64,
        resolution: i64,
        readings: &mut dyn Iterator<Item = Reading>,
    ) -> Result<(), Failure>;
}

impl Need<'_> {
    fn first(&self) -> i64 {
        self.times.first().copied().unwrap_or_default()
    }

    fn last(&self) -> i64 {
        self.times.last().copied().unwrap_or_default()
    }

    fn level(&self) -> Level {
        let window = self.window.unwrap_or_default();
        if self.last() - self.first() + window <= EXACT_SPAN_MS {
            return Level::Raw;
        }
        let by_window = self.window.map_or(i64::MAX, |window| window / WINDOW_TICKS);
        let apart = by_window.min(match self.first() == self.last() {
            true => i64::MAX,
            false => self.step,
        });
        Level::serving(Duration::from_millis(apart.max(0).unsigned_abs()))
    }

    /// How long before the first time samples can count.
    fn back(&self, resolution: i64) -> i64 {
        match self.window {
            None => lookback(resolution),
            Some(window) => widened(window, resolution).max(LOOKBACK_MS),
        }
    }
}

/// How long a sample counts.
pub(super) fn lookback(resolution: i64) -> i64 {
    LOOKBACK_MS.max(LOOKBACK_TICKS * resolution)
}

/// How long a range window is.
pub(super) fn widened(window: i64, resolution: i64) -> i64 {
    window.max(WIDENED_TICKS * resolution)
}

/// Reads one batch into `sink`.
pub(super) fn read(
    state: &HttpState,
    batch: &mut Batch,
    need: &Need<'_>,
    allowance: &Allowance,
    sink: &mut impl Sink,
) -> Result<(), Failure> {
    let level = need.level();
    let span = Reach {
        state,
        cluster: &batch.cluster,
        level,
        from: need.first() - back(state, &batch.cluster, need, level)?,
        to: need.last(),
    };
    match &mut batch.reader {
        Reader::Offsets(offsets) => {
            for frame in span.frames(0, offsets.selection()) {
                allowance.check()?;
                let (frame, resolution) = frame?;
                offsets.push(&frame);
                sink.take(frame.at.0, resolution, &mut offsets.readings(&frame))?;
            }
            Ok(())
        }
        Reader::Estimates(estimates, reach) => span.judge(estimates, *reach, allowance, sink),
        Reader::Told(told) => {
            let range = (TimestampMs(span.from), TimestampMs(span.to));
            let mut promises = Promises::open(&state.store, told, &batch.series, range)?;
            for frame in span.frames(0, Promises::selection()) {
                allowance.check()?;
                let (frame, resolution) = frame?;
                promises.advance(frame.at)?;
                sink.take(frame.at.0, resolution, &mut promises.readings())?;
            }
            Ok(())
        }
    }
}

/// How long before the first time to begin: where there are but minutes or hours
/// by then, longer.
fn back(
    state: &HttpState,
    cluster: &ClusterName,
    need: &Need<'_>,
    level: Level,
) -> Result<i64, Failure> {
    let longest = need.back(Level::Hours.resolution_ms());
    let (none, first) = (Selection::Columns([].into()), need.first());
    let (from, to) = (TimestampMs(first - longest), TimestampMs(first));
    let frames = state.store.frames_of(cluster, none, level, from, to)?;
    let coarsest = frames.levels()?.into_iter().max().unwrap_or(level);
    Ok(need.back(coarsest.max(level).resolution_ms()))
}

/// What is read of one cluster.
#[derive(Debug, Clone, Copy)]
struct Reach<'a> {
    state: &'a HttpState,
    cluster: &'a ClusterName,
    level: Level,
    from: i64,
    to: i64,
}

impl Reach<'_> {
    /// Judges a group at those ticks that are needed, which is known of a tick when
    /// the next one comes. `reach`: how far back it looks.
    fn judge(
        &self,
        estimates: &mut Estimates,
        reach: Duration,
        allowance: &Allowance,
        sink: &mut impl Sink,
    ) -> Result<(), Failure> {
        let reach = i64::try_from(reach.as_millis()).unwrap_or(i64::MAX);
        let in_reach = |tick: &(i64, i64)| tick.0 >= self.from;
        let mut newest = None;
        for frame in self.frames(reach, estimates.selection()) {
            allowance.check()?;
            let (frame, resolution) = frame?;
            let next = frame.at.0;
            if let Some((at, resolution)) = newest.filter(in_reach)
                && sink.needs(at, next)
            {
                sink.take(at, resolution, &mut estimates.readings().into_iter())?;
            }
            newest = Some((next, resolution));
            estimates.push(frame);
        }
        match newest.filter(in_reach) {
            Some((at, resolution)) => {
                sink.take(at, resolution, &mut estimates.readings().into_iter())
            }
            None => Ok(()),
        }
    }

    /// The frames, and `before` ms of them more, each with its resolution.
    fn frames(
        &self,
        before: i64,
        selection: Selection,
    ) -> impl Iterator<Item = Result<(Frame, i64), Failure>> {
        let (from, to) = (TimestampMs(self.from), TimestampMs(self.to));
        let span = Span {
            cluster: self.cluster,
            level: self.level,
            since: TimestampMs(self.from - before),
            range: Range { from, to },
            until: to,
        };
        let asked = self.level.resolution_ms();
        let mut frames = Joined::open(&self.state.store, span, selection);
        std::iter::from_fn(move || {
            let frame = frames.next()?;
            let resolution = asked.max(frames.told_level().resolution_ms());
            Some(
                frame
                    .map(|frame| (frame, resolution))
                    .map_err(Failure::from),
            )
        })
    }
}
