//! Beside a real Kafka: offsets that are set back and forth by hand.

use std::time::Duration;

use tidegauge::kafka::{Consumer, Producer};

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
    ("lagThreshold", "10000"),
];

/// Set forward, offsets can't be told from records that somebody read and left;
/// set back, they begin anew.
#[tokio::test(flavor = "multi_thread")]
async fn offsets_set_back_and_forth_tell_kafkas_lag() {
    let Some(kafka) = kafka_or_skip("offsets_set_back_and_forth_tell_kafkas_lag") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &[]);
    let producer = Producer::connect(broker.bootstrap()).unwrap();
    producer.send("orders", Some(0), 1_000).unwrap();
    producer.flush().unwrap();
    consume(&broker, 900);

    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&configuration(data_dir.path(), broker.bootstrap(), ""));
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 100.0);
    for (to, lag, is_back) in [
        (&["--to-offset", "100"][..], 900.0, true),
        (&["--to-latest"], 0.0, false),
        (&["--shift-by", "-50"], 50.0, true),
        (&["--to-earliest"], 1_000.0, true),
        (&["--to-offset", "990"], 10.0, false),
    ] {
        broker.reset_offsets(GROUP, "orders", to);
        eventually("the lag after the reset", async || {
            (scaler.told(METADATA).await.ok()?.value == lag).then_some(())
        })
        .await;
        let described = &broker.consumer_group_describe(GROUP)[0];
        assert_eq!(described.lag, Some(lag as i64));
        if is_back {
            let group = scaler.json(&format!("/api/v1/groups/{GROUP}")).await;
            let rate = group["consumption_rate"].as_f64();
            assert!(rate.is_none_or(|rate| rate == 0.0), "{group}");
        }
    }
    let history = History::of(&scaler, GROUP, "orders").await;
    assert_eq!(history.steps("lag"), [100, 900, 0, 50, 1_000, 10]);
    // At the most 990 offsets forward, at the soonest between two ticks.
    history.assert_no_nonsense(0.0, 990.0 / 0.1);
}

/// A member of the group reads so many records, commits and leaves.
fn consume(broker: &Broker, records: usize) {
    let member = Consumer::join(broker.bootstrap(), GROUP, &["orders"]).unwrap();
    let mut read = 0;
    while read < records {
        let left = records - read;
        read += member.poll_records(left, Duration::from_secs(1)).unwrap();
    }
    member.commit().unwrap();
}
