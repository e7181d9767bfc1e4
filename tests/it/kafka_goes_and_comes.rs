//! Beside a real Kafka: a broker that is killed and comes back.

use tonic::Code;

use tidegauge::kafka::Producer;

use super::support::{
    eventually,
    kafka::{Broker, kafka_or_skip},
    scaler::{Scaler, configuration},
};

const METADATA: &[(&str, &str)] = &[
    ("consumerGroup", "billing"),
    ("topic", "orders"),
    ("lagThreshold", "1000"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_is_a_gap_and_then_an_error_and_never_zero() {
    let Some(kafka) = kafka_or_skip("a_killed_broker_is_a_gap_and_then_an_error_and_never_zero")
    else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &[]);
    let producer = Producer::connect(broker.bootstrap()).unwrap();
    producer.send("orders", Some(0), 100).unwrap();
    producer.flush().unwrap();
    drop(producer);
    broker.reset_offsets("billing", "orders", &["--to-offset", "30"]);
    let data_dir = tempfile::tempdir().unwrap();
    let rest = "[estimator]\nmax_staleness = \"3s\"\nwindow = \"10s\"\n";
    let scaler = Scaler::start(&configuration(data_dir.path(), broker.bootstrap(), rest));
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 70.0);

    broker.kill();
    let status = eventually("the reading is too old", async || {
        match scaler.told(METADATA).await {
            Ok(told) => {
                assert_eq!(told.value, 70.0, "until then the last reading holds");
                None
            }
            Err(status) => Some(status),
        }
    })
    .await;
    assert_eq!(status.code(), Code::Unavailable);
    let (_, reasons) = scaler.get("/readyz").await;
    assert!(reasons.contains("main"), "{reasons}");

    broker.restart();
    eventually("the lag is known again", async || {
        let told = scaler.told(METADATA).await.ok()?;
        assert_eq!(told.value, 70.0, "never another number in between");
        Some(())
    })
    .await;
    let path = "/api/v1/history?group=billing&topic=orders&step=raw&metric=lag";
    let history = scaler.json(path).await;
    let lags = history
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["lag"].as_i64());
    assert!(
        lags.flatten().all(|lag| lag == 70),
        "gaps are null, never 0: {history}"
    );
}
