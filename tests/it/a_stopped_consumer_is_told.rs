//! A consumer that stops committing is STOP, until it goes on; and history
//! still tells afterwards when it was.

use serde_json::Value;
use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    eventually,
    scaler::{Scaler, configuration, named_groups},
};

const STATUS: &str = "/api/v1/groups/orders-service/status";

async fn commit(cluster: &EmbeddedCluster, offset: i64) {
    let commits = [("orders", 0, offset)];
    cluster
        .commit_offsets("orders-service", &commits)
        .await
        .unwrap();
}

/// The status, once it is so of the only partition.
async fn once(scaler: &Scaler, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(what, async || {
        let (code, text) = scaler.get(STATUS).await;
        let status: Value = serde_json::from_str(&text).unwrap();
        (code == 200 && is_so(&status["partitions"][0])).then_some(status)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_stops_is_told_then_and_afterwards() {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("orders", 1).unwrap();
    let producer = cluster.producer().unwrap();
    producer.send("orders", Some(0), 100).unwrap();
    producer.flush().unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let groups = named_groups(&[("orders-service", "orders")]);
    let servers = cluster.bootstrap_servers();
    let scaler = Scaler::start(&configuration(data_dir.path(), &servers, &groups));

    for offset in 1..=11 {
        commit(&cluster, offset).await;
        once(&scaler, "a commit", |one| one["end"]["offset"] == offset).await;
    }
    let stopped = once(&scaler, "it has stopped", |one| one["status"] == "STOP").await;
    assert_eq!(
        (&stopped["status"], &stopped["total_lag"]),
        (&"ERR".into(), &89.into())
    );
    let partition = &stopped["partitions"][0];
    assert_eq!(
        (&partition["start"]["offset"], &partition["complete"]),
        (&2.into(), &1.0.into())
    );

    commit(&cluster, 100).await;
    once(&scaler, "it goes on", |one| one["status"] == "OK").await;
    let group = scaler.json("/api/v1/groups/orders-service").await;
    assert_eq!(group["status"], "OK");

    let at = |time: &Value| format!("{STATUS}?at={}", time.as_str().unwrap());
    let then = scaler.json(&at(&stopped["as_of"])).await;
    assert_eq!(then["partitions"], stopped["partitions"]);
    let before = scaler.json(&at(&partition["end"]["observed_at"])).await;
    assert_eq!(before["partitions"][0]["end"], partition["end"]);
    assert_ne!(before["status"], "ERR");
}
