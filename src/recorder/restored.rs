//! What the store knows of a cluster that a recorder goes on with.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    estimator::{Reach, Window},
    logging::in_full,
    model::{ClusterName, Frame, Gap, TimestampMs},
    store::{Level, ReadError, Selection, Store},
};

use super::events::Settled;

/// Beyond so many times what a window holds in full it keeps the last tick of
/// each so many whole minutes: see its thinning.
const THIN_DENSES: u32 = 4;
/// Such a part of its span beyond a window's edge a tick is looked for, and so
/// far at least.
const BEYOND_PART: u32 = 8;
const LEAST_BEYOND: Duration = Duration::from_mins(1);
const MINUTE_MS: i64 = 60_000;

/// The newest ticks of a cluster, as the store has them.
#[derive(Debug)]
pub struct Restored {
    pub(super) window: Window,
    pub(super) gaps: Arc<[Gap]>,
    pub(super) settled: Settled,
}

impl Restored {
    /// The ticks that were read.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// The ticks of `cluster` as far back as `reach`; `None` if it has none.
    /// Reads on no further when `cancel` is cancelled. Blocks on the disk.
    pub fn read(
        store: &Store,
        cluster: &ClusterName,
        reach: Reach,
        cancel: &CancellationToken,
    ) -> Result<Option<Self>, ReadError> {
        let Some((_, newest)) = store.span(cluster)? else {
            return Ok(None);
        };
        let reading = Reading {
            store,
            cluster,
            reach,
            newest,
            cancel,
        };
        let (window, settled) = reading.whole_window()?;
        let gaps = store.gaps(cluster, newest, newest)?;
        let gaps = gaps.into_iter().next_back().unwrap_or_default().1;
        info!(%cluster, ticks = window.len(), newest = %newest, "history restored");
        Ok(Some(Self {
            window,
            gaps: gaps.into(),
            settled,
        }))
    }
}

struct Reading<'a> {
    store: &'a Store,
    cluster: &'a ClusterName,
    reach: Reach,
    newest: TimestampMs,
    cancel: &'a CancellationToken,
}

impl Reading<'_> {
    /// The window as of the newest tick. What is damaged beyond the head, which
    /// was read when it was opened, makes it shorter.
    fn whole_window(&self) -> Result<(Window, Settled), ReadError> {
        // A window holds one tick beyond its edge, too, which is a slot away.
        let beyond = (self.reach.span / BEYOND_PART).max(LEAST_BEYOND);
        let whole = self.newest.minus(self.reach.span + beyond);
        self.window_since(whole).or_else(|cause| {
            let head = self.store.head_start(self.cluster)?;
            let from = head.unwrap_or(self.newest).max(whole);
            let (cluster, cause) = (self.cluster, in_full(&cause));
            error!(%cluster, cause, %from, "history is damaged; windows begin later");
            self.window_since(from)
        })
    }

    fn window_since(&self, from: TimestampMs) -> Result<(Window, Settled), ReadError> {
        let index = Arc::new(self.store.index(self.cluster)?.unwrap_or_default());
        let mut window = Window::new(self.reach);
        let mut settled = Settled::default();
        for frame in self.frames(from)? {
            if self.cancel.is_cancelled() {
                break;
            }
            let frame = Arc::new(frame?);
            settled.take_in(&index, &frame); // Those events are recorded.
            window.push(Arc::clone(&index), frame);
        }
        Ok((window, settled))
    }

    /// Of what a window thins out to less than a tick a minute, one a minute is
    /// read, which is the one that it keeps.
    fn frames(
        &self,
        from: TimestampMs,
    ) -> Result<impl Iterator<Item = Result<Frame, ReadError>>, ReadError> {
        let (store, cluster) = (self.store, self.cluster);
        let thin = self.newest.minus(self.reach.dense * THIN_DENSES);
        let thin = thin.minus(Duration::from_millis(
            thin.0.rem_euclid(MINUTE_MS).unsigned_abs(),
        ));
        let (all, minutes) = (Selection::All, Level::Minutes);
        let coarse = if from < thin {
            let until = TimestampMs(thin.0 - 1);
            Some(store.frames_of(cluster, all.clone(), minutes, from, until)?)
        } else {
            None
        };
        let fine = store.frames(cluster, from.max(thin), self.newest)?;
        Ok(coarse.into_iter().flatten().chain(fine))
    }
}
