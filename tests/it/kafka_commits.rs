//! Beside a real Kafka: commits that don't point at a record, and none at all.

use serde_json::Value;
use tidegauge::kafka::Producer;

use super::support::{
    eventually,
    history::History,
    kafka::{Broker, DescribedPartition, kafka_or_skip},
    scaler::{Scaler, configuration},
};

/// A group, the topic of one partition that it is asked about, and what must
/// come out: by Kafka's tool, in the API, and for KEDA by reset policy.
struct Case {
    group: &'static str,
    topic: &'static str,
    /// Committed offset and lag by `kafka-consumer-groups --describe`; the
    /// tool tells a lag below 0, and knows no lost records.
    kafkas: (Option<i64>, Option<i64>),
    committed: Option<i64>,
    lag: Option<i64>,
    lost: Option<i64>,
    latest: f64,
    earliest: f64,
}

/// `orders` has records 60 to 99, `empty` has none and never had.
const CASES: [Case; 6] = [
    Case {
        group: "below-log-start",
        topic: "orders",
        kafkas: (Some(10), Some(90)),
        committed: Some(10),
        lag: Some(40),
        lost: Some(50),
        latest: 40.0,
        earliest: 40.0,
    },
    Case {
        group: "beyond-log-end",
        topic: "orders",
        kafkas: (Some(1_000_000), Some(-999_900)),
        committed: Some(1_000_000),
        lag: Some(0),
        lost: Some(0),
        latest: 0.0,
        earliest: 0.0,
    },
    // Kafka keeps a commit of -1, and it takes away the one before.
    Case {
        group: "minus-one",
        topic: "orders",
        kafkas: (None, None),
        committed: None,
        lag: None,
        lost: None,
        latest: 1.0,
        earliest: 40.0,
    },
    Case {
        group: "at-log-end",
        topic: "orders",
        kafkas: (Some(100), Some(0)),
        committed: Some(100),
        lag: Some(0),
        lost: Some(0),
        latest: 0.0,
        earliest: 0.0,
    },
    Case {
        group: "at-zero",
        topic: "empty",
        kafkas: (Some(0), Some(0)),
        committed: Some(0),
        lag: Some(0),
        lost: Some(0),
        latest: 0.0,
        earliest: 0.0,
    },
    Case {
        group: "no-commit",
        topic: "empty",
        kafkas: (None, None),
        committed: None,
        lag: None,
        lost: None,
        latest: 1.0,
        earliest: 0.0,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn strange_commits_are_counted_for_what_can_be_read() {
    let Some(kafka) = kafka_or_skip("strange_commits_are_counted_for_what_can_be_read") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 1, &[]);
    broker.create_topic("empty", 1, &[]);
    produce(&broker, "orders", 0, 100);
    broker.commit_roughly("below-log-start", "orders", 0, 10);
    broker.commit_roughly("beyond-log-end", "orders", 0, 1_000_000);
    broker.commit_roughly("minus-one", "orders", 0, 50);
    broker.commit_roughly("minus-one", "orders", 0, -1);
    broker.commit_roughly("at-log-end", "orders", 0, 100);
    broker.commit_roughly("at-zero", "empty", 0, 0);
    broker.delete_records(&[("orders", 0, 60)]);

    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&configuration(data_dir.path(), broker.bootstrap(), ""));
    for case in &CASES {
        case.check(&broker, &scaler).await;
    }
}

impl Case {
    async fn check(&self, broker: &Broker, scaler: &Scaler) {
        let Case { group, topic, .. } = self;
        // A group without a commit is none for the tool.
        if let [described] = &broker.consumer_group_describe(group)[..] {
            let DescribedPartition {
                current_offset,
                lag,
                ..
            } = described;
            assert_eq!((*current_offset, *lag), self.kafkas, "Kafka's, of {group}");
        } else {
            assert_eq!(self.kafkas, (None, None), "Kafka knows no {group}");
        }
        let told = (
            told(scaler, group, topic, "latest").await,
            told(scaler, group, topic, "earliest").await,
        );
        assert_eq!(told, (self.latest, self.earliest), "told of {group}");

        let json = scaler.json(&format!("/api/v1/groups/{group}")).await;
        let partition = partition(&json, topic, 0);
        let found = ["committed_offset", "lag", "lost_records"].map(|key| partition[key].as_i64());
        assert_eq!(found, [self.committed, self.lag, self.lost], "{json}");
        History::of(scaler, group, topic)
            .await
            .assert_no_nonsense(0.0, 0.0);
    }
}

