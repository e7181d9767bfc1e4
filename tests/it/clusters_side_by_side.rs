//! Several clusters: one that is slow or dead delays no other.

use std::time::Duration;

use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    eventually,
    scaler::{Scaler, configuration, metric},
};

const METADATA: &[(&str, &str)] = &[
    ("cluster", "main"),
    ("consumerGroup", "billing"),
    ("topic", "orders"),
    ("lagThreshold", "1000"),
];

/// One broker, and 10 records of which `billing` has read 4.
async fn cluster() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("orders", 1).unwrap();
    let producer = cluster.producer().unwrap();
    producer.send("orders", Some(0), 10).unwrap();
    producer.flush().unwrap();
    cluster
        .commit_offsets("billing", &[("orders", 0, 4)])
        .await
        .unwrap();
    cluster
}

async fn polls(scaler: &Scaler, cluster: &str) -> f64 {
    let labels = format!("cluster_name={cluster:?}");
    metric(scaler, "tidegauge_polls_total", &labels).await
}

/// Waits for so many more polls of `main`, and says how many of `other` there
/// were meanwhile.
async fn polls_of_the_other(scaler: &Scaler, of_main: f64) -> f64 {
    let (main, other) = (polls(scaler, "main").await, polls(scaler, "other").await);
    eventually("the cluster that is well goes on", async || {
        (polls(scaler, "main").await >= main + of_main).then_some(())
    })
    .await;
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 6.0);
    polls(scaler, "other").await - other
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_or_dead_cluster_delays_no_other() {
    let (main, other) = (cluster().await, cluster().await);
    let data_dir = tempfile::tempdir().unwrap();
    let rest = format!(
        "[clusters.other]\nbootstrap_servers = [{:?}]\n\
         [[clusters.other.groups.named]]\ngroup = \"billing\"\ntopics = [\"orders\"]\n",
        other.bootstrap_servers()
    );
    let scaler = Scaler::start(&configuration(
        data_dir.path(),
        &main.bootstrap_servers(),
        &rest,
    ));
    eventually("both are polled", async || {
        let both = polls(&scaler, "main")
            .await
            .min(polls(&scaler, "other").await);
        (both >= 2.0).then_some(())
    })
    .await;

    other.delay_broker(1, Duration::from_millis(700)).unwrap();
    // One cycle may have been under way.
    polls_of_the_other(&scaler, 2.0).await;
    let while_slow = polls_of_the_other(&scaler, 20.0).await;
    assert!(while_slow <= 10.0, "{while_slow} polls of the slow one");

    other.stop_broker(1).unwrap();
    polls_of_the_other(&scaler, 20.0).await;
    let (_, ready) = scaler.get("/readyz").await;
    assert!(ready.contains("other"), "{ready}");
    assert!(!ready.contains("main"), "{ready}");
}
