//! The composition root: builds each part, runs them, and ends them in order.
//!
//! It alone knows all parts. Long-lived tasks are in one set: the first that
//! ends unasked ends the rest, and the process with an error.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, watch},
    task::{JoinSet, spawn_blocking},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tracing::{info, warn};

use crate::{
    backups::Backups,
    board::{BoardPublisher, BoardReader},
    config::{ClusterConfig, Config, IsolationConfig, PollConfig, ServiceConfig},
    estimator::Parameters,
    http::{self, HttpState},
    jobs::{self, StoreStatus},
    kafka::{
        Client, ClientSettings, DiscoverySettings, IsolationLevel, PollStats, Poller,
        PollerSettings, Rotation, Schedule, poll_until_cancelled,
    },
    model::{ClusterName, GroupMatcher, Interest, Tick, TimestampMs, WatchRecord},
    proto::{FILE_DESCRIPTOR_SET, external_scaler_server::ExternalScalerServer},
    recorder::Recorder,
    scaler::{
        AzulNames, KnownCluster, Polled, ScalerService, Service, Settings, TriggerRules,
        WatchLimits, Watches, judge_until_cancelled,
    },
    store::{self, OpenSettings, Store},
};

/// Ticks that wait for the disk. More make no sense: a poller whose tick is
/// not taken skips its next cycles, and counts them.
const TICK_QUEUE: usize = 4;
/// Changes of watches that wait for the disk; a sweep repeats what is lost.
const WATCH_QUEUE: usize = 1_024;
/// A request is a ScaledObject's reference and its metadata.
const MAX_REQUEST_BYTES: usize = 256 * 1024;
/// KEDA holds a connection open; one that is gone is noticed after this.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// A reading is fresh for so many poll intervals.
const FRESH_POLLS: u32 = 3;

/// The running product.
#[derive(Debug)]
pub struct App {
    grpc_address: SocketAddr,
    http_address: SocketAddr,
    board: BoardReader,
    parameters: Parameters,
    grace: Duration,
    shutdown: CancellationToken,
    http_shutdown: CancellationToken,
    tasks: JoinSet<anyhow::Result<&'static str>>,
    http_task: JoinSet<anyhow::Result<&'static str>>,
}

impl App {
    /// Opens the store, rebuilds what it knows, and starts to poll and to
    /// answer. Returns when both listeners accept.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();

        let (publisher, board) = BoardPublisher::new();
        let restored = config.clone();
        let opened = spawn_blocking(move || open_history(&restored, publisher)).await;
        let (recorder, store, kept) = opened.context("opening the store did not end")??;
        let recorder_status = recorder.status();

        let (ticks, tick_reader) = mpsc::channel(TICK_QUEUE);
        let (changes, change_reader) = mpsc::channel(WATCH_QUEUE);
        let (polled, polls) = start_pollers(&config, &ticks, &shutdown, &mut tasks)?;
        drop(ticks); // The recorder ends when the last poller has.
        let settings = Arc::new(settings(&config));
        let watches = Watches::new(settings, polled, changes);
        watches.restore(kept, TimestampMs::now());
        let watches = Arc::new(watches);
        let (judged, read) = (Arc::clone(&watches), board.clone());
        let cancel = shutdown.clone();
        tasks.spawn(async move {
            judge_until_cancelled(judged, read, cancel).await?;
            Ok("judge")
        });
        let told = Arc::clone(&watches);
        tasks.spawn(async move {
            let told = move || told.take_told();
            spawn_blocking(move || recorder.run(tick_reader, change_reader, told)).await??;
            Ok("recorder")
        });
        tasks.spawn(sweep(
            Arc::clone(&watches),
            config.watches.time_to_live,
            shutdown.clone(),
        ));
        let (schedule, history) = (config.store.clone(), store.clone());
        let cancel = shutdown.clone();
        let backups = Backups::new(store.clone(), &config.store.backup, shutdown.clone());
        let backups = Arc::new(backups);
        let store_status = Arc::new(StoreStatus::default());
        let (scheduled, status) = (Arc::clone(&backups), Arc::clone(&store_status));
        tasks.spawn(async move {
            let ran = jobs::run(schedule, history, scheduled, status, cancel).await;
            ran.map(|()| "jobs")
        });

