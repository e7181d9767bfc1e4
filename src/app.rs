//! The composition root: builds each part, runs them, and ends them in order.
//!
//! It alone knows all parts. Long-lived tasks are in one set: the first that
//! ends unasked ends the rest, and the process with an error. What follows the
//! configuration belongs to `live`, which takes up another one.

mod clusters;
mod follow;
mod listeners;
mod live;
mod opening;
mod poller;
mod protection;
mod reloader;
mod runtime;
mod servers;
mod settings;

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinSet, spawn_blocking},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    backups::Backups,
    board::{Board, BoardPublisher, BoardReader},
    config::Config,
    estimator::Parameters,
    http::{self, HttpState},
    jobs::{self, StoreStatus},
    model::TimestampMs,
    recorder::{Inbox, Recorder},
    reloads::ReloadStatus,
    scaler::{ScalerService, Settings, Watches, judge_until_cancelled},
    sources::{self, Ledger, PluginNames},
    start::Progress,
    telemetry::TelemetryStats,
};

pub use follow::Follower;
pub use reloader::{Changed, Refused, Reloader};
pub use runtime::{Signals, run_to_its_end};

use clusters::Clusters;
use listeners::{Listeners, Parts};
use live::Live;
use opening::open_history;
use poller::NewPoller;
use protection::Protection;
use servers::grpc_service;
use settings::settings;

/// Ticks that wait for the disk. More make no sense: a poller whose tick is
/// not taken skips its next cycles, and counts them.
const TICK_QUEUE: usize = 4;
/// Changes of watches that wait for the disk; a sweep repeats what is lost.
const WATCH_QUEUE: usize = 1_024;

/// The running product.
#[derive(Debug)]
pub struct App {
    grpc_address: SocketAddr,
    http_address: SocketAddr,
    board: BoardReader,
    config: watch::Receiver<Arc<Config>>,
    settings: watch::Receiver<Arc<Settings>>,
    pages: watch::Receiver<Arc<HttpState>>,
    reloader: Reloader,
    shutdown: CancellationToken,
    http_shutdown: CancellationToken,
    tasks: Parts,
    http_task: Parts,
}

