//! A start says what it is at, answers nothing wrong meanwhile, and waits for a
//! volume that the process before still has.

use std::time::{Duration, Instant};

use tidegauge::kafka::EmbeddedCluster;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::support::{
    PATIENCE, eventually,
    scaler::{Scaler, configuration, named_groups},
};

const METADATA: &[(&str, &str)] = &[("consumerGroup", "g"), ("lagThreshold", "1")];

struct Setting {
    _cluster: EmbeddedCluster,
    _data_dir: tempfile::TempDir,
    text: String,
}

impl Setting {
    async fn new() -> Self {
        let cluster = EmbeddedCluster::start(1).unwrap();
        cluster.create_topic("t", 1).unwrap();
        cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
        let data_dir = tempfile::tempdir().unwrap();
        let groups = named_groups(&[("g", "t")]);
        Self {
            text: configuration(data_dir.path(), &cluster.bootstrap_servers(), &groups),
            _cluster: cluster,
            _data_dir: data_dir,
        }
    }

    fn with_lock_timeout(&self, timeout: &str) -> String {
        let store = format!("[store]\nlock_timeout = '{timeout}'");
        self.text.replace("[store]", &store)
    }
}

async fn health(scaler: &Scaler, service: &str) -> ServingStatus {
    let mut client = HealthClient::new(scaler.channel().await);
    let service = service.to_owned();
    let checked = client.check(HealthCheckRequest { service }).await;
    checked.unwrap().into_inner().status()
}

const SERVICES: [&str; 2] = ["", "externalscaler.ExternalScaler"];

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_waits_for_the_volume_says_so_and_then_serves() {
    let setting = Setting::new().await;
    let first = Scaler::start(&setting.text);
    let second = Scaler::begin(&setting.text);

    let waits = eventually("it waits for the volume", async || {
        let (status, text) = second.get("/readyz").await;
        assert_eq!(status, 503, "{text}");
        text.contains("waiting for the volume").then_some(text)
    })
    .await;
    assert!(waits.contains("head.redb open, for "), "{waits}");
    assert!(waits.contains("until 60 s"), "{waits}");
    assert_eq!(second.get("/livez").await.0, 200);
    assert_eq!(second.get("/healthz").await.0, 200);
    for path in ["/metrics", "/api/v1/groups", "/"] {
        let (status, text) = second.get(path).await;
        assert_eq!(status, 503, "{path}");
        assert!(text.contains("waiting for the volume"), "{path}: {text}");
    }
    let status = second.told(METADATA).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let message = status.message();
    assert!(message.contains("waiting for the volume"), "{message}");
    for service in SERVICES {
        assert_eq!(health(&second, service).await, ServingStatus::NotServing);
    }

    assert!(first.terminate().await.success());
    eventually("it serves", async || second.told(METADATA).await.ok()).await;
    for service in SERVICES {
        assert_eq!(health(&second, service).await, ServingStatus::Serving);
    }
    // KEDA is answered a moment before the pages are.
    eventually("it is ready", async || {
        (second.get("/readyz").await.0 == 200).then_some(())
    })
    .await;
    let log = second.has_logged("has let go of the volume").await;
    let said = |words: &str| log.matches(words).count();
    assert_eq!(said("waiting for it"), 1, "{log}");
    assert_eq!(said("has let go of the volume"), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_over_ends_with_the_reason() {
    let setting = Setting::new().await;
    let _first = Scaler::start(&setting.text);
    let started = Instant::now();
    let Err(log) = Scaler::try_start(&setting.with_lock_timeout("1s")) else {
        panic!("two scalers share a volume");
    };
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert!(log.contains("waited for it for 1"), "{log}");
    assert!(log.contains("another process has"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_waits_ends_at_once_when_asked_to() {
    let setting = Setting::new().await;
    let _first = Scaler::start(&setting.text);
    let second = Scaler::begin(&setting.with_lock_timeout("1h"));
    eventually("it waits for the volume", async || {
        let (_, text) = second.get("/readyz").await;
        text.contains("waiting for the volume").then_some(())
    })
    .await;
    // Neither does a connection hold it up.
    let _silent = tokio::net::TcpStream::connect(second.grpc_address()).await;
    let asked = Instant::now();
    assert!(second.terminate().await.success());
    assert!(asked.elapsed() < PATIENCE / 10);
}
