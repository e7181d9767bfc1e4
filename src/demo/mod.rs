//! The product against an embedded Kafka and a workload, all in one process.
//!
//! Nothing of the product is switched off or mocked: the configuration is read
//! as from a file, offsets travel over TCP, ticks go to disk, and the replicas
//! of the demo's consumers follow what our own gRPC tells a client that asks
//! as KEDA does.

mod audit;
mod consumers;
mod hpa;
mod keda;
mod producers;
mod scenario;
mod summary;

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::Context as _;
use tokio::{
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{app::App, board::BoardReader, config::Config, kafka::EmbeddedCluster};

use audit::Audit;
use consumers::Consumers;
use keda::Keda;
use producers::Producers;
use scenario::{GROUPS, Script, TOPICS};
use summary::Summary;

/// KEDA asks each 30 s and the HPA each 15 s; here time runs faster.
const SYNC: Duration = Duration::from_secs(2);
const BROKERS: i32 = 3;

/// Where and for how long the demo runs.
#[derive(Debug)]
pub struct Options<'a> {
    /// Where history is kept.
    pub data_dir: &'a Path,
    /// Where gRPC is served.
    pub grpc_listen: SocketAddr,
    /// Where HTTP is served.
    pub http_listen: SocketAddr,
    /// At the end, compare what KEDA is told with what the brokers say.
    pub check: bool,
}

/// Runs until `asked`.
pub async fn run(options: Options<'_>, asked: impl Future<Output = ()>) -> anyhow::Result<()> {
    let cluster = spawn_blocking(start_cluster).await??;
    let bootstrap = cluster.bootstrap_servers();
    let app = App::start(
        configuration(&options, &bootstrap)?,
        std::sync::Arc::default(),
    )
    .await?;
    let board = app.board();
    let summary = Summary::begin(&options, &app, &bootstrap);
    let keda = Keda::connect(app.grpc_address()).await?;

    let stop = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(app.run_until(stop.clone().cancelled_owned()));
    let played = play(&cluster, &board, keda, summary, &options, asked).await;
    stop.cancel();
    serving.await.context("the product broke down")??;
    spawn_blocking(move || drop(cluster)).await?;
    played
}

fn start_cluster() -> anyhow::Result<EmbeddedCluster> {
    let cluster = EmbeddedCluster::start(BROKERS)?;
    for topic in &TOPICS {
        cluster.create_topic(topic.name, topic.partitions)?;
    }
    Ok(cluster)
}

/// Plays the script until `asked`; then, if that is wanted, audits.
async fn play(
    cluster: &EmbeddedCluster,
    board: &BoardReader,
    mut keda: Keda,
    mut summary: Summary,
    options: &Options<'_>,
    asked: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let script = Script::begin();
    let producers = Producers::start(cluster.producer()?, script)?;
    let mut fleets = Vec::with_capacity(GROUPS.len());
    for group in &GROUPS {
        fleets.push(Consumers::start(
            group,
            &cluster.bootstrap_servers(),
            script,
        )?);
    }
    let mut audit = Audit::default();

    let mut asked = std::pin::pin!(asked);
    let mut syncs = interval(SYNC);
    syncs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut asked => break,
            _ = syncs.tick() => {}
        }
        for fleet in &mut fleets {
            let replicas = keda
                .recommend(fleet.plan(), fleet.replicas(), Instant::now())
                .await;
            fleet.scale_to(replicas)?;
            let line = summary.line(board, fleet.plan(), fleet.replicas(), script.elapsed());
            audit.see(fleet.plan(), &line, fleet.replicas());
            println!("{line}");
        }
    }

    println!("stopping the workload");
    spawn_blocking(move || {
        producers.stop();
        fleets.into_iter().for_each(Consumers::stop);
    })
    .await?;
    if options.check {
        audit.verify(cluster, &mut keda).await?;
    }
    Ok(())
}

/// The demo's configuration, read by the same code as a file.
fn configuration(options: &Options<'_>, bootstrap_servers: &str) -> anyhow::Result<Config> {
    let named: String = GROUPS
        .iter()
        .map(|group| {
            format!(
                "[[clusters.demo.groups.named]]\ngroup = {:?}\ntopics = [{:?}]\n",
                group.group, group.topic
            )
        })
        .collect();
    let servers: Vec<_> = bootstrap_servers.split(',').collect();
    let text = format!(
        r#"
[store]
data_dir = {data_dir:?}
[grpc]
listen = "{grpc}"
[http]
listen = "{http}"
[poll]
interval = "1s"
request_timeout = "1s"
[estimator]
window = "30s"
max_staleness = "30s"
[azul]
group_prefix = "azul-"
window = "1m"
[clusters.demo]
bootstrap_servers = {servers:?}
[clusters.demo.groups]
discover = false # the embedded brokers can't list groups
{named}"#,
        data_dir = options.data_dir.to_string_lossy(),
        grpc = options.grpc_listen,
        http = options.http_listen,
    );
    Config::parse("the demo's configuration", &text, []).map_err(Into::into)
}
