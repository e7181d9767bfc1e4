//! What can't be read is an error with its reason, never 0; the rest goes on.

use tidegauge::kafka::EmbeddedCluster;
use tonic::Code;

use super::support::{
    eventually,
    scaler::{Scaler, configuration, named_groups},
};

const ESTIMATOR: &str = "[estimator]\nmax_staleness = \"2s\"\nwindow = \"10s\"\n";

/// Topics `left` and `right` on a broker each, with a group each.
async fn cluster() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(2).unwrap();
    for (topic, group, broker) in [("left", "l", 1), ("right", "r", 2)] {
        cluster.create_topic(topic, 1).unwrap();
        cluster.set_leader(topic, 0, Some(broker)).unwrap();
        cluster.set_coordinator(group, broker).unwrap();
        let producer = cluster.producer().unwrap();
        producer.send(topic, Some(0), 50).unwrap();
        producer.flush().unwrap();
        cluster
            .commit_offsets(group, &[(topic, 0, 20)])
            .await
            .unwrap();
    }
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_broker_makes_its_groups_unknown_and_no_others() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let groups = named_groups(&[("l", "left"), ("r", "right")]);
    let servers = cluster.bootstrap_servers();
    let scaler = Scaler::start(&configuration(
        data_dir.path(),
        &servers,
        &format!("{groups}{ESTIMATOR}"),
    ));
    let (left, right) = (
        [("consumerGroup", "l"), ("lagThreshold", "100")],
        [("consumerGroup", "r"), ("lagThreshold", "100")],
    );
    assert_eq!(scaler.told(&left).await.unwrap().value, 30.0);
    assert_eq!(scaler.told(&right).await.unwrap().value, 30.0);

    cluster.stop_broker(2).unwrap();
    let status = eventually("the dead broker's group is unknown", async || match scaler
        .told(&right)
        .await
    {
        Ok(told) => {
            assert_eq!(told.value, 30.0, "until then the last reading holds");
            None
        }
        Err(status) => Some(status),
    })
    .await;
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("\"r\""), "{status}");
    assert_eq!(
        scaler.told(&left).await.unwrap().value,
        30.0,
        "the other goes on"
    );
    let (status, reasons) = scaler.get("/readyz").await;
    assert_eq!(status, 200, "the rest is served: {reasons}");
    assert!(
        reasons.contains("right") || reasons.contains("\"r\""),
        "{reasons}"
    );

    cluster.start_broker(2).unwrap();
    eventually("the group is known again", async || {
        (scaler.told(&right).await.ok()?.value == 30.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_broker_there_is_no_made_up_answer() {
    let data_dir = tempfile::tempdir().unwrap();
    let gone = EmbeddedCluster::start(1).unwrap().bootstrap_servers();
    let groups = named_groups(&[("g", "t")]);
    let scaler = Scaler::start(&configuration(data_dir.path(), &gone, &groups));
    let status = scaler.told(&[("consumerGroup", "g")]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    eventually("readyz says why", async || {
        let (_, reasons) = scaler.get("/readyz").await;
        reasons.contains("main").then_some(())
    })
    .await;
}