impl App {
    /// Listens, and says so; then opens the store, rebuilds what it knows, and
    /// starts to poll and to answer. Dropped before it returns, all of it ends.
    pub async fn start(config: Config, telemetry: Arc<TelemetryStats>) -> anyhow::Result<Self> {
        let shutdown = CancellationToken::new();
        let ends_when_dropped = shutdown.clone().drop_guard();
        let mut tasks = JoinSet::new();
        let config = Arc::new(config);
        let protection = Protection::open(&config)?;
        protection.follow(&mut tasks, &shutdown);

        let progress = Progress::default();
        let listening = Listeners::begin(&config, &protection, &progress, &mut tasks, &shutdown);
        let listeners = listening.await?;

        let (publisher, board) = BoardPublisher::new();
        check_redis(&config).await?;
        let names = Arc::new(PluginNames::new(config.azul.redis.as_ref()));
        let opening = open_history(Arc::clone(&config), publisher, Arc::clone(&names), progress);
        let (recorder, store, kept) = opening.await?;
        let recorder_status = recorder.status();

        let (ticks, tick_reader) = mpsc::channel(TICK_QUEUE);
        let (changes, change_reader) = mpsc::channel(WATCH_QUEUE);
        let (reconfigure, reconfigurations) = mpsc::channel(1);
        let (settings, settings_reader) = watch::channel(Arc::new(settings(&config, &names)));
        // The recorder ends when the last poller has.
        let mut clusters = Clusters::new(ticks, shutdown.clone());
        let pollers = new_pollers(&config, &board.borrow())?;
        let watches = clusters.begin(pollers, |polled| {
            let settings = Arc::clone(&settings_reader.borrow());
            let watches = Watches::new(settings, polled, changes);
            watches.restore(kept, TimestampMs::now());
            Arc::new(watches)
        });
        let inbox = Inbox {
            ticks: tick_reader,
            watches: change_reader,
            reconfigurations,
        };
        tasks.spawn(record(recorder, inbox, Arc::clone(&watches)));
        tasks.spawn(judge(Arc::clone(&watches), board.clone(), shutdown.clone()));
        tasks.spawn(sweep(
            Arc::clone(&watches),
            settings_reader.clone(),
            shutdown.clone(),
        ));
        let (config, config_reader) = watch::channel(config);
        tasks.spawn(follow_names(
            Arc::clone(&names),
            config_reader.clone(),
            Arc::clone(&watches),
            shutdown.clone(),
        ));
        let in_force = Arc::clone(&config_reader.borrow());
        let backups = Backups::new(store.clone(), &in_force.store.backup, shutdown.clone());
        let backups = Arc::new(backups);
        let store_status = Arc::new(StoreStatus::default());
        let jobs = jobs::run(
            config_reader.clone(),
            store.clone(),
            Arc::clone(&backups),
            Arc::clone(&store_status),
            shutdown.clone(),
        );
        tasks.spawn(async move { jobs.await.map(|()| "jobs") });

        let service = ScalerService::new(board.clone(), Arc::clone(&watches), shutdown.clone());
        let calls = service.stats();
        listeners.scaler.set(grpc_service(service));

        let reloads = Arc::new(ReloadStatus::default());
        let (pages, pages_reader) = watch::channel(Arc::new(HttpState {
            board: board.clone(),
            store: store.clone(),
            data_dir: in_force.store.data_dir.clone(),
            parameters: settings_reader.borrow().parameters,
            clusters: in_force.streams().cloned().collect(),
            queues: in_force.queues.keys().cloned().collect(),
            recorder: recorder_status,
            store_status,
            polls: clusters.polls(),
            requests: clusters.requests(),
            calls,
            watches: Arc::clone(&watches),
            names: Arc::clone(&names),
            backups: Arc::clone(&backups),
            reloads: Arc::clone(&reloads),
            guard: Arc::clone(&protection.guard),
            tls: protection.tls(),
            telemetry,
            shutdown: shutdown.clone(),
        }));
        listeners.router.set(http::router(pages_reader.clone()));

        let live = Live {
            config,
            settings,
            pages,
            clusters,
            watches,
            names,
            recorder: reconfigure,
            store,
            backups,
            shutdown: shutdown.clone(),
        };
        let (requests, request_reader) = mpsc::channel(1);
        tasks.spawn(live.run(request_reader));

        let (grpc_address, http_address) = (listeners.grpc_address, listeners.http_address);
        info!(grpc = %grpc_address, http = %http_address, "serving");
        Ok(Self {
            grpc_address,
            http_address,
            board,
            config: config_reader,
            settings: settings_reader,
            pages: pages_reader,
            reloader: Reloader::new(requests, reloads),
            shutdown: ends_when_dropped.disarm(),
            http_shutdown: listeners.http_shutdown,
            tasks,
            http_task: listeners.http_task,
        })
    }

    /// Where gRPC is served.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address
    }

    /// Where HTTP is served.
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Reads the newest state of each cluster.
    pub fn board(&self) -> BoardReader {
        self.board.clone()
    }

    /// How readings are judged now.
    pub fn parameters(&self) -> Parameters {
        self.settings.borrow().parameters
    }

    /// How long the end may take, as it is configured now.
    pub fn shutdown_grace(&self) -> Duration {
        self.config.borrow().grpc.shutdown_grace
    }

    /// Follows what the pages are made of.
    pub fn pages(&self) -> watch::Receiver<Arc<HttpState>> {
        self.pages.clone()
    }

    /// Asks for another configuration.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Runs until `asked`, or until a part ends unasked, which is an error.
    /// Then ends in order, within the grace period: not ready, no new calls,
    /// streams end with OK, no new polls, the last tick is durable, the pages.
    pub async fn run_until(mut self, asked: impl Future<Output = ()>) -> anyhow::Result<()> {
        let outcome = tokio::select! {
            () = asked => Ok(()),
            Some(ended) = self.tasks.join_next() => Err(unasked(ended)),
            Some(ended) = self.http_task.join_next() => Err(unasked(ended)),
        };
        self.shutdown.cancel();
        let grace = self.shutdown_grace();
        let ended = timeout(grace, async {
            while let Some(ended) = self.tasks.join_next().await {
                log_failure(ended);
            }
            self.http_shutdown.cancel();
            while let Some(ended) = self.http_task.join_next().await {
                log_failure(ended);
            }
        });
        if ended.await.is_err() {
            warn!(?grace, "not all parts ended within the grace period");
        }
        info!("ended");
        outcome
    }
}