        let parameters = parameters(&config);
        let service = ScalerService::new(board.clone(), Arc::clone(&watches), shutdown.clone());
        let calls = service.stats();
        let grpc = listen("grpc.listen", config.grpc.listen).await?;
        let grpc_address = grpc.local_addr()?;
        tasks.spawn(serve_grpc(grpc, service, shutdown.clone()));

        let state = HttpState {
            board: board.clone(),
            store,
            parameters,
            clusters: config.clusters.keys().cloned().collect(),
            recorder: recorder_status,
            store_status,
            polls,
            calls,
            watches,
            backups,
            shutdown: shutdown.clone(),
        };
        let http = listen("http.listen", config.http.listen).await?;
        let http_address = http.local_addr()?;
        let http_shutdown = CancellationToken::new();
        let mut http_task = JoinSet::new();
        http_task.spawn(serve_http(http, state, http_shutdown.clone()));

        info!(grpc = %grpc_address, http = %http_address, "serving");
        Ok(Self {
            grpc_address,
            http_address,
            board,
            parameters,
            grace: config.grpc.shutdown_grace,
            shutdown,
            http_shutdown,
            tasks,
            http_task,
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

    /// How readings are judged.
    pub fn parameters(&self) -> Parameters {
        self.parameters
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
        let ended = timeout(self.grace, async {
            while let Some(ended) = self.tasks.join_next().await {
                log_failure(ended);
            }
            self.http_shutdown.cancel();
            while let Some(ended) = self.http_task.join_next().await {
                log_failure(ended);
            }
        });
        if ended.await.is_err() {
            warn!(grace = ?self.grace, "not all parts ended within the grace period");
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

async fn listen(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("{key} is {address}: cannot listen there"))
}

/// Opens the store and takes from it what the process knew before: windows,
/// which go to the board, and watches. Blocks while the disk is read.
fn open_history(
    config: &Config,
    board: BoardPublisher,
) -> anyhow::Result<(Recorder, Store, Vec<WatchRecord>)> {
    let span = window_span(config);
    let (writer, store) = store::open_with(&OpenSettings {
        data_dir: config.store.data_dir.clone(),
        when_damaged: config.store.when_damaged,
        needed: span,
        now: TimestampMs::now(),
    })?;
    let mut recorder = Recorder::new(writer, board, span);
    recorder.restore(&store, config.clusters.keys())?;
    recorder.begin(&store, TimestampMs::now(), &config.fingerprints());
    let watches = store.watches()?;
    Ok((recorder, store, watches))
}

/// How far back windows must reach for all that looks back.
fn window_span(config: &Config) -> Duration {
    let parameters = parameters(config);
    parameters
        .reach()
        .max(parameters.max_staleness)
        .max(config.azul.window)
}

fn parameters(config: &Config) -> Parameters {
    Parameters {
        window: config.estimator.window,
        fresh_for: config.poll.interval * FRESH_POLLS,
        max_staleness: config.estimator.max_staleness,
    }
}

fn trigger_rules(config: &Config) -> TriggerRules {
    TriggerRules {
        clusters: config
            .clusters
            .iter()
            .map(|(name, cluster)| KnownCluster {
                name: name.clone(),
                bootstrap_servers: cluster.bootstrap_servers.clone(),
            })
            .collect(),
        historic_suffix: config.estimator.historic_suffix.clone(),
        window: config.estimator.window,
        azul: AzulNames {
            group_prefix: config.azul.group_prefix.clone(),
            kafka_prefix: config.azul.kafka_prefix.clone(),
            window: config.azul.window,
        },
        services: config.services.iter().map(service).collect(),
    }
}

fn service((name, service): (&String, &ServiceConfig)) -> (String, Service) {
    let known = Service {
        cluster: service.cluster.clone(),
        group: service.group.clone(),
        topic: service.topic.clone(),
        target: service.target,
    };
    (name.clone(), known)
}

type Polls = BTreeMap<ClusterName, Arc<PollStats>>;

/// A poller for each cluster, so that one that is slow delays no other.
fn start_pollers(
    config: &Config,
    ticks: &mpsc::Sender<Tick>,
    shutdown: &CancellationToken,
    tasks: &mut JoinSet<anyhow::Result<&'static str>>,
) -> anyhow::Result<(BTreeMap<ClusterName, Polled>, Polls)> {
    let mut polled = BTreeMap::new();
    let mut polls = Polls::new();
    for (name, cluster) in &config.clusters {
        let poller = connect(name, cluster, config)
            .with_context(|| format!("cluster {name:?} cannot be polled"))?;
        let configured = configured_interest(cluster);
        let (interest, interest_reader) = watch::channel(Arc::new(configured.clone()));
        let wake = Arc::new(Notify::new());
        let stats = Arc::new(PollStats::default());
        polls.insert(name.clone(), Arc::clone(&stats));
        let schedule = Schedule {
            interval: config.poll.interval,
        };
        let (waker, ticks, cancel) = (Arc::clone(&wake), ticks.clone(), shutdown.clone());
        tasks.spawn(async move {
            poll_until_cancelled(
                poller,
                schedule,
                interest_reader,
                waker,
                ticks,
                stats,
                cancel,
            )
            .await;
            Ok("poller")
        });
        polled.insert(
            name.clone(),
            Polled {
                configured,
                interest,
                wake,
            },
        );
    }
    Ok((polled, polls))
}

fn connect(name: &ClusterName, cluster: &ClusterConfig, config: &Config) -> anyhow::Result<Poller> {
    let request_timeout = config.poll.request_timeout;
    let rotation = Rotation::of(name.clone(), cluster.clone(), request_timeout);
    let client = Client::connect(&ClientSettings::of(cluster, request_timeout))?;
    let settings = PollerSettings {
        cluster: name.clone(),
        discovery: DiscoverySettings {
            enabled: cluster.groups.discover,
            interval: config.poll.discovery_interval,
            include_empty: cluster.groups.include_empty,
            silent_after: cluster.groups.silent_after,
        },
        metadata_interval: config.poll.metadata_interval,
        isolation: match cluster.isolation_level {
            IsolationConfig::ReadCommitted => IsolationLevel::ReadCommitted,
            IsolationConfig::ReadUncommitted => IsolationLevel::ReadUncommitted,
        },
        cycle_limit: cycle_limit(&config.poll),
    };
    Ok(Poller::new(client, settings).rotating(rotation))
}

/// A cycle ends before the next is to begin, whatever the brokers do; but a
/// single request must have its time.
fn cycle_limit(poll: &PollConfig) -> Duration {
    let margin = poll.interval / 20;
    (poll.interval - margin).max(poll.request_timeout + Duration::from_secs(1))
}

fn configured_interest(cluster: &ClusterConfig) -> Interest {
    let groups = &cluster.groups;
    let mut interest = Interest {
        groups: groups.named.clone(),
        matchers: Vec::new(),
    };
    if !groups.include.is_empty() {
        interest.matchers.push(GroupMatcher::Patterns {
            include: groups.include.clone(),
            exclude: groups.exclude.clone(),
            topics: cluster.topics.clone(),
        });
    }
    interest
}

fn settings(config: &Config) -> Settings {
    Settings {
        rules: trigger_rules(config),
        parameters: parameters(config),
        limits: WatchLimits {
            limit: config.watches.limit,
            time_to_live: config.watches.time_to_live,
        },
    }
}

/// Drops the watches that nobody asks for any more.
async fn sweep(
    watches: Arc<Watches>,
    time_to_live: Duration,
    cancel: CancellationToken,
) -> anyhow::Result<&'static str> {
    let mut times = interval((time_to_live / 10).max(Duration::from_secs(1)));
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return Ok("sweep"),
            _ = times.tick() => watches.sweep(TimestampMs::now()),
        }
    }
}

async fn serve_grpc(
    listener: TcpListener,
    service: ScalerService,
    shutdown: CancellationToken,
) -> anyhow::Result<&'static str> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_serving::<ExternalScalerServer<ScalerService>>()
        .await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .context("reflection cannot be built")?;
    let scaler = ExternalScalerServer::new(service).max_decoding_message_size(MAX_REQUEST_BYTES);
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .add_service(scaler)
        .add_service(health_service)
        .add_service(reflection)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            shutdown.cancelled().await;
            health
                .set_not_serving::<ExternalScalerServer<ScalerService>>()
                .await;
        })
        .await
        .context("gRPC ended")?;
    Ok("gRPC")
}

async fn serve_http(
    listener: TcpListener,
    state: HttpState,
    shutdown: CancellationToken,
) -> anyhow::Result<&'static str> {
    let router = http::router(Arc::new(state));
    // Who asks for a backup must be on this machine.
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .context("HTTP ended")?;
    Ok("HTTP")
}
