//! Beside a real Kafka: the kinds of groups that there are, and what can be
//! told of each.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use serde_json::{Value, json};
use tidegauge::kafka::Producer;
use tonic::Code;

use super::support::{
    eventually,
    history::History,
    kafka::{Broker, kafka_or_skip},
    scaler::{Scaler, configuration},
};

const SHARE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
/// Consumer and share groups alike.
const ALL_GROUPS: &str = "org.apache.kafka.tools.GroupsCommand";

#[tokio::test(flavor = "multi_thread")]
async fn a_group_on_the_new_protocol_is_told_as_any_other() {
    let Some(kafka) = kafka_or_skip("a_group_on_the_new_protocol_is_told_as_any_other") else {
        return;
    };
    let broker = Broker::start_with(
        &kafka,
        &[
            ("group.consumer.heartbeat.interval.ms", "500"),
            ("group.consumer.min.heartbeat.interval.ms", "500"),
        ],
    );
    broker.create_topic("orders", 4, &[]);
    produce(&broker, "orders", &[10, 10, 10, 10]);
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&discovering(&broker, &data_dir));

    let mut members = vec![Member::join(&broker, "modern", "orders")];
    members[0].read(40);
    let alone = stands(&scaler, &mut members, "modern", "one member", |group| {
        group["members"] == 1 && group["state"] == "Stable" && group["lag"] == 0
    })
    .await;
    assert_eq!(alone["partitions_by_member"], json!([4]), "{alone}");

    members.push(Member::join(&broker, "modern", "orders"));
    let shared = stands(&scaler, &mut members, "modern", "two members", |group| {
        group["members"] == 2 && group["state"] == "Stable"
    })
    .await;
    assert_eq!(shared["partitions_by_member"], json!([2, 2]), "{shared}");
    assert!(shared["rebalances"].as_u64() >= Some(1), "{shared}");

    produce(&broker, "orders", &[3, 3, 3, 3]);
    let behind = stands(&scaler, &mut [], "modern", "the lag", |group| {
        group["lag"] == 12
    })
    .await;
    let kafkas = broker.consumer_group_describe("modern");
    assert_eq!(kafkas.len(), 4);
    for described in &kafkas {
        let number = usize::try_from(described.partition).unwrap();
        let partition = &behind["topics"][0]["partitions"][number];
        assert_eq!(
            partition["committed_offset"].as_i64(),
            described.current_offset
        );
        assert_eq!(partition["lag"].as_i64(), described.lag);
    }
    drop(members);
    stands(&scaler, &mut [], "modern", "none is left", |group| {
        group["members"] == 0 && group["state"] == "Empty"
    })
    .await;
    let history = History::of(&scaler, "modern", "orders").await;
    history.assert_no_nonsense(12.0 / 0.1, 40.0 / 0.1);
}

/// A share group has no committed offsets: its backlog is none of our numbers.
#[tokio::test(flavor = "multi_thread")]
async fn a_share_group_is_named_and_not_counted() {
    let Some(kafka) = kafka_or_skip("a_share_group_is_named_and_not_counted") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &[]);
    produce(&broker, "orders", &[100]);
    // What a group without members and commits would be told of.
    broker.commit_roughly("plain", "orders", 0, 40);
    let args = ["--topic", "orders", "--group", "sharers"];
    let member = broker.start_tool(SHARE_CONSUMER, &args);
    eventually("Kafka knows the share group", async || {
        let groups = broker.tool(ALL_GROUPS, &["--list"]);
        let sharers = groups.lines().find(|line| line.starts_with("sharers"))?;
        sharers.contains("Share").then_some(())
    })
    .await;
    assert_eq!(
        broker.consumer_group_describe("sharers"),
        [],
        "for Kafka's tool it is no consumer group either"
    );

    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&discovering(&broker, &data_dir));
    eventually("the consumer group is discovered", async || {
        let groups = scaler.json("/api/v1/groups").await;
        let names = groups
            .as_array()
            .unwrap()
            .iter()
            .map(|group| &group["group"]);
        names.eq(["plain"]).then_some(())
    })
    .await;
    assert_eq!(told(&scaler, "plain", Some("orders")).await.unwrap(), 60.0);

    let status = told(&scaler, "sharers", Some("orders")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("share group"), "{status}");
    let (status, text) = scaler.get("/api/v1/groups/sharers").await;
    let group: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, &group["lag"], &group["members"]),
        (200, &Value::Null, &Value::Null)
    );
    assert!(text.contains("share group"), "{text}");
    drop(member);
}

