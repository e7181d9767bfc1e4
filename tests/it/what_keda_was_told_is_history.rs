//! What KEDA was told, and what happened meanwhile, is found again after
//! SIGKILL and after an end in order.

use serde_json::{Value, json};
use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    eventually,
    scaler::{Scaler, configuration, named_groups, scaled_object},
};

const METADATA: &[(&str, &str)] = &[
    ("consumerGroup", "g"),
    ("topic", "t"),
    ("lagThreshold", "100"),
];

/// Topic `t` on broker 1, in which group `g` has 30 records to read.
async fn cluster(brokers: i32) -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(brokers).unwrap();
    cluster.create_topic("t", 1).unwrap();
    cluster.set_leader("t", 0, Some(1)).unwrap();
    cluster.set_coordinator("g", brokers).unwrap();
    produce(&cluster, 50);
    cluster.commit_offsets("g", &[("t", 0, 20)]).await.unwrap();
    cluster
}

fn produce(cluster: &EmbeddedCluster, records: usize) {
    let producer = cluster.producer().unwrap();
    producer.send("t", Some(0), records).unwrap();
    producer.flush().unwrap();
}

async fn rows(scaler: &Scaler, path: &str) -> Vec<Value> {
    scaler.json(path).await.as_array().unwrap().clone()
}

/// The values that were told, each once where it stands several times in a row.
async fn told_values(scaler: &Scaler) -> Vec<Value> {
    let rows = rows(scaler, "/api/v1/told?group=g&topic=t").await;
    let mut values: Vec<_> = rows.iter().map(|row| row["metric_value"].clone()).collect();
    values.dedup();
    values
}

/// The kinds of what happened to the process.
async fn of_process(scaler: &Scaler) -> Vec<String> {
    let rows = rows(scaler, "/api/v1/events").await;
    let of_process = rows.iter().filter(|row| row["cluster"].is_null());
    let kind = |row: &Value| row["kind"].as_str().unwrap().to_owned();
    of_process.map(kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keda_was_told_is_found_again_after_sigkill() {
    let cluster = cluster(1).await;
    let data_dir = tempfile::tempdir().unwrap();
    let servers = cluster.bootstrap_servers();
    let configuration = configuration(data_dir.path(), &servers, &named_groups(&[("g", "t")]));

    let scaler = Scaler::start(&configuration);
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 30.0);
    let mut client = scaler.client().await;
    client
        .get_metric_spec(scaled_object(METADATA))
        .await
        .unwrap();
    produce(&cluster, 1);
    eventually("the new record is told", async || {
        (scaler.told(METADATA).await.unwrap().value == 31.0).then_some(())
    })
    .await;
    let expected = [json!(30.0), json!(31.0)];
    let newest = eventually("what was told is recorded", async || {
        let rows = rows(&scaler, "/api/v1/told?group=g").await;
        let newest = rows.last()?.clone();
        (newest["metric_value"] == expected[1]).then_some(newest)
    })
    .await;
    assert_eq!(newest["target"], 100.0, "{newest}");
    assert_eq!(newest["active"], true, "{newest}");
    assert_eq!(newest["metric_name"], "kafka-t", "{newest}");
    assert_eq!(told_values(&scaler).await, expected);
    scaler.kill();

    let scaler = Scaler::start(&configuration);
    let unknown = [&expected[..], &[Value::Null]].concat();
    assert_eq!(told_values(&scaler).await, unknown, "nothing told yet");
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 31.0);
    let again = [&unknown[..], &expected[1..]].concat();
    eventually("what is told again is recorded", async || {
        (told_values(&scaler).await == again).then_some(())
    })
    .await;
    assert_eq!(of_process(&scaler).await, ["started", "started"]);
    scaler.terminate().await;

    let scaler = Scaler::start(&configuration.replace("200ms", "100ms"));
    let expected = [
        "started",
        "started",
        "stopped",
        "started",
        "configuration_changed",
    ];
    assert_eq!(of_process(&scaler).await, expected);
    let changed = rows(&scaler, "/api/v1/events?kind=configuration_changed").await;
    let message = changed[0]["message"].as_str().unwrap();
    assert!(message.contains("poll"), "{message}");
    assert!(!message.contains("clusters"), "{message}");
    assert_eq!(told_values(&scaler).await.last(), Some(&Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_is_a_gap_with_its_reason_and_its_end() {
    let cluster = cluster(2).await;
    let data_dir = tempfile::tempdir().unwrap();
    let servers = cluster.bootstrap_servers();
    let groups = named_groups(&[("g", "t")]);
    let estimator = "[estimator]\nmax_staleness = \"2s\"\nwindow = \"10s\"\n";
    let scaler = Scaler::start(&configuration(
        data_dir.path(),
        &servers,
        &format!("{groups}{estimator}"),
    ));
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 30.0);

    // The topic's leader: the group's coordinator is the other one.
    cluster.stop_broker(1).unwrap();
    let gap = eventually("the gap is an event", async || {
        let gaps = rows(&scaler, "/api/v1/events?kind=gap_began&cluster=main").await;
        gaps.into_iter().find(|gap| gap["topic"] == "t")
    })
    .await;
    for key in ["code", "message", "scope"] {
        let text = gap[key].as_str().unwrap();
        assert!(!text.is_empty(), "{gap}");
    }
    eventually("KEDA is told an error, and that is recorded", async || {
        scaler.told(METADATA).await.ok();
        (told_values(&scaler).await == [json!(30.0), Value::Null]).then_some(())
    })
    .await;

    cluster.start_broker(1).unwrap();
    eventually("its end is an event", async || {
        let ends = rows(&scaler, "/api/v1/events?kind=gap_ended").await;
        let end = ends.into_iter().find(|end| end["scope"] == gap["scope"])?;
        (end["time"].as_str() > gap["time"].as_str()).then_some(())
    })
    .await;
}
