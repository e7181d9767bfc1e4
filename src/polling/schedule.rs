//! When to poll.
//!
//! It owns the grid on which cycles start, early cycles, and the tick's time.
//! It does not know what is polled. Its key invariants: the grid never moves,
//! however long a cycle takes; and each tick is later than the one before,
//! whatever the wall clock does.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::spawn_blocking,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    model::{ClusterName, Interest, Tick, TimestampMs},
    telemetry::spans,
};

use super::stats::PollStats;

/// However many ask for an early cycle, there is one in this time.
const EARLY_CYCLE_PAUSE: Duration = Duration::from_millis(500);

/// How often something is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// From the start of one cycle to the start of the next.
    pub interval: Duration,
}

/// Polls until cancelled, or until nobody takes ticks any more.
///
/// The first cycle starts at once. `wake` asks for one before its time; cycles
/// then go on as if it hadn't been. Each cycle uses the newest `interest`.
pub async fn poll_until_cancelled(
    poller: impl Pollable + 'static,
    schedule: Schedule,
    interest: watch::Receiver<Arc<Interest>>,
    wake: Arc<Notify>,
    ticks: mpsc::Sender<Tick>,
    stats: Arc<PollStats>,
    cancel: CancellationToken,
) {
    let mut run = Box::pin(drive(poller, schedule, interest, wake, ticks, stats));
    cancel.run_until_cancelled(&mut run).await;
    // Kafka's client waits for its threads to end; nobody waits for that.
    drop(spawn_blocking(move || drop(run)));
}

/// What a schedule starts: the poller of a cluster or of a queue, or in tests
/// something that takes a known time.
pub trait Pollable: Send {
    /// The stream of its ticks.
    fn name(&self) -> &ClusterName;

    /// One cycle, which ends, finished or not, before long.
    fn poll(&mut self, interest: &Interest, at: TimestampMs) -> impl Future<Output = Tick> + Send;
}

async fn drive(
    mut poller: impl Pollable,
    schedule: Schedule,
    mut interest: watch::Receiver<Arc<Interest>>,
    wake: Arc<Notify>,
    ticks: mpsc::Sender<Tick>,
    stats: Arc<PollStats>,
) {
    let mut grid = Grid::new(Instant::now(), schedule.interval);
    let mut clock = TickClock::default();
    loop {
        let started = Instant::now();
        // This cycle answers whoever has asked so far. Who asks sends the
        // interest first, so the order of these two lines matters.
        wake.notified().now_or_never();
        let wanted = Arc::clone(&interest.borrow_and_update());
        let span = spans::poll(poller.name().as_str());
        let cycle = poller.poll(&wanted, clock.next(TimestampMs::now()));
        let tick = cycle.instrument(span).await;
        stats.cycle_ended(started.elapsed(), tick.gaps.len());
        if ticks.send(tick).await.is_err() {
            return;
        }
        let (next, skipped) = grid.next(Instant::now());
        stats.cycles_skipped(skipped);
        tokio::select! {
            () = tokio::time::sleep_until(next) => grid.started(),
            () = woken(&wake, started + schedule.early_pause()) => {}
        }
    }
}

async fn woken(wake: &Notify, not_before: Instant) {
    wake.notified().await;
    tokio::time::sleep_until(not_before).await;
}

impl Schedule {
    fn early_pause(self) -> Duration {
        EARLY_CYCLE_PAUSE.min(self.interval / 2)
    }
}

/// Points in time at a fixed distance.
#[derive(Debug)]
struct Grid {
    /// The newest point that was used or skipped.
    last: Instant,
    interval: Duration,
}

impl Grid {
    fn new(start: Instant, interval: Duration) -> Self {
        Self {
            last: start,
            // A grid without distance would never let go of the thread.
            interval: interval.max(Duration::from_millis(1)),
        }
    }

    /// The first point that has not passed, and how many did unused.
    fn next(&mut self, now: Instant) -> (Instant, u64) {
        let late = now.saturating_duration_since(self.last + self.interval);
        let skipped = match late.is_zero() {
            true => 0,
            false => late.as_nanos().div_ceil(self.interval.as_nanos()),
        };
        let skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
        self.last += self.interval * skipped;
        (self.last + self.interval, u64::from(skipped))
    }

    /// The next point is used.
    fn started(&mut self) {
        self.last += self.interval;
    }
}

/// Gives ticks their time.
#[derive(Debug, Default)]
struct TickClock {
    last: Option<TimestampMs>,
}

