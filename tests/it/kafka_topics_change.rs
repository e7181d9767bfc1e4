//! Beside a real Kafka: topics that lose records, partitions or themselves.

use serde_json::Value;
use tidegauge::kafka::Producer;

use super::support::{
    eventually,
    history::History,
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
fn quick_to_notice(broker: &Broker, data_dir: &std::path::Path) -> String {
    configuration(data_dir, broker.bootstrap(), "").replace(
        "request_timeout",
        "metadata_interval = \"1s\"\nrequest_timeout",
    )
}

fn scaler(broker: &Broker, data_dir: &std::path::Path) -> Scaler {
    Scaler::start(&quick_to_notice(broker, data_dir))
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
    let history = History::of(&scaler, GROUP, "orders").await;
    history.assert_no_nonsense(0.0, 0.0);
    assert_eq!(history.steps("lag"), [90, 40]);
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
    let history = History::of(&scaler, GROUP, "orders").await;
    // 30 records came, at the soonest between two ticks; none was consumed.
    history.assert_no_nonsense(30.0 / 0.1, 0.0);
}

/// The new topic is longer than the old one, so that no offset falls, and no
/// poll falls into the time without it: only its id tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_recreated_between_two_polls_makes_no_spike() {
    let Some(kafka) = kafka_or_skip("a_topic_recreated_between_two_polls_makes_no_spike") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &[]);
    produce(&broker, 100);
    broker.reset_offsets(GROUP, "orders", &["--to-offset", "60"]);
    let data_dir = tempfile::tempdir().unwrap();
    let text = quick_to_notice(&broker, data_dir.path());
    let scaler = Scaler::start(&text.replace("200ms", "10s"));
    let ticks = async || {
        History::of(&scaler, GROUP, "orders")
            .await
            .at("log_end_offset")
    };
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 40.0);
    // Just after a tick there is the most time until the next.
    let first = ticks().await.len();
    let before = eventually("a tick has just been", async || {
        Some(ticks().await).filter(|ticks| ticks.len() > first)
    })
    .await;

    broker.delete_topic_at_once("orders");
    broker.create_topic_at_once("orders", 1);
    produce(&broker, 5_000);
    broker.commit_roughly(GROUP, "orders", 0, 4_000);
    assert_eq!(ticks().await, before, "no tick fell into the change");

    tells(&scaler, "the new topic's lag", 1_000.0).await;
    let history = History::of(&scaler, GROUP, "orders").await;
    assert_eq!(history.steps("log_end_offset"), [100, 5_000]);
    assert_eq!(history.steps("lag"), [40, 1_000]);
    // Since the new topic was first seen, nothing has come or gone.
    history.assert_no_nonsense(0.0, 0.0);
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

    let producer = Producer::connect(broker.bootstrap()).unwrap();
    producer.send("orders", Some(2), 7).unwrap();
    producer.flush().unwrap();
    broker.commit_roughly(GROUP, "orders", 1, 0);
    broker.commit_roughly(GROUP, "orders", 2, 2);
    tells(&scaler, "the lag of all three", 11.0).await;
    let described = broker.consumer_group_describe(GROUP);
    let lags: i64 = described.iter().filter_map(|partition| partition.lag).sum();
    assert_eq!((described.len(), lags), (3, 11), "{described:?}");
    let history = History::of(&scaler, GROUP, "orders").await;
    // Seven records came and two went, at the soonest between two ticks.
    history.assert_no_nonsense(7.0 / 0.1, 2.0 / 0.1);
}
