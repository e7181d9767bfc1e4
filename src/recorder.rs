//! The one writer: each tick is made durable, and only then published.
//!
//! It runs on a thread of its own, since each commit waits for the disk. When
//! the disk fails, scaling goes on from memory: the tick is published all the
//! same, and [`RecorderStatus`] says that a restart would forget it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tracing::{error, info};

use crate::{
    board::{BoardPublisher, Snapshot},
    estimator::Window,
    model::{ClusterName, Tick, TimestampMs, WatchChange},
    store::{ReadError, Store, Writer},
};

/// How recording goes; read by health and metrics.
#[derive(Debug, Default)]
pub struct RecorderStatus {
    recorded_ticks: AtomicU64,
    failed_ticks: AtomicU64,
    last_record_us: AtomicU64,
    failure: Mutex<Option<String>>,
}

impl RecorderStatus {
    /// Ticks made durable since the start.
    pub fn recorded_ticks(&self) -> u64 {
        self.recorded_ticks.load(Ordering::Relaxed)
    }

    /// Ticks that could not be made durable since the start.
    pub fn failed_ticks(&self) -> u64 {
        self.failed_ticks.load(Ordering::Relaxed)
    }

    /// How long the last durable transaction took.
    pub fn last_record(&self) -> Duration {
        Duration::from_micros(self.last_record_us.load(Ordering::Relaxed))
    }

    /// Why the newest tick is not durable; `None`: it is.
    pub fn failure(&self) -> Option<String> {
        self.lock_failure().clone()
    }

    fn lock_failure(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        // A text can't be left half changed by a panic elsewhere.
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one writer.
#[derive(Debug)]
pub struct Recorder {
    writer: Writer,
    board: BoardPublisher,
    span: Duration,
    windows: BTreeMap<ClusterName, Window>,
    status: Arc<RecorderStatus>,
}

impl Recorder {
    /// A recorder whose windows reach back as far as `span`.
    pub fn new(writer: Writer, board: BoardPublisher, span: Duration) -> Self {
        Self {
            writer,
            board,
            span,
            windows: BTreeMap::new(),
            status: Arc::default(),
        }
    }

    /// How recording goes.
    pub fn status(&self) -> Arc<RecorderStatus> {
        Arc::clone(&self.status)
    }

    /// Rebuilds the windows of `clusters` from the store and publishes them,
    /// so that the first answer after a start needs no window to fill.
    pub fn restore<'a>(
        &mut self,
        store: &Store,
        clusters: impl IntoIterator<Item = &'a ClusterName>,
    ) -> Result<(), ReadError> {
        for cluster in clusters {
            let Some((_, newest)) = store.span(cluster)? else {
                continue;
            };
            let from = newest.minus(self.span);
            let index = Arc::new(store.index(cluster)?.unwrap_or_default());
            let mut window = Window::new(self.span);
            for frame in store.frames(cluster, from, newest)? {
                window.push(Arc::clone(&index), Arc::new(frame?));
            }
            let gaps = store.gaps(cluster, newest, newest)?;
            let gaps = gaps.into_iter().next_back().unwrap_or_default().1;
            info!(%cluster, ticks = window.len(), newest = %newest, "history restored");
            self.windows.insert(cluster.clone(), window.clone());
            let gaps = gaps.into();
            self.board
                .publish(cluster.clone(), Snapshot { window, gaps });
        }
        Ok(())
    }

    /// Records until `ticks` is closed. Blocks: give it a thread.
    pub fn run(
        mut self,
        mut ticks: mpsc::Receiver<Tick>,
        mut changes: mpsc::Receiver<WatchChange>,
    ) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    tick = ticks.recv() => match tick {
                        Some(tick) => self.take(&tick),
                        None => break,
                    },
                    Some(change) = changes.recv() => self.keep(change),
                }
            }
        });
        while let Ok(change) = changes.try_recv() {
            self.keep(change);
        }
        Ok(())
    }

    fn take(&mut self, tick: &Tick) {
        let started = Instant::now();
        let placed = self.writer.place(tick);
        let recorded = self.writer.record(&placed, &tick.gaps);
        let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.status
            .last_record_us
            .store(elapsed_us, Ordering::Relaxed);
        self.note(tick.at, recorded.map_err(|cause| cause.to_string()));

        let window = self
            .windows
            .entry(tick.cluster.clone())
            .or_insert_with(|| Window::new(self.span));
        window.push(placed.index, placed.frame);
        let snapshot = Snapshot {
            window: window.clone(),
            gaps: tick.gaps.as_slice().into(),
        };
        self.board.publish(tick.cluster.clone(), snapshot);
    }

    /// A failure is logged when it begins and when it ends, and counted.
    fn note(&self, at: TimestampMs, recorded: Result<(), String>) {
        let mut failure = self.status.lock_failure();
        match recorded {
            Ok(()) => {
                self.status.recorded_ticks.fetch_add(1, Ordering::Relaxed);
                if failure.take().is_some() {
                    info!(%at, "history is recorded again");
                }
            }
            Err(cause) => {
                self.status.failed_ticks.fetch_add(1, Ordering::Relaxed);
                if failure.is_none() {
                    error!(%at, %cause, "history is not recorded; scaling goes on from memory");
                }
                *failure = Some(cause);
            }
        }
    }

    fn keep(&mut self, change: WatchChange) {
        let kept = match &change {
            WatchChange::Put(records) => self.writer.put_watches(records),
            WatchChange::Remove(keys) => self.writer.remove_watches(keys),
        };
        if let Err(cause) = kept {
            error!(%cause, "watches are not kept; after a restart they wait to be asked for");
        }
    }
}
