//! What was published is found again after SIGKILL, and the first answer after
//! each start is right.

use std::collections::BTreeSet;

use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    eventually,
    scaler::{Scaler, configuration, named_groups},
};

const ROUNDS: i64 = 20;
const METADATA: &[(&str, &str)] = &[
    ("consumerGroup", "g"),
    ("lagThreshold", "100"),
    ("allowIdleConsumers", "true"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_published_tick_is_found_again() {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 3).unwrap();
    let producer = cluster.producer().unwrap();
    cluster
        .commit_offsets("g", &[("t", 0, 0), ("t", 1, 0), ("t", 2, 0)])
        .await
        .unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let servers = cluster.bootstrap_servers();
    let quick = configuration(data_dir.path(), &servers, &named_groups(&[("g", "t")]))
        .replace("200ms", "100ms");

    let mut published = BTreeSet::new();
    for round in 1..=ROUNDS {
        let scaler = Scaler::start(&quick);
        if round > 1 {
            // At once, from the history alone or the first new tick: the lag
            // that the brokers have, for nothing moved while it was down.
            let told = scaler.told(METADATA).await.unwrap();
            assert_eq!(told.value, ((round - 1) * 3 * 10) as f64, "round {round}");
        }
        for partition in 0..3 {
            producer.send("t", Some(partition), 10).unwrap();
        }
        producer.flush().unwrap();
        eventually("the new records are published", async || {
            let group = scaler.json("/api/v1/groups/g").await;
            published.insert(as_of(&group));
            (group["lag"] == round * 3 * 10).then_some(())
        })
        .await;
        scaler.kill();
    }

    let scaler = Scaler::start(&quick);
    let recorded = recorded_ticks(&scaler, published.first().unwrap()).await;
    let lost: Vec<_> = published.difference(&recorded).collect();
    assert!(
        lost.is_empty(),
        "{} of {} ticks lost: {lost:?}",
        lost.len(),
        published.len()
    );
    assert!(published.len() >= ROUNDS as usize);
}

fn as_of(group: &serde_json::Value) -> String {
    group["as_of"].as_str().unwrap().to_owned()
}

async fn recorded_ticks(scaler: &Scaler, from: &str) -> BTreeSet<String> {
    let path = format!("/api/v1/history?group=g&metric=lag&step=raw&from={from}");
    let history = scaler.json(&path).await;
    let rows = history.as_array().unwrap().iter();
    rows.map(|row| row["time"].as_str().unwrap().to_owned())
        .collect()
}
