//! The one writer: each tick is made durable, and only then published. What KEDA
//! was told since the tick before, and what happened, goes with it.
//!
//! It runs on a thread of its own, since each commit waits for the disk. When
//! the disk fails, scaling goes on from memory: the tick is published all the
//! same, and [`RecorderStatus`] says that a restart would forget it.

mod events;
mod reconfiguration;
mod restored;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    board::BoardPublisher,
    config::changed_sections,
    estimator::{Reach, Window},
    logging::in_full,
    model::{ClusterName, Event, EventKind, Gap, Tick, TimestampMs, ToldChange, WatchChange},
    store::{ReadError, Store, Writer},
    telemetry::spans,
};

use events::{Settled, gap_events};
pub use reconfiguration::{NewConfiguration, Reconfiguration};
pub use restored::Restored;

/// A tick takes some milliseconds of a disk that is well.
const SLOW: Duration = Duration::from_secs(1);

/// How recording goes; read by health and metrics.
#[derive(Debug, Default)]
pub struct RecorderStatus {
    recorded_ticks: AtomicU64,
    failed_ticks: AtomicU64,
    last_record_us: AtomicU64,
    failure: Mutex<Option<String>>,
    /// Since when the disk has been at work on a tick.
    recording_since: Mutex<Option<Instant>>,
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

    /// For how long the disk has been at work on the tick under way.
    pub fn recording_for(&self) -> Option<Duration> {
        let since = *self.lock_recording_since();
        since.map(|since| since.elapsed())
    }

    fn lock_recording_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.recording_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_failure(&self) -> MutexGuard<'_, Option<String>> {
        // A text can't be left half changed by a panic elsewhere.
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the recorder is told.
#[derive(Debug)]
pub struct Inbox {
    /// The ticks to record; the recorder ends when this is closed.
    pub ticks: mpsc::Receiver<Tick>,
    /// Watches that are to outlive the process, or not any more.
    pub watches: mpsc::Receiver<WatchChange>,
    /// Other configurations.
    pub reconfigurations: mpsc::Receiver<Reconfiguration>,
}

/// The one writer.
#[derive(Debug)]
pub struct Recorder {
    writer: Writer,
    board: BoardPublisher,
    reach: Reach,
    windows: BTreeMap<ClusterName, Window>,
    gaps: BTreeMap<ClusterName, Arc<[Gap]>>,
    settled: BTreeMap<ClusterName, Settled>,
    status: Arc<RecorderStatus>,
    is_slow: bool,
}

impl Recorder {
    /// A recorder whose windows reach back so far.
    pub fn new(writer: Writer, board: BoardPublisher, reach: Reach) -> Self {
        Self {
            writer,
            board,
            reach,
            windows: BTreeMap::new(),
            gaps: BTreeMap::new(),
            settled: BTreeMap::new(),
            status: Arc::default(),
            is_slow: false,
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
            let never = CancellationToken::new();
            if let Some(restored) = Restored::read(store, cluster, self.reach, &never)? {
                self.take_over(cluster.clone(), restored);
            }
        }
        Ok(())
    }

    /// Notes that the process starts at `at`, and whether `configuration`, a
    /// fingerprint a section, is another than at the start before. If the disk
    /// refuses it, that is recorded with the first tick.
    pub fn begin(&mut self, store: &Store, at: TimestampMs, configuration: &BTreeMap<String, u64>) {
        self.writer.forget_told(at);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.note_of_process(at, EventKind::Started { version });
        match store.configuration() {
            Ok(before) => {
                let sections = changed_sections(&before, configuration);
                if !before.is_empty() && !sections.is_empty() {
                    info!(?sections, "configuration has changed since the last start");
                    self.note_of_process(at, EventKind::ConfigurationChanged { sections });
                }
            }
            Err(cause) => error!(%cause, "the last start's configuration can't be read"),
        }
        if let Err(cause) = self.writer.put_configuration(configuration) {
            error!(%cause, "the start is not recorded");
        }
    }

