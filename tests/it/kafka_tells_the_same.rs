//! Beside a real Kafka: what we tell is what Kafka's own tools print.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;
use tidegauge::kafka::{Consumer, Producer};

use super::support::{
    eventually,
    kafka::{Broker, DescribedPartition, kafka_or_skip},
    scaler::{Scaler, configuration},
};

const GROUP: &str = "orders-service";
const MEMBERS: usize = 3;
const RECORDS_A_ROUND: usize = 60;
const ROUNDS: usize = 10;
/// Groups are found by their name's pattern; the window holds the whole story.
const REST: &str = r#"
[estimator]
window = "10m"
[clusters.main.groups]
include = ["^orders-"]
exclude = ["-test$"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn lag_and_rates_of_a_real_group_are_kafkas_own() {
    let Some(kafka) = kafka_or_skip("lag_and_rates_of_a_real_group_are_kafkas_own") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 4, &[]);
    let producer = Producer::connect(broker.bootstrap()).unwrap();
    produce(&producer, 100);
    consume(&broker, 100);

    let data_dir = tempfile::tempdir().unwrap();
    let text = configuration(data_dir.path(), broker.bootstrap(), REST).replace(
        "request_timeout = \"1s\"",
        "request_timeout = \"1s\"\ndiscovery_interval = \"1s\"",
    );
    let scaler = Scaler::start(&text);
    let before = broker.consumer_group_describe(GROUP);
    settled(&scaler, &before).await;

    // In rounds, so that more than one commit falls into the window.
    for _ in 0..ROUNDS {
        produce(&producer, RECORDS_A_ROUND);
        consume(&broker, RECORDS_A_ROUND);
    }
    // A rebalance may have handed out a record twice, and so left one behind.
    while lag(&broker.consumer_group_describe(GROUP)) > 0 {
        consume(&broker, 1);
    }
    produce(&producer, 37);
    let after = broker.consumer_group_describe(GROUP);
    let group = settled(&scaler, &after).await;

    assert_eq!(group["lag"], lag(&after), "{group}");
    assert_eq!(lag(&after), 37);
    for described in &after {
        let partition = partition(&group, described);
        assert_eq!(
            partition["committed_offset"].as_i64(),
            described.current_offset
        );
        assert_eq!(
            partition["log_end_offset"].as_i64(),
            Some(described.log_end_offset)
        );
        assert_eq!(partition["lag"].as_i64(), described.lag);
    }
    let metadata = [
        ("consumerGroup", GROUP),
        ("topic", "orders"),
        ("lagThreshold", "100"),
    ];
    assert_eq!(scaler.told(&metadata).await.unwrap().value, 37.0);

    rates_agree(&scaler, &before, &after).await;
}