impl TickClock {
    /// Now, or just after the tick before if the wall clock has stepped back.
    fn next(&mut self, now: TimestampMs) -> TimestampMs {
        let after = self.last.map(|last| TimestampMs(last.0.saturating_add(1)));
        let at = after.map_or(now, |after| after.max(now));
        self.last = Some(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Mutex};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Notes when cycles start; each takes the next of `durations`, then none.
    struct Fake {
        name: ClusterName,
        durations: VecDeque<Duration>,
        starts: Arc<Mutex<Vec<Duration>>>,
        groups: Arc<Mutex<Vec<usize>>>,
        epoch: Instant,
    }

    impl Pollable for Fake {
        fn name(&self) -> &ClusterName {
            &self.name
        }

        async fn poll(&mut self, interest: &Interest, at: TimestampMs) -> Tick {
            let started = self.epoch.elapsed();
            self.starts.lock().expect("lock").push(started);
            self.groups
                .lock()
                .expect("lock")
                .push(interest.groups.len());
            let duration = self.durations.pop_front().unwrap_or_default();
            tokio::time::sleep(duration).await;
            Tick {
                cluster: self.name.clone(),
                at,
                topics: Vec::new(),
                groups: Vec::new(),
                gaps: Vec::new(),
            }
        }
    }

    struct Running {
        starts: Arc<Mutex<Vec<Duration>>>,
        groups: Arc<Mutex<Vec<usize>>>,
        interest: watch::Sender<Arc<Interest>>,
        wake: Arc<Notify>,
        ticks: mpsc::Receiver<Tick>,
        stats: Arc<PollStats>,
        _task: tokio_util::task::AbortOnDropHandle<()>,
    }

    fn run(interval: Duration, durations: impl Into<VecDeque<Duration>>) -> Running {
        let (starts, groups) = <(Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>)>::default();
        let fake = Fake {
            name: "c".into(),
            durations: durations.into(),
            starts: Arc::clone(&starts),
            groups: Arc::clone(&groups),
            epoch: Instant::now(),
        };
        let (interest, wanted) = watch::channel(Arc::default());
        let (sender, ticks) = mpsc::channel(100);
        let (wake, stats) = <(Arc<Notify>, Arc<PollStats>)>::default();
        let driven = drive(
            fake,
            Schedule { interval },
            wanted,
            Arc::clone(&wake),
            sender,
            Arc::clone(&stats),
        );
        Running {
            starts,
            groups,
            interest,
            wake,
            ticks,
            stats,
            _task: tokio_util::task::AbortOnDropHandle::new(tokio::spawn(driven)),
        }
    }

    impl Running {
        async fn ticks(&mut self, count: usize) {
            for _ in 0..count {
                self.ticks.recv().await.expect("a tick");
            }
        }

        fn starts_s(&self) -> Vec<f64> {
            let starts = self.starts.lock().expect("lock");
            starts
                .iter()
                .map(|start| (start.as_secs_f64() * 10.0).round() / 10.0)
                .collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn cycles_keep_to_the_grid() {
        let mut running = run(10 * SECOND, [3 * SECOND, SECOND / 10, 9 * SECOND]);
        running.ticks(4).await;
        assert_eq!(running.starts_s(), [0.0, 10.0, 20.0, 30.0]);
        assert_eq!(running.stats.cycles(), 4);
        assert_eq!(running.stats.skipped_cycles(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cycle_that_takes_too_long_skips() {
        let mut running = run(10 * SECOND, [25 * SECOND, SECOND, 10 * SECOND]);
        running.ticks(5).await;
        assert_eq!(running.starts_s(), [0.0, 30.0, 40.0, 50.0, 60.0]);
        assert_eq!(running.stats.skipped_cycles(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn early_cycles_coalesce_and_leave_the_grid_alone() {
        let mut running = run(10 * SECOND, []);
        running.ticks(1).await;
        tokio::time::sleep(4 * SECOND).await;
        for _ in 0..5 {
            running.wake.notify_one();
        }
        running.ticks(1).await;
        // Asked for again at once: not before the pause is over.
        running.wake.notify_one();
        running.ticks(3).await;
        assert_eq!(running.starts_s(), [0.0, 4.0, 4.5, 10.0, 20.0]);
        assert_eq!(running.stats.skipped_cycles(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_early_cycle_that_overruns_skips_too() {
        let mut running = run(10 * SECOND, [Duration::ZERO, 8 * SECOND]);
        running.ticks(1).await;
        tokio::time::sleep(4 * SECOND).await;
        running.wake.notify_one();
        running.ticks(2).await;
        assert_eq!(running.starts_s(), [0.0, 4.0, 20.0]);
        assert_eq!(running.stats.skipped_cycles(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn new_interest_is_for_the_next_cycle() {
        let mut running = run(10 * SECOND, []);
        running.ticks(1).await;
        let mut interest = Interest::default();
        interest.add_group("g".into(), Default::default());
        running.interest.send_replace(Arc::new(interest));
        running.ticks(1).await;
        assert_eq!(*running.groups.lock().expect("lock"), [0, 1]);
        assert_eq!(running.starts_s(), [0.0, 10.0]);
    }

    #[test]
    fn tick_times_never_step_back() {
        let mut clock = TickClock::default();
        let times = [5, 5, 3, 9, 9, -4].map(|now| clock.next(TimestampMs(now)).0);
        assert_eq!(times, [5, 6, 7, 9, 10, 11]);
    }
}