/// A coordinator that dies just after a topic was deleted keeps the group's
/// commits for ever; Kafka's own tool can't describe such a group any more.
#[tokio::test(flavor = "multi_thread")]
async fn commits_that_outlived_their_topic_count_as_far_as_the_new_one_reaches() {
    let Some(kafka) =
        kafka_or_skip("commits_that_outlived_their_topic_count_as_far_as_the_new_one_reaches")
    else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic("orders", 4, &[]);
    for partition in 0..4 {
        produce(&broker, "orders", partition, 20);
        broker.commit_roughly("billing", "orders", partition, 5);
    }
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&discovering(&broker, &data_dir));
    assert_eq!(told(&scaler, "billing", "orders", "latest").await, 60.0);

    broker.delete_topic_at_once("orders");
    broker.kill();
    broker.restart();
    broker.create_topic_at_once("orders", 2);
    let new_topic = eventually("the new topic, with the old commits", async || {
        let (status, text) = scaler.get("/api/v1/groups/billing").await;
        let group: Value = serde_json::from_str(&text).ok()?;
        let partitions = group["topics"][0]["partitions"].as_array()?;
        let is_new = partitions.iter().all(|it| it["log_end_offset"] == 0);
        (status == 200 && is_new && !partitions.is_empty()).then_some(group)
    })
    .await;
    assert_eq!(
        new_topic["topics"][0]["partitions"]
            .as_array()
            .unwrap()
            .len(),
        2,
        "the other two have vanished: {new_topic}"
    );
    assert_eq!(partition(&new_topic, "orders", 1)["committed_offset"], 5);
    assert_eq!(new_topic["lag"], 0, "{new_topic}");

    produce(&broker, "orders", 0, 30);
    eventually("what lies beyond the old commit", async || {
        let told = told(&scaler, "billing", "orders", "latest").await;
        (told == 25.0).then_some(())
    })
    .await;
    let history = History::of(&scaler, "billing", "orders").await;
    // 30 records came, at the soonest between two ticks.
    history.assert_no_nonsense(30.0 / 0.1, 0.0);
    assert_eq!(history.steps("lag"), [60, 0, 25]);

    // Who never saw the old topic says the same.
    let data_dir = tempfile::tempdir().unwrap();
    let newcomer = Scaler::start(&discovering(&broker, &data_dir));
    let lag = told(&newcomer, "billing", "orders", "latest").await;
    assert_eq!(lag, 25.0);
}

/// All commits of a group that was found are read, not those in partitions
/// that are known; and it is quick to notice that a topic has changed.
fn discovering(broker: &Broker, data_dir: &tempfile::TempDir) -> String {
    let all_groups = "[clusters.main.groups]\ninclude = [\"\"]\n";
    configuration(data_dir.path(), broker.bootstrap(), all_groups).replace(
        "request_timeout",
        "metadata_interval = \"1s\"\ndiscovery_interval = \"1s\"\nrequest_timeout",
    )
}

fn produce(broker: &Broker, topic: &str, partition: i32, records: usize) {
    let producer = Producer::connect(broker.bootstrap()).unwrap();
    producer.send(topic, Some(partition), records).unwrap();
    producer.flush().unwrap();
}

async fn told(scaler: &Scaler, group: &str, topic: &str, policy: &str) -> f64 {
    let metadata = [
        ("consumerGroup", group),
        ("topic", topic),
        ("lagThreshold", "1000"),
        ("offsetResetPolicy", policy),
    ];
    let told = eventually("it tells", async || scaler.told(&metadata).await.ok());
    told.await.value
}

fn partition<'a>(group: &'a Value, topic: &str, number: usize) -> &'a Value {
    let topics = group["topics"].as_array().unwrap();
    let found = topics.iter().find(|found| found["topic"] == topic);
    &found.unwrap_or_else(|| panic!("no {topic}: {group}"))["partitions"][number]
}
