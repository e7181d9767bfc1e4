//! The threads that all runs on, and how they end.

use std::{ops::RangeInclusive, thread::available_parallelism, time::Duration};

use anyhow::Context as _;
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// One a core that the container may use, within these: two, so that nobody waits
/// for one piece of work alone; and not one for each core of a large node, which
/// would only take memory.
const WORKERS: RangeInclusive<usize> = 2..=8;

/// Threads that a broker or a disk holds may take so long at the end.
const LAST_THREADS: Duration = Duration::from_millis(500);

/// Runs `work` to its end, and ends with it even while threads hang.
pub fn run_to_its_end(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let cores = available_parallelism().map_or(1, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores.clamp(*WORKERS.start(), *WORKERS.end()))
        .enable_all()
        .build()
        .context("no event loop")?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_THREADS);
    outcome
}

/// Whoever stands between a terminal and the process may pass on a signal that the
/// process has had already: within this time it is the same request.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// What SIGTERM and SIGINT ask for.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they end nothing by themselves.
    pub fn take() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("no handler for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("no handler for SIGINT")?,
        })
    }

    /// Cancels `asked` at the first one, and `at_once` at one that comes later.
    pub async fn follow(mut self, asked: CancellationToken, at_once: CancellationToken) {
        info!("{}: ending", self.next().await);
        asked.cancel();
        let same = async { while !self.next().await.is_empty() {} };
        timeout(SAME_REQUEST, same).await.ok();
        warn!("{} again: ending at once", self.next().await);
        at_once.cancel();
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