/// The rates at the last recorded tick, times the time recorded, are about the
/// growth between Kafka's two descriptions, which the offsets are exactly.
async fn rates_agree(scaler: &Scaler, before: &[DescribedPartition], after: &[DescribedPartition]) {
    let path = format!(
        "/api/v1/history?group={GROUP}&topic=orders&step=raw&metric=log_end_offset,committed_offset,arrival_rate,consumption_rate"
    );
    let history = scaler.json(&path).await;
    let known: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["log_end_offset"].is_i64() && row["committed_offset"].is_i64())
        .collect();
    let (first, last) = (known[0], known[known.len() - 1]);
    assert_eq!(
        first["log_end_offset"],
        sum(before, |p| Some(p.log_end_offset))
    );
    assert_eq!(
        last["log_end_offset"],
        sum(after, |p| Some(p.log_end_offset))
    );
    assert_eq!(last["committed_offset"], sum(after, |p| p.current_offset));

    let elapsed_s = seconds(last) - seconds(first);
    let added = sum(after, |p| Some(p.log_end_offset)) - sum(before, |p| Some(p.log_end_offset));
    let processed = sum(after, |p| p.current_offset) - sum(before, |p| p.current_offset);
    // Between the first change and the last, not from edge to edge.
    for (rate, growth) in [("arrival_rate", added), ("consumption_rate", processed)] {
        let told = last[rate].as_f64().unwrap() * elapsed_s;
        let ratio = told / growth as f64;
        assert!(
            (0.8..1.5).contains(&ratio),
            "{rate}: {told} told, Kafka has {growth} more"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_discovered_by_pattern() {
    let Some(kafka) = kafka_or_skip("groups_are_discovered_by_pattern") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &[]);
    for group in ["orders-a", "orders-b-test", "payments"] {
        broker.reset_offsets(group, "orders", &["--to-earliest"]);
    }
    let data_dir = tempfile::tempdir().unwrap();
    let text = configuration(data_dir.path(), broker.bootstrap(), REST);
    let text = text.replace(
        "request_timeout",
        "discovery_interval = \"1s\"\nrequest_timeout",
    );
    let scaler = Scaler::start(&text);
    eventually("the first group", async || {
        (groups(&scaler).await == ["orders-a"]).then_some(())
    })
    .await;

    broker.reset_offsets("orders-later", "orders", &["--to-earliest"]);
    eventually("a group that came later", async || {
        (groups(&scaler).await == ["orders-a", "orders-later"]).then_some(())
    })
    .await;
    let group = scaler.json("/api/v1/groups/orders-a").await;
    assert_eq!(
        (&group["members"], &group["state"]),
        (&Value::Null, &"Empty".into()),
        "it was never joined, so who reads for it is unknown"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_commits_counts_as_keda_counts_it() {
    let Some(kafka) = kafka_or_skip("a_group_without_commits_counts_as_keda_counts_it") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 4, &[]);
    produce(&Producer::connect(broker.bootstrap()).unwrap(), 100);
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&configuration(data_dir.path(), broker.bootstrap(), ""));
    let told = async |policy| {
        let metadata = [
            ("consumerGroup", "newcomer"),
            ("topic", "orders"),
            ("lagThreshold", "1000"),
            ("offsetResetPolicy", policy),
        ];
        // A broker that has just started makes the offsets' topic first.
        let told = eventually("it tells", async || scaler.told(&metadata).await.ok());
        told.await.value
    };
    assert_eq!(told("latest").await, 4.0, "one a partition");
    assert_eq!(told("earliest").await, 100.0, "the whole retained log");
    let group = scaler.json("/api/v1/groups/newcomer").await;
    assert_eq!(
        group["topics"][0]["partitions"][0]["committed_offset"],
        Value::Null
    );
    assert_eq!(group["topics"][0]["partitions"][0]["lag"], Value::Null);
}

fn produce(producer: &Producer, records: usize) {
    for partition in 0..4 {
        let share = records / 4 + usize::from((partition as usize) < records % 4);
        producer.send("orders", Some(partition), share).unwrap();
    }
    producer.flush().unwrap();
}

/// Several members of one group read `records` between them, commit and leave.
fn consume(broker: &Broker, records: usize) {
    let (read, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..MEMBERS {
            scope.spawn(|| {
                let member = Consumer::join(broker.bootstrap(), GROUP, &["orders"]).unwrap();
                let deadline = std::time::Instant::now() + Duration::from_secs(60);
                while read.load(Ordering::Relaxed) < records {
                    let polled = member.poll_records(records, Duration::from_millis(100));
                    // A rebalance while another member joins is not a failure.
                    if let Ok(count) = polled
                        && count > 0
                        && member.commit().is_ok()
                    {
                        read.fetch_add(count, Ordering::Relaxed);
                    }
                    if std::time::Instant::now() > deadline {
                        failed.store(true, Ordering::Relaxed);
                        return;
                    }
                }
            });
        }
    });
    assert!(
        !failed.load(Ordering::Relaxed),
        "the group did not read {records} records"
    );
}

/// Waits until the group stands as Kafka describes it.
async fn settled(scaler: &Scaler, described: &[DescribedPartition]) -> Value {
    eventually("the group stands as Kafka describes it", async || {
        let (status, text) = scaler.get(&format!("/api/v1/groups/{GROUP}")).await;
        let group: Value = serde_json::from_str(&text).ok()?;
        let same = status == 200
            && described.iter().all(|described| {
                let partition = partition(&group, described);
                partition["committed_offset"].as_i64() == described.current_offset
                    && partition["log_end_offset"].as_i64() == Some(described.log_end_offset)
            });
        same.then_some(group)
    })
    .await
}

fn partition<'a>(group: &'a Value, described: &DescribedPartition) -> &'a Value {
    let index = usize::try_from(described.partition).unwrap();
    &group["topics"][0]["partitions"][index]
}

fn lag(described: &[DescribedPartition]) -> i64 {
    sum(described, |partition| partition.lag)
}

fn sum(described: &[DescribedPartition], of: impl Fn(&DescribedPartition) -> Option<i64>) -> i64 {
    assert_eq!(described.len(), 4);
    described
        .iter()
        .map(|partition| of(partition).unwrap())
        .sum()
}

async fn groups(scaler: &Scaler) -> Vec<String> {
    let groups = scaler.json("/api/v1/groups").await;
    let groups = groups.as_array().unwrap().iter();
    groups
        .map(|group| group["group"].as_str().unwrap().to_owned())
        .collect()
}

fn seconds(row: &Value) -> f64 {
    let time = row["time"].as_str().unwrap();
    let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
    time.timestamp_millis() as f64 / 1000.0
}
