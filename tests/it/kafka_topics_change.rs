//! Beside a real Kafka: topics that lose records, partitions or themselves.

use serde_json::Value;
use tidegauge::kafka::Producer;

use super::support::{
    eventually,
    kafka::{Broker, kafka_or_skip},
    scaler::{Scaler, configuration},
};

const GROUP: &str = "billing";
const METADATA: &[(&str, &str)] = &[
    ("consumerGroup", GROUP),
    ("topic", "orders"),
    ("lagThreshold", "1000"),
];

fn produce(broker: &Broker, records: usize) {
    let producer = Producer::connect(broker.bootstrap()).unwrap();
    producer.send("orders", Some(0), records).unwrap();
    producer.flush().unwrap();
}

/// Quick to notice that a topic has changed.
fn scaler(broker: &Broker, data_dir: &std::path::Path) -> Scaler {
    let text = configuration(data_dir, broker.bootstrap(), "");
    Scaler::start(&text.replace(
        "request_timeout",
        "metadata_interval = \"1s\"\nrequest_timeout",
    ))
}

async fn tells(scaler: &Scaler, what: &str, lag: f64) {
    eventually(what, async || {
        (scaler.told(METADATA).await.ok()?.value == lag).then_some(())
    })
    .await;
}

async fn partition(scaler: &Scaler, number: usize) -> Value {
    let group = scaler.json(&format!("/api/v1/groups/{GROUP}")).await;
    group["topics"][0]["partitions"][number].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_deleted_below_the_commit_are_lost_not_lag() {
    let Some(kafka) = kafka_or_skip("records_deleted_below_the_commit_are_lost_not_lag") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &[]);
    produce(&broker, 100);
    broker.reset_offsets(GROUP, "orders", &["--to-offset", "10"]);
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&broker, data_dir.path());
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 90.0);
    assert_eq!(partition(&scaler, 0).await["lost_records"], 0);

    broker.delete_records(&[("orders", 0, 60)]);
    tells(&scaler, "only what is still there", 40.0).await;
    let partition = partition(&scaler, 0).await;
    assert_eq!(partition["lost_records"], 50, "{partition}");
    assert_eq!(partition["log_start_offset"], 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_deleted_and_recreated_begins_a_new_epoch() {
    let Some(kafka) = kafka_or_skip("a_topic_deleted_and_recreated_begins_a_new_epoch") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &[]);
    produce(&broker, 500);
    broker.reset_offsets(GROUP, "orders", &["--to-offset", "400"]);
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&broker, data_dir.path());
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 100.0);

    broker.delete_topic("orders");
    let status = eventually("the topic is gone", async || {
        scaler.told(METADATA).await.err()
    })
    .await;
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status}");
    assert!(status.message().contains("orders"), "{status}");

    broker.create_topic("orders", 1, &[]);
    produce(&broker, 30);
    broker.reset_offsets(GROUP, "orders", &["--to-offset", "10"]);
    tells(&scaler, "the new topic's lag", 20.0).await;
    let path = format!(
        "/api/v1/history?group={GROUP}&topic=orders&step=raw&metric=lag,arrival_rate,consumption_rate"
    );
    let history = scaler.json(&path).await;
    for row in history.as_array().unwrap() {
        for metric in ["lag", "arrival_rate", "consumption_rate"] {
            let value = row[metric].as_f64();
            assert!(
                value.is_none_or(|value| (0.0..=500.0).contains(&value)),
                "{row}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn added_partitions_are_seen() {
    let Some(kafka) = kafka_or_skip("added_partitions_are_seen") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &[]);
    produce(&broker, 10);
    broker.reset_offsets(GROUP, "orders", &["--to-offset", "4"]);
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&broker, data_dir.path());
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 6.0);

    broker.add_partitions("orders", 3);
    tells(
        &scaler,
        "two partitions without a commit count one each",
        8.0,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_that_are_reset_make_no_spike() {
    let Some(kafka) = kafka_or_skip("offsets_that_are_reset_make_no_spike") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &[]);
    produce(&broker, 1_000);
    broker.reset_offsets(GROUP, "orders", &["--to-offset", "900"]);
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&broker, data_dir.path());
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 100.0);
    broker.reset_offsets(GROUP, "orders", &["--to-offset", "100"]);
    tells(&scaler, "the lag after the reset", 900.0).await;
    let rate = partition(&scaler, 0).await["consumption_rate"].as_f64();
    assert!(
        rate.is_none_or(|rate| rate == 0.0),
        "nothing was consumed: {rate:?}"
    );
}