    /// Records until no more ticks can come, and with each tick what `told`
    /// gives: what KEDA was told since it was asked last. Blocks: give it a
    /// thread.
    pub fn run(
        mut self,
        mut inbox: Inbox,
        mut told: impl FnMut() -> Vec<ToldChange>,
    ) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    tick = inbox.ticks.recv() => match tick {
                        Some(tick) => self.take_told(&tick, told()),
                        None => break,
                    },
                    Some(change) = inbox.watches.recv() => self.keep(change),
                    Some(new) = inbox.reconfigurations.recv() => {
                        while let Ok(tick) = inbox.ticks.try_recv() {
                            self.take_told(&tick, told());
                        }
                        self.reconfigure(new);
                    }
                }
            }
        });
        while let Ok(change) = inbox.watches.try_recv() {
            self.keep(change);
        }
        while let Ok(new) = inbox.reconfigurations.try_recv() {
            self.reconfigure(new);
        }
        self.writer.tell(told());
        self.note_of_process(TimestampMs::now(), EventKind::Stopped);
        self.flush();
        Ok(())
    }

    fn take_told(&mut self, tick: &Tick, told: Vec<ToldChange>) {
        self.writer.tell(told);
        self.take(tick);
    }

    fn take(&mut self, tick: &Tick) {
        let _span = spans::record(tick.cluster.as_str()).entered();
        let started = Instant::now();
        *self.status.lock_recording_since() = Some(started);
        let placed = self.writer.place(tick);
        self.note_gaps(tick);
        let settled = self.settled.entry(tick.cluster.clone()).or_default();
        let rebalances = settled.take_in(&placed.index, &placed.frame);
        self.note_of_cluster(tick, rebalances);
        let recorded = self.writer.record(&placed, &tick.gaps);
        *self.status.lock_recording_since() = None;
        self.took(started.elapsed());
        self.note(tick.at, recorded.map_err(|cause| in_full(&cause)));

        let window = self
            .windows
            .entry(tick.cluster.clone())
            .or_insert_with(|| Window::new(self.reach));
        window.push(placed.index, placed.frame);
        self.publish(tick.cluster.clone());
    }

    /// How long a tick took; logged when that becomes slow, not each time.
    fn took(&mut self, elapsed: Duration) {
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.status
            .last_record_us
            .store(elapsed_us, Ordering::Relaxed);
        let is_slow = elapsed >= SLOW;
        if is_slow && !self.is_slow {
            warn!(?elapsed, "the disk is slow: polls wait for it");
        }
        self.is_slow = is_slow;
    }

    /// The tick's gaps are noted when they change, not each tick, and logged when
    /// there are new ones, and when all have gone.
    fn note_gaps(&mut self, tick: &Tick) {
        let known = self.gaps.entry(tick.cluster.clone()).or_default();
        let mut events = Vec::new();
        if **known != *tick.gaps {
            events = gap_events(known, &tick.gaps);
            match tick.gaps.first() {
                Some(first) if events.iter().any(is_begun) => {
                    let (count, code) = (tick.gaps.len(), &first.reason.code);
                    warn!(cluster = %tick.cluster, count, code, %first, "what can't be read has changed");
                }
                Some(_) => {}
                None => info!(cluster = %tick.cluster, "all is read again"),
            }
            *known = tick.gaps.as_slice().into();
        }
        self.note_of_cluster(tick, events);
    }

    fn note_of_cluster(&mut self, tick: &Tick, kinds: Vec<EventKind>) {
        for kind in kinds {
            self.writer.note(Event {
                at: tick.at,
                cluster: Some(tick.cluster.clone()),
                kind,
            });
        }
    }

    fn note_of_process(&mut self, at: TimestampMs, kind: EventKind) {
        self.writer.note(Event {
            at,
            cluster: None,
            kind,
        });
    }

    fn flush(&mut self) {
        if let Err(cause) = self.writer.flush() {
            error!(%cause, "what happened last is not recorded");
        }
    }

    /// A failure is logged and noted when it begins and when it ends, and
    /// counted.
    fn note(&mut self, at: TimestampMs, recorded: Result<(), String>) {
        let counter = match recorded {
            Ok(()) => &self.status.recorded_ticks,
            Err(_) => &self.status.failed_ticks,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let failure = recorded.err();
        let before = std::mem::replace(&mut *self.status.lock_failure(), failure.clone());
        match (before, failure) {
            (None, Some(reason)) => {
                error!(%at, cause = %reason, "history is not recorded; scaling goes on from memory");
                self.note_of_process(at, EventKind::RecordingFailed { reason });
            }
            (Some(_), None) => {
                info!(%at, "history is recorded again");
                self.note_of_process(at, EventKind::RecordingResumed);
                self.flush();
            }
            _ => {}
        }
    }

    fn keep(&mut self, change: WatchChange) {
        let kept = match &change {
            WatchChange::Put(records) => self.writer.put_watches(records),
            WatchChange::Remove(keys) => self.writer.remove_watches(keys),
            WatchChange::PutNames(names) => self.writer.put_plugin_names(names),
            WatchChange::RemoveNames(plugins) => self.writer.remove_plugin_names(plugins),
        };
        if let Err(cause) = kept {
            let cause = in_full(&cause);
            error!(
                cause,
                "watches are not kept; after a restart they wait to be asked for"
            );
        }
    }
}

fn is_begun(event: &EventKind) -> bool {
    matches!(event, EventKind::GapBegan(_))
}