type Ended = Result<anyhow::Result<&'static str>, tokio::task::JoinError>;

fn unasked(ended: Ended) -> anyhow::Error {
    match ended {
        Ok(Ok(part)) => anyhow!("{part} ended unasked"),
        Ok(Err(cause)) => cause,
        Err(cause) => anyhow!(cause).context("a part broke down"),
    }
}

fn log_failure(ended: Ended) {
    match ended {
        Ok(Ok(_)) => {}
        Ok(Err(cause)) => warn!(cause = format!("{cause:#}"), "a part did not end well"),
        Err(cause) => warn!(%cause, "a part broke down"),
    }
}

/// The pollers of all that is configured; queues go on from what the board says.
fn new_pollers(config: &Config, board: &Board) -> anyhow::Result<Vec<NewPoller>> {
    let poller = |name| {
        let mut poller = NewPoller::of(name, config)?;
        if let Some(recorded) = board.cluster(name) {
            poller.go_on_from(Ledger::recorded(&recorded.window));
        }
        Ok(poller)
    };
    config.streams().map(poller).collect()
}

async fn record(
    recorder: Recorder,
    inbox: Inbox,
    watches: Arc<Watches>,
) -> anyhow::Result<&'static str> {
    spawn_blocking(move || recorder.run(inbox, || watches.take_told())).await??;
    Ok("recorder")
}

async fn judge(
    watches: Arc<Watches>,
    board: BoardReader,
    cancel: CancellationToken,
) -> anyhow::Result<&'static str> {
    judge_until_cancelled(watches, board, cancel).await?;
    Ok("judge")
}

/// What is wrong with the files that Redis is asked with.
async fn check_redis(config: &Config) -> anyhow::Result<()> {
    let Some(redis) = config.azul.redis.clone() else {
        return Ok(());
    };
    let checked = spawn_blocking(move || sources::check(&redis)).await;
    checked?.context("azul.redis can't be used")
}

/// Reads the names of plugins again that watches need.
async fn follow_names(
    names: Arc<PluginNames>,
    config: watch::Receiver<Arc<Config>>,
    watches: Arc<Watches>,
    cancel: CancellationToken,
) -> anyhow::Result<&'static str> {
    let needed = || watches.plugins();
    let changed = |plugins: &BTreeSet<String>| watches.follow_names(plugins, TimestampMs::now());
    let keep = |change| watches.keep_names(change);
    sources::follow(names, config, needed, changed, keep, cancel).await;
    Ok("names of plugins")
}

/// Drops the watches that nobody asks for any more.
async fn sweep(
    watches: Arc<Watches>,
    mut settings: watch::Receiver<Arc<Settings>>,
    cancel: CancellationToken,
) -> anyhow::Result<&'static str> {
    loop {
        watches.sweep(TimestampMs::now());
        let time_to_live = settings.borrow_and_update().limits.time_to_live;
        let pause = (time_to_live / 10).max(Duration::from_secs(1));
        tokio::select! {
            () = cancel.cancelled() => return Ok("sweep"),
            changed = timeout(pause, settings.changed()) => {
                // Who changes them ends only with the process.
                if matches!(changed, Ok(Err(_))) {
                    cancel.cancelled().await;
                }
            }
        }
    }
}
