//! Beside a real Kafka: topics that are written in transactions.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use tidegauge::kafka::Consumer;

use super::support::{
    PATIENCE, eventually,
    history::History,
    kafka::{Broker, kafka_or_skip},
    scaler::{Scaler, configuration},
    wait::wait_until,
};

const TOPIC: &str = "ledger";
/// Reads to the end of what it may read, and commits where it stands.
const BY_POSITION: &str = "by-position";
/// Commits the last record's offset plus one, as many frameworks do.
const BY_RECORD: &str = "by-record";

/// The same topic by both ends of the log: `(read_committed, read_uncommitted)`.
type Lags = (f64, f64);

#[tokio::test(flavor = "multi_thread")]
async fn a_transactional_topic_read_to_its_end_has_no_lag() {
    let Some(kafka) = kafka_or_skip("a_transactional_topic_read_to_its_end_has_no_lag") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic(TOPIC, 1, &[]);
    let producer = transactional_producer(&broker);
    for records in [3, 4] {
        producer.begin_transaction().unwrap();
        write(&producer, records);
        producer.commit_transaction(PATIENCE).unwrap();
    }
    read_by_position(&broker, 7);
    read_by_record(&broker, 7);

    let (by_default, uncommitted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let scaler = Scaler::start(&configuration(by_default.path(), broker.bootstrap(), ""));
    let high_watermark = "isolation_level = \"read_uncommitted\"\n";
    let other = Scaler::start(&configuration(
        uncommitted.path(),
        broker.bootstrap(),
        high_watermark,
    ));
    let lags = async |group, expected: Lags| {
        eventually("the lags by both ends", async || {
            let found = (told(&scaler, group).await?, told(&other, group).await?);
            (found == expected).then_some(())
        })
        .await;
    };

    // Seven records, two marks of a commit.
    assert_eq!(kafkas(&broker, BY_POSITION), (9, 9, 0));
    lags(BY_POSITION, (0.0, 0.0)).await;
    // The last mark is no record: whoever commits by record never reads it.
    assert_eq!(kafkas(&broker, BY_RECORD), (8, 9, 1));
    lags(BY_RECORD, (1.0, 1.0)).await;

    // What is in an open transaction can't be read yet.
    producer.begin_transaction().unwrap();
    write(&producer, 4);
    assert_eq!(kafkas(&broker, BY_POSITION), (9, 13, 4));
    lags(BY_POSITION, (0.0, 4.0)).await;

    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(kafkas(&broker, BY_POSITION), (9, 14, 5));
    lags(BY_POSITION, (5.0, 5.0)).await;
    read_by_position(&broker, 4);
    lags(BY_POSITION, (0.0, 0.0)).await;

    // Records of an aborted transaction are there, and nobody's.
    producer.begin_transaction().unwrap();
    write(&producer, 5);
    producer.abort_transaction(PATIENCE).unwrap();
    lags(BY_POSITION, (6.0, 6.0)).await;
    read_by_position(&broker, 0);
    assert_eq!(kafkas(&broker, BY_POSITION), (20, 20, 0));
    lags(BY_POSITION, (0.0, 0.0)).await;

    let history = History::of(&scaler, BY_POSITION, TOPIC).await;
    // Eleven offsets were added, at the soonest between two ticks.
    history.assert_no_nonsense(11.0 / 0.1, 11.0 / 0.1);
    assert_eq!(history.steps("log_end_offset"), [9, 14, 20]);
    assert_eq!(history.steps("committed_offset"), [9, 14, 20]);
}

fn transactional_producer(broker: &Broker) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("transactional.id", "ledger-writer")
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

/// Writes records and waits until the broker has them.
fn write(producer: &BaseProducer, records: usize) {
    for _ in 0..records {
        let record = BaseRecord::<(), [u8]>::to(TOPIC).payload(b"tide".as_slice());
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// The demo's own consumer: it goes on until nothing more comes, since its
/// position passes the mark behind the last record only then.
fn read_by_position(broker: &Broker, records: usize) {
    let consumer = Consumer::join(broker.bootstrap(), BY_POSITION, &[TOPIC]).unwrap();
    let mut read = 0;
    let mut idle = 0;
    while idle < 3 || read < records {
        let polled = consumer
            .poll_records(100, Duration::from_millis(500))
            .unwrap();
        idle = if polled == 0 { idle + 1 } else { 0 };
        read += polled;
    }
    assert_eq!(read, records, "only what is committed is read");
    consumer.commit().unwrap();
}

fn read_by_record(broker: &Broker, records: usize) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", BY_RECORD)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    for _ in 0..records {
        // `None` may also be a rebalance that was served.
        let polled = wait_until(PATIENCE, || consumer.poll(Duration::from_millis(100)));
        let record = polled.expect("a record in time").unwrap();
        assert_eq!(record.topic(), TOPIC);
        consumer.commit_message(&record, CommitMode::Sync).unwrap();
    }
}

/// Committed offset, log end offset and lag by Kafka's own tool.
fn kafkas(broker: &Broker, group: &str) -> (i64, i64, i64) {
    let described = broker.consumer_group_describe(group);
    let partition = &described[0];
    (
        partition.current_offset.unwrap(),
        partition.log_end_offset,
        partition.lag.unwrap(),
    )
}

async fn told(scaler: &Scaler, group: &str) -> Option<f64> {
    let metadata = [
        ("consumerGroup", group),
        ("topic", TOPIC),
        ("lagThreshold", "1000"),
    ];
    Some(scaler.told(&metadata).await.ok()?.value)
}
