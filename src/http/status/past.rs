//! A status at a time in the past.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    estimator::{GroupStatus, MAX_COMMITS, Parameters, Reach, Window},
    model::{ClusterName, GroupId, TimestampMs},
    store::{Frames, Level, ReadError, Selection, Store},
};

use super::super::{
    backwards,
    error::ApiError,
    gate::Allowance,
    joined::{Joined, Span},
    narrow::Narrowing,
    query::Range,
};

/// Where history has no raw ticks any more, so many of those that it has are
/// looked at: three times as many as commits are judged.
const COARSE_TICKS: u32 = 3 * MAX_COMMITS as u32;

/// Judges what was recorded of one cluster.
pub(super) struct Past<'a> {
    pub(super) store: &'a Store,
    pub(super) cluster: &'a ClusterName,
    pub(super) allowance: &'a Allowance,
    /// How far back a live answer looks.
    pub(super) look_back: Duration,
    pub(super) parameters: &'a Parameters,
}

/// What was judged, and from what.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) status: Option<GroupStatus>,
    /// The newest tick by then.
    pub(super) as_of: Option<TimestampMs>,
    pub(super) levels: BTreeSet<Level>,
}

impl Past<'_> {
    /// The status as of `at`: that which a live answer gave then, if there are
    /// raw ticks of that time.
    pub(super) fn judge(
        &self,
        group: &GroupId,
        mut narrowing: Narrowing,
        at: TimestampMs,
    ) -> Result<Judged, ApiError> {
        let Some(newest) = self.newest_tick(at)? else {
            return Ok(Judged::default());
        };
        let columns = narrowing.selection();
        let ticks = |from| self.ticks(columns.clone(), from, newest);
        let coarsest = ticks(newest.minus(self.look_back))?.levels()?.pop_last();
        let apart = coarsest.map_or(Duration::ZERO, |level| {
            Duration::from_millis(level.resolution_ms().unsigned_abs())
        });
        let reach = self.look_back.max(apart * COARSE_TICKS);
        let edge = newest.minus(reach);
        // As a live window: one tick beyond.
        let beyond = self.newest_tick(TimestampMs(edge.0.saturating_sub(1)))?;
        let frames = ticks(beyond.unwrap_or(edge))?;
        let levels = frames.levels()?;
        let mut window = Window::new(Reach::all(reach));
        for frame in frames {
            self.allowance.check()?;
            let frame = frame?;
            window.push(narrowing.index(&frame), Arc::new(frame));
        }
        let parameters = Parameters {
            // Between two ticks of hours nothing younger can be had.
            max_staleness: self.parameters.max_staleness.max(apart * 2),
            ..*self.parameters
        };
        Ok(Judged {
            status: window.status(group.as_str(), &parameters, at),
            as_of: Some(newest),
            levels,
        })
    }

    fn ticks(
        &self,
        columns: Selection,
        from: TimestampMs,
        to: TimestampMs,
    ) -> Result<Frames, ReadError> {
        let store = self.store;
        store.frames_of(self.cluster, columns, Level::Raw, from, to)
    }

    /// When the newest tick up to `until` was taken.
    fn newest_tick(&self, until: TimestampMs) -> Result<Option<TimestampMs>, ApiError> {
        let (store, cluster) = (self.store, self.cluster);
        backwards::newest(store, cluster, until, self.look_back, |range| {
            self.newest_tick_in(range)
        })
    }

    fn newest_tick_in(&self, range: Range) -> Result<Option<TimestampMs>, ApiError> {
        let span = Span::of_hours(self.cluster, range);
        let times = Selection::Columns(Arc::default());
        let mut newest = None;
        for frame in Joined::open(self.store, span, times) {
            self.allowance.check()?;
            newest = Some(frame?.at);
        }
        Ok(newest)
    }
}
