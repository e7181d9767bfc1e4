//! An end that was asked for is quick, in order and a success, whatever else is
//! under way.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use tidegauge::kafka::EmbeddedCluster;
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpStream};
use tonic::Code;

use super::support::{
    eventually,
    proxy::Proxy,
    scaler::{Scaler, configuration, named_groups},
};

const METADATA: &[(&str, &str)] = &[("consumerGroup", "g"), ("lagThreshold", "1")];
/// Beyond it the process was killed by the grace period, not ended.
const SOON: Duration = Duration::from_secs(5);

async fn cluster() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 1).unwrap();
    cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
    cluster
}

fn text(data_dir: &Path, servers: &str) -> String {
    configuration(data_dir, servers, &named_groups(&[("g", "t")]))
}

/// Who begins to ask and then says nothing.
async fn half_asked(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /readyz HT").await.unwrap();
    stream
}

async fn ends_soon(scaler: Scaler) {
    let asked = Instant::now();
    assert!(scaler.terminate().await.success());
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_ready_first_and_takes_no_calls_while_a_silent_client_is_there() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&text(data_dir.path(), &cluster.bootstrap_servers()));
    scaler.told(METADATA).await.unwrap();
    let mut silent = Vec::new();
    for address in [scaler.grpc_address(), scaler.http_address()] {
        silent.push(TcpStream::connect(address).await.unwrap());
        silent.push(half_asked(address).await);
    }
    let idle = scaler.channel().await;
    // A page that listens, whose answer has no end of its own.
    let live = format!("http://{}/api/v1/live", scaler.http_address());
    let listening = reqwest::get(live).await.unwrap();
    assert_eq!(listening.status(), 200);

    scaler.signal_end();
    let asked = Instant::now();
    let said = eventually("it is not ready", async || {
        let (status, text) = scaler.get("/readyz").await;
        (status == 503).then_some(text)
    })
    .await;
    assert!(said.contains("it is ending"), "{said}");
    eventually("no more connections for calls", async || {
        TcpStream::connect(scaler.grpc_address()).await.err()
    })
    .await;
    assert!(scaler.ended().await.success());
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    for mut stream in silent {
        // Ended, be it with an answer before or a reset.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.ok();
    }
    listening.text().await.unwrap();
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_holds_up_no_end() {
    let cluster = cluster().await;
    let servers = cluster.bootstrap_servers();
    let (_, port) = servers.rsplit_once(':').unwrap();
    let proxy = Proxy::start(port.parse().unwrap());
    let data_dir = tempfile::tempdir().unwrap();
    let before = text(data_dir.path(), &format!("127.0.0.1:{}", proxy.port()));
    let scaler = Scaler::start(&before.replace("\"1s\"", "\"30s\""));
    proxy.hang();
    // A call that waits for the first sample is told, not held.
    let waiting = scaler.told(&[("consumerGroup", "new"), ("topic", "unknown")]);
    let asked = async {
        eventually("a cycle hangs", async || {
            let (_, page) = scaler.get("/metrics").await;
            page.contains("tidegauge_watches 1").then_some(())
        })
        .await;
        scaler.signal_end();
    };
    let (waited, ()) = tokio::join!(waiting, asked);
    let status = waited.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    ends_soon(scaler).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_asking_ends_it_at_once_and_that_is_no_success() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let mut scaler = Scaler::start(&text(data_dir.path(), &cluster.bootstrap_servers()));
    // It holds up the end for a second, once it has been taken.
    let _silent = TcpStream::connect(scaler.grpc_address()).await.unwrap();
    scaler.told(METADATA).await.unwrap();
    let ended = eventually("the scaler ends", async || {
        let ended = scaler.has_ended();
        if ended.is_none() {
            scaler.signal_end();
        }
        ended
    })
    .await;
    assert_eq!(ended.code(), Some(1), "{}", scaler.log());
    scaler.has_logged("SIGTERM again").await;
}
