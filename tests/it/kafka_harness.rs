//! The test support's own story: a broker is killed, comes back at its old
//! address, and has kept its topics, records and offsets.

use std::panic::catch_unwind;
use std::time::Duration;

use crate::support::kafka::{Broker, DescribedPartition, kafka_or_skip};
use crate::support::wait::wait_until;

const PRODUCE: &str = "org.apache.kafka.tools.ProducerPerformance";

#[test]
fn a_killed_broker_keeps_records_and_offsets() {
    let Some(kafka) = kafka_or_skip("a_killed_broker_keeps_records_and_offsets") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &["retention.ms=-1"]);
    produce_ten(&broker, "orders");
    broker.reset_offsets("billing", "orders", &["--to-offset", "4"]);
    let before = broker.consumer_group_describe("billing");
    assert_eq!(before, [orders(Some(4), 10)]);

    let address = broker.bootstrap().to_owned();
    broker.kill();
    broker.restart();

    assert_eq!(broker.bootstrap(), address);
    assert_eq!(broker.topics(), ["__consumer_offsets", "orders"]);
    assert_eq!(broker.consumer_group_describe("billing"), before);
}

#[test]
fn the_tools_do_what_they_say() {
    let Some(kafka) = kafka_or_skip("the_tools_do_what_they_say") else {
        return;
    };
    let broker = Broker::start(&kafka);
    assert_eq!(broker.consumer_group_describe("nobody"), []);

    broker.create_topic("orders", 1, &[]);
    produce_ten(&broker, "orders");
    broker.delete_records(&[("orders", 0, 6)]);
    broker.reset_offsets("billing", "orders", &["--to-earliest"]);
    assert_eq!(
        broker.consumer_group_describe("billing"),
        [orders(Some(6), 10)]
    );

    broker.add_partitions("orders", 2);
    let described = broker.tool(
        "org.apache.kafka.tools.TopicCommand",
        &["--describe", "--topic", "orders"],
    );
    assert!(described.contains("PartitionCount: 2"), "{described}");

    broker.delete_topic("orders");
    wait_until(Duration::from_secs(20), || {
        (!broker.topics().contains(&"orders".to_owned())).then_some(())
    })
    .expect("the topic goes");
}

#[test]
fn a_broker_that_does_not_start_shows_its_log() {
    let Some(kafka) = kafka_or_skip("a_broker_that_does_not_start_shows_its_log") else {
        return;
    };
    let start = || Broker::start_with(&kafka, &[("metric.reporters", "no.such.Reporter")]);
    let panic = catch_unwind(start).expect_err("it does not start");
    let message = panic.downcast_ref::<String>().expect("a message");
    assert!(message.contains("no.such.Reporter"), "{message}");
}

fn produce_ten(broker: &Broker, topic: &str) {
    let args = ["--num-records", "10", "--record-size", "8"];
    let args = [&["--topic", topic, "--throughput", "-1"], &args[..]].concat();
    broker.tool(PRODUCE, &args);
}

fn orders(current_offset: Option<i64>, log_end_offset: i64) -> DescribedPartition {
    DescribedPartition {
        topic: "orders".to_owned(),
        partition: 0,
        current_offset,
        log_end_offset,
        lag: current_offset.map(|offset| log_end_offset - offset),
    }
}
