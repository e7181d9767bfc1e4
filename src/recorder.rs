//! The one writer: each tick is made durable, and only then published. What KEDA
//! was told since the tick before, and what happened, goes with it.
//!
//! It runs on a thread of its own, since each commit waits for the disk. When
//! the disk fails, scaling goes on from memory: the tick is published all the
//! same, and [`RecorderStatus`] says that a restart would forget it.

mod events;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::{
    board::{BoardPublisher, Snapshot},
    estimator::Window,
    logging::in_full,
    model::{ClusterName, Event, EventKind, Gap, Tick, TimestampMs, ToldChange, WatchChange},
    store::{ReadError, Store, Writer},
};

use events::{Settled, gap_events};

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

/// The one writer.
#[derive(Debug)]
pub struct Recorder {
    writer: Writer,
    board: BoardPublisher,
    span: Duration,
    windows: BTreeMap<ClusterName, Window>,
    gaps: BTreeMap<ClusterName, Arc<[Gap]>>,
    settled: BTreeMap<ClusterName, Settled>,
    status: Arc<RecorderStatus>,
    is_slow: bool,
}

impl Recorder {
    /// A recorder whose windows reach back as far as `span`.
    pub fn new(writer: Writer, board: BoardPublisher, span: Duration) -> Self {
        Self {
            writer,
            board,
            span,
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
            let Some((_, newest)) = store.span(cluster)? else {
                continue;
            };
            let window = self.restored_window(store, cluster, newest)?;
            let gaps = store.gaps(cluster, newest, newest)?;
            let gaps = gaps.into_iter().next_back().unwrap_or_default().1;
            info!(%cluster, ticks = window.len(), newest = %newest, "history restored");
            self.windows.insert(cluster.clone(), window.clone());
            let gaps: Arc<[Gap]> = gaps.into();
            self.gaps.insert(cluster.clone(), Arc::clone(&gaps));
            self.board
                .publish(cluster.clone(), Snapshot { window, gaps });
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

    /// The window as of the tick at `newest`. What is damaged beyond the head,
    /// which was read when it was opened, makes it shorter.
    fn restored_window(
        &mut self,
        store: &Store,
        cluster: &ClusterName,
        newest: TimestampMs,
    ) -> Result<Window, ReadError> {
        let whole = newest.minus(self.span);
        match self.window_since(store, cluster, whole, newest) {
            Ok(window) => Ok(window),
            Err(cause) => {
                let from = store.head_start(cluster)?.unwrap_or(newest).max(whole);
                let cause = in_full(&cause);
                error!(%cluster, cause, %from, "history is damaged; windows begin later");
                self.window_since(store, cluster, from, newest)
            }
        }
    }

    fn window_since(
        &mut self,
        store: &Store,
        cluster: &ClusterName,
        from: TimestampMs,
        newest: TimestampMs,
    ) -> Result<Window, ReadError> {
        let index = Arc::new(store.index(cluster)?.unwrap_or_default());
        let mut window = Window::new(self.span, self.span);
        let settled = self.settled.entry(cluster.clone()).or_default();
        for frame in store.frames(cluster, from, newest)? {
            let frame = Arc::new(frame?);
            settled.take_in(&index, &frame); // Those events are recorded.
            window.push(Arc::clone(&index), frame);
        }
        Ok(window)
    }

    /// Records until `ticks` is closed, and with each tick what `told` gives:
    /// what KEDA was told since it was asked last. Blocks: give it a thread.
    pub fn run(
        mut self,
        mut ticks: mpsc::Receiver<Tick>,
        mut changes: mpsc::Receiver<WatchChange>,
        mut told: impl FnMut() -> Vec<ToldChange>,
    ) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    tick = ticks.recv() => match tick {
                        Some(tick) => {
                            self.writer.tell(told());
                            self.take(&tick);
                        }
                        None => break,
                    },
                    Some(change) = changes.recv() => self.keep(change),
                }
            }
        });
        while let Ok(change) = changes.try_recv() {
            self.keep(change);
        }
        self.writer.tell(told());
        self.note_of_process(TimestampMs::now(), EventKind::Stopped);
        self.flush();
        Ok(())
    }

    fn take(&mut self, tick: &Tick) {
        let started = Instant::now();
        *self.status.lock_recording_since() = Some(started);
        let placed = self.writer.place(tick);
        let gaps = self.noted_gaps(tick);
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
            .or_insert_with(|| Window::new(self.span, self.span));
        window.push(placed.index, placed.frame);
        let snapshot = Snapshot {
            window: window.clone(),
            gaps,
        };
        self.board.publish(tick.cluster.clone(), snapshot);
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

    /// The tick's gaps; logged and noted when they change, not each tick.
    fn noted_gaps(&mut self, tick: &Tick) -> Arc<[Gap]> {
        let known = self.gaps.entry(tick.cluster.clone()).or_default();
        let mut events = Vec::new();
        if **known != *tick.gaps {
            events = gap_events(known, &tick.gaps);
            match tick.gaps.first() {
                Some(first) => {
                    let (count, code) = (tick.gaps.len(), &first.reason.code);
                    warn!(cluster = %tick.cluster, count, code, %first, "what can't be read has changed");
                }
                None => info!(cluster = %tick.cluster, "all is read again"),
            }
            *known = tick.gaps.as_slice().into();
        }
        let gaps = Arc::clone(known);
        self.note_of_cluster(tick, events);
        gaps
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

/// The sections that one has and the other has not, or has otherwise.
fn changed_sections(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Vec<String> {
    let sections: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let changed = sections
        .into_iter()
        .filter(|section| before.get(*section) != now.get(*section));
    changed.cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        board::BoardReader,
        estimator::{GroupEstimate, Parameters, Wanted},
        model::{
            Cell, Commit, GapReason, GapScope, GroupReading, GroupTopicReading, PartitionReading,
            Told, TopicReading, TopicState, WatchName,
        },
        store,
    };

    const SPAN: Duration = Duration::from_secs(900);
    const PARAMETERS: Parameters = Parameters {
        window: Duration::from_secs(300),
        fresh_for: Duration::from_secs(30),
        max_staleness: Duration::from_secs(300),
    };

    fn tick(seconds: i64) -> Tick {
        let partition = PartitionReading {
            log_start_offset: Some(0),
            log_end_offset: Some(100 + seconds * 3),
        };
        Tick {
            cluster: "main".into(),
            at: TimestampMs(seconds * 1_000),
            topics: vec![TopicReading {
                topic: "t".into(),
                id: None,
                state: TopicState::Present(vec![partition]),
            }],
            groups: vec![GroupReading {
                group: "g".into(),
                membership: None,
                topics: vec![GroupTopicReading {
                    topic: "t".into(),
                    commits: vec![Commit::At(seconds * 2)],
                }],
            }],
            gaps: Vec::new(),
        }
    }

    fn recorder(data_dir: &Path) -> (Recorder, Store, BoardReader) {
        let (writer, store) = store::open(data_dir).expect("the store opens");
        let (publisher, board) = BoardPublisher::new();
        (Recorder::new(writer, publisher, SPAN), store, board)
    }

    fn estimate(board: &BoardReader, seconds: i64) -> Option<GroupEstimate> {
        let board = board.borrow().clone();
        let window = &board.cluster(&"main".into())?.window;
        window.estimate_group(
            "g",
            Wanted::SHOWN,
            &PARAMETERS,
            TimestampMs(seconds * 1_000),
        )
    }

    #[test]
    fn a_restart_in_the_middle_changes_nothing() {
        let (whole, halved) = (tempfile::tempdir(), tempfile::tempdir());
        let (whole, halved) = (whole.expect("a folder"), halved.expect("a folder"));
        let (mut steady, _, steady_board) = recorder(whole.path());
        let (mut before, store, _) = recorder(halved.path());
        for seconds in (0..600).step_by(10) {
            steady.take(&tick(seconds));
            before.take(&tick(seconds));
        }
        drop((before, store));

        let (mut after, store, board) = recorder(halved.path());
        after
            .restore(&store, [&"main".into()])
            .expect("the history is read");
        let expected = estimate(&steady_board, 595);
        assert!(expected.is_some());
        assert_eq!(estimate(&board, 595), expected, "before the first new tick");
        for seconds in (600..700).step_by(10) {
            steady.take(&tick(seconds));
            after.take(&tick(seconds));
        }
        assert_eq!(estimate(&board, 695), estimate(&steady_board, 695));
    }

    #[test]
    fn scaling_goes_on_from_memory_when_a_tick_is_not_recorded() {
        let data_dir = tempfile::tempdir().expect("a folder");
        let (mut recorder, store, board) = recorder(data_dir.path());
        let status = recorder.status();
        recorder.take(&tick(1_000));
        assert_eq!((status.recorded_ticks(), status.failure()), (1, None));

        // The store refuses what is not after its last tick.
        recorder.take(&tick(990));
        assert_eq!(status.failed_ticks(), 1);
        assert!(status.failure().is_some());
        let estimate = estimate(&board, 1_000).expect("still published");
        assert_eq!(estimate.totals.lag, Some(100 + 990));

        recorder.take(&tick(1_010));
        assert_eq!((status.recorded_ticks(), status.failure()), (2, None));
        let span = store.span(&"main".into()).expect("readable");
        assert_eq!(span, Some((TimestampMs(1_000_000), TimestampMs(1_010_000))));
        let failed_and_resumed = [
            (1_010, "recording_resumed".to_owned()),
            (990, "recording_failed".to_owned()),
        ];
        assert_eq!(events(&store), failed_and_resumed);
    }

    /// Newest first: when, in seconds, and which.
    fn events(store: &Store) -> Vec<(i64, String)> {
        let events = store.events(TimestampMs(0), TimestampMs(i64::MAX));
        let event = |event: Result<Event, ReadError>| {
            let event = event.expect("readable");
            (event.at.0 / 1_000, event.kind.name().to_owned())
        };
        events.map(event).collect()
    }

    fn with_gap(mut tick: Tick) -> Tick {
        tick.gaps = vec![Gap {
            scope: GapScope::Topic("u".into()),
            reason: GapReason {
                code: "timed_out".into(),
                message: "no answer".into(),
            },
        }];
        tick
    }

    #[test]
    fn what_happens_is_recorded_with_the_tick_and_across_a_restart() {
        let data_dir = tempfile::tempdir().expect("a folder");
        let configuration = |poll| BTreeMap::from([("poll".to_owned(), poll)]);
        let (mut before, store, _) = recorder(data_dir.path());
        before.begin(&store, TimestampMs(1_000), &configuration(1));
        assert_eq!(events(&store), [(1, "started".to_owned())]);
        before.take(&tick(10));
        before.take(&with_gap(tick(20)));
        before.take(&with_gap(tick(30)));
        drop((before, store));

        let (mut after, store, _) = recorder(data_dir.path());
        after
            .restore(&store, [&"main".into()])
            .expect("the history is read");
        after.begin(&store, TimestampMs(35_000), &configuration(2));
        after.take(&with_gap(tick(40)));
        after.take(&tick(50));
        let expected = [
            (50, "gap_ended"),
            (35, "configuration_changed"),
            (35, "started"),
            (20, "gap_began"),
            (1, "started"),
        ];
        let expected = expected.map(|(at, name)| (at, name.to_owned()));
        assert_eq!(events(&store), expected);
    }

    #[test]
    fn the_end_in_order_is_recorded_with_what_was_told_last() {
        let data_dir = tempfile::tempdir().expect("a folder");
        let (recorder, store, _) = recorder(data_dir.path());
        let (ticks, changes) = (mpsc::channel(1).1, mpsc::channel(1).1);
        let mut told = vec![ToldChange {
            at: TimestampMs(5),
            watch: Arc::new(WatchName {
                cluster: "main".into(),
                group: None,
                topic: None,
                metric_name: "m".into(),
                key: "k".into(),
            }),
            told: Told {
                active: Cell::of(1),
                ..Told::NOTHING
            },
        }];
        let run = recorder.run(ticks, changes, || std::mem::take(&mut told));
        run.expect("it ends well");
        let names: Vec<_> = events(&store).into_iter().map(|event| event.1).collect();
        assert_eq!(names, ["stopped"]);
        let frames = store.told(TimestampMs(0), TimestampMs(9)).expect("frames");
        assert_eq!(frames.count(), 1);
    }
}
