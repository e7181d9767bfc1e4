//! Beside a real Kafka: a topic whose log has holes.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use tidegauge::kafka::Consumer;

use super::support::{
    PATIENCE, eventually,
    history::History,
    kafka::{Broker, kafka_or_skip},
    scaler::{Scaler, configuration},
};

const GROUP: &str = "projection";
const TOPIC: &str = "accounts";
const KEYS: usize = 5;
const ROUNDS: usize = 40;
/// Offsets in the log; most of the records are gone.
const END: i64 = (KEYS * ROUNDS) as i64;

/// Lag counts offsets, as Kafka's own tool does: how many of the records in
/// between are still there, no broker tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_topics_lag_is_what_kafkas_tool_says() {
    let Some(kafka) = kafka_or_skip("a_compacted_topics_lag_is_what_kafkas_tool_says") else {
        return;
    };
    let eager = [
        ("log.cleaner.backoff.ms", "100"),
        ("log.initial.task.delay.ms", "100"),
    ];
    let broker = Broker::start_with(&kafka, &eager);
    broker.create_topic(
        TOPIC,
        1,
        &[
            "cleanup.policy=compact",
            "segment.bytes=1048576",
            "segment.ms=1",
            "min.cleanable.dirty.ratio=0.001",
        ],
    );
    write_rounds(&broker);
    broker.reset_offsets(GROUP, TOPIC, &["--to-offset", "20"]);
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&configuration(data_dir.path(), broker.bootstrap(), ""));
    let lag = END - 20;
    assert_eq!(told(&scaler).await, Some(lag as f64));

    eventually("compaction has run", async || {
        (records_left(&broker) <= 2 * KEYS).then_some(())
    })
    .await;
    let described = &broker.consumer_group_describe(GROUP)[0];
    assert_eq!(described.lag, Some(lag));
    assert_eq!(told(&scaler).await, Some(lag as f64));

    // A reader jumps over the holes, and stands at the end.
    let reader = Consumer::join(broker.bootstrap(), GROUP, &[TOPIC]).unwrap();
    assert!(read_to_end(&reader) <= 2 * KEYS);
    reader.commit().unwrap();
    drop(reader);
    eventually("no lag", async || {
        (told(&scaler).await? == 0.0).then_some(())
    })
    .await;
    assert_eq!(broker.consumer_group_describe(GROUP)[0].lag, Some(0));

    let history = History::of(&scaler, GROUP, TOPIC).await;
    history.assert_no_nonsense(0.0, lag as f64 / 0.1);
    assert_eq!(history.steps("lag"), [lag, 0]);
    assert_eq!(
        history.steps("lost_records"),
        [0],
        "compaction loses nothing"
    );
}

/// Each key once a round; a round is a segment of its own, which only the
/// last one's successor closes.
fn write_rounds(broker: &Broker) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .create()
        .unwrap();
    for round in 0..ROUNDS {
        for key in 0..KEYS {
            let (key, value) = (format!("account-{key}"), format!("{round}"));
            let record = BaseRecord::to(TOPIC).key(&key).payload(&value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }
}

/// How many records a reader of another group finds.
fn records_left(broker: &Broker) -> usize {
    let auditor = Consumer::join(broker.bootstrap(), "auditor", &[TOPIC]).unwrap();
    read_to_end(&auditor)
}

fn read_to_end(consumer: &Consumer) -> usize {
    let mut read = 0;
    let mut idle = 0;
    while idle < 3 || read == 0 {
        let polled = consumer
            .poll_records(1_000, Duration::from_millis(500))
            .unwrap();
        idle = if polled == 0 { idle + 1 } else { 0 };
        read += polled;
    }
    read
}

async fn told(scaler: &Scaler) -> Option<f64> {
    let metadata = [
        ("consumerGroup", GROUP),
        ("topic", TOPIC),
        ("lagThreshold", "1000"),
    ];
    Some(scaler.told(&metadata).await.ok()?.value)
}