/// Consumers that assign themselves partitions don't join their group.
#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_group_that_only_commits_are_unknown() {
    let Some(kafka) = kafka_or_skip("members_of_a_group_that_only_commits_are_unknown") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &[]);
    produce(&broker, "orders", &[10]);
    broker.commit_roughly("assigned", "orders", 0, 4);
    let mut once_joined = [Member::join(&broker, "joined", "orders")];
    once_joined[0].read(10);
    drop(once_joined);
    // As a group that its members left, it stays one when its offsets are set.
    broker.reset_offsets("joined", "orders", &["--to-offset", "7"]);

    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&discovering(&broker, &data_dir));
    let assigned = stands(&scaler, &mut [], "assigned", "its lag", |group| {
        group["lag"] == 6
    })
    .await;
    assert_eq!(assigned["members"], Value::Null, "{assigned}");
    assert_eq!(assigned["partitions_by_member"], Value::Null, "{assigned}");
    let joined = stands(&scaler, &mut [], "joined", "its lag", |group| {
        group["lag"] == 3
    })
    .await;
    assert_eq!(
        (&joined["members"], &joined["state"]),
        (&json!(0), &json!("Empty"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_a_pattern_finds_later_is_counted() {
    let Some(kafka) = kafka_or_skip("a_topic_that_a_pattern_finds_later_is_counted") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders-eu", 1, &[]);
    produce(&broker, "orders-eu", &[10]);
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&discovering(&broker, &data_dir));
    let mut members = [Member::join(&broker, "all-orders", "^orders-.*")];
    members[0].read(10);
    stands(
        &scaler,
        &mut members,
        "all-orders",
        "the first topic",
        |group| {
            group["topics"]
                .as_array()
                .is_some_and(|topics| topics.len() == 1)
                && group["lag"] == 0
        },
    )
    .await;

    broker.create_topic("orders-us", 2, &[]);
    broker.create_topic("payments", 1, &[]);
    produce(&broker, "orders-us", &[5, 5]);
    members[0].read(10);
    produce(&broker, "orders-us", &[1, 2]);
    let group = stands(
        &scaler,
        &mut [],
        "all-orders",
        "the second topic",
        |group| group["lag"] == 3,
    )
    .await;
    let topics = group["topics"].as_array().unwrap().iter();
    let topics: Vec<_> = topics
        .map(|topic| (&topic["topic"], &topic["lag"]))
        .collect();
    assert_eq!(
        topics,
        [
            (&json!("orders-eu"), &json!(0)),
            (&json!("orders-us"), &json!(3))
        ]
    );
    let kafkas: i64 = broker
        .consumer_group_describe("all-orders")
        .iter()
        .map(|described| described.lag.unwrap())
        .sum();
    assert_eq!(kafkas, 3);
    assert_eq!(told(&scaler, "all-orders", None).await.unwrap(), 3.0);
    for topic in ["orders-eu", "orders-us"] {
        let history = History::of(&scaler, "all-orders", topic).await;
        history.assert_no_nonsense(13.0 / 0.1, 10.0 / 0.1);
    }
}

/// A member of a group on the new consumer protocol, or of one that
/// subscribes by a pattern (which needs the classic one).
struct Member(BaseConsumer);

impl Member {
    fn join(broker: &Broker, group: &str, topic: &str) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", broker.bootstrap())
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("topic.metadata.refresh.interval.ms", "500");
        if group == "modern" {
            config.set("group.protocol", "consumer");
        }
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[topic]).unwrap();
        Self(consumer)
    }

    /// Reads so many records and commits.
    fn read(&mut self, records: usize) {
        let mut read = 0;
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while read < records {
            if let Some(Ok(_)) = self.0.poll(Duration::from_millis(100)) {
                read += 1;
            }
            assert!(std::time::Instant::now() < deadline, "{read} of {records}");
        }
        self.0.commit_consumer_state(CommitMode::Sync).unwrap();
    }
}

/// Waits until a group stands as `expected`, while its members take part.
async fn stands(
    scaler: &Scaler,
    members: &mut [Member],
    group: &str,
    what: &str,
    expected: impl Fn(&Value) -> bool,
) -> Value {
    eventually(what, async || {
        for member in &mut *members {
            assert!(
                member
                    .0
                    .poll(Duration::from_millis(10))
                    .is_none_or(|it| it.is_ok())
            );
        }
        let (status, text) = scaler.get(&format!("/api/v1/groups/{group}")).await;
        let group: Value = serde_json::from_str(&text).ok()?;
        (status == 200 && expected(&group)).then_some(group)
    })
    .await
}

fn discovering(broker: &Broker, data_dir: &tempfile::TempDir) -> String {
    let all_groups = "[clusters.main.groups]\ninclude = [\"\"]\n";
    configuration(data_dir.path(), broker.bootstrap(), all_groups).replace(
        "request_timeout",
        "metadata_interval = \"1s\"\ndiscovery_interval = \"1s\"\nrequest_timeout",
    )
}

fn produce(broker: &Broker, topic: &str, records: &[usize]) {
    let producer = Producer::connect(broker.bootstrap()).unwrap();
    for (partition, records) in (0..).zip(records) {
        producer.send(topic, Some(partition), *records).unwrap();
    }
    producer.flush().unwrap();
}

async fn told(scaler: &Scaler, group: &str, topic: Option<&str>) -> Result<f64, tonic::Status> {
    let mut metadata = vec![("consumerGroup", group), ("lagThreshold", "1000")];
    metadata.extend(topic.map(|topic| ("topic", topic)));
    Ok(scaler.told(&metadata).await?.value)
}
