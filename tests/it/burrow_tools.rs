//! A tool that was written for Burrow reads from us, and reads what Kafka says.
//!
//! It asks as Azul Scaler does: the first cluster, its consumers, and of those
//! that it looks for the newest commits; and is as strict about what it reads.

use std::collections::HashMap;

use serde::{Deserialize, de::DeserializeOwned};
use tidegauge::kafka::Producer;

use super::support::{
    eventually,
    kafka::{Broker, DescribedPartition, kafka_or_skip},
    scaler::{Scaler, configuration},
};

const GROUP: &str = "dev-azul-Unbox-live";
const TOPIC: &str = "azul.dev.binary";

/// An error has `error: true`, and none of the rest.
#[derive(Deserialize)]
struct Told<T> {
    error: bool,
    #[serde(flatten)]
    body: T,
}

#[derive(Deserialize)]
struct Clusters {
    clusters: Vec<String>,
}

#[derive(Deserialize)]
struct Consumers {
    consumers: Vec<String>,
}

#[derive(Deserialize)]
struct Detail {
    topics: HashMap<String, Vec<Partition>>,
}

#[derive(Debug, Deserialize)]
struct Partition {
    #[serde(rename = "current-lag")]
    current_lag: i64,
    offsets: Vec<Option<Offset>>,
}

#[derive(Debug, Deserialize)]
struct Offset {
    lag: i64,
    offset: i64,
    timestamp: i64,
    #[serde(rename = "observedAt")]
    observed_at: i64,
}

#[derive(Deserialize)]
struct Status {
    status: GroupStatus,
}

#[derive(Deserialize)]
struct GroupStatus {
    totallag: i64,
    partitions: Vec<PartitionLag>,
}

#[derive(Deserialize)]
struct PartitionLag {
    partition: i32,
    current_lag: i64,
}

/// What Azul Scaler adds up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Progress {
    added: i64,
    processed: i64,
    lag: i64,
}

async fn ask<T: DeserializeOwned>(scaler: &Scaler, path: &str) -> Option<T> {
    let (status, text) = scaler.get(path).await;
    let told: Told<T> = serde_json::from_str(&text).ok()?;
    (status == 200 && !told.error).then_some(told.body)
}

/// The newest commits of the group, once the newest in `partition` is `offset`.
async fn once_committed(scaler: &Scaler, partition: usize, offset: i64) -> Vec<Partition> {
    eventually("the commit is told", async || {
        let Clusters { clusters } = ask(scaler, "/v3/kafka").await?;
        let path = format!("/v3/kafka/{}/consumer", clusters[0]);
        let Consumers { consumers } = ask(scaler, &path).await?;
        let group = consumers
            .into_iter()
            .find(|group| group.contains("Unbox"))?;
        let mut detail: Detail = ask(scaler, &format!("{path}/{group}")).await?;
        let partitions = detail.topics.remove(TOPIC)?;
        let newest = partitions[partition].offsets.last()?.as_ref()?;
        (newest.offset == offset).then_some(partitions)
    })
    .await
}

fn progress(partitions: &[Partition]) -> Progress {
    let mut sum = Progress::default();
    for partition in partitions {
        let offsets: Vec<_> = partition.offsets.iter().flatten().collect();
        if let [oldest, .., latest] = &offsets[..] {
            assert!(latest.timestamp > oldest.timestamp, "{partition:?}");
            assert!(latest.observed_at >= latest.timestamp, "{partition:?}");
            sum.added += (latest.offset + latest.lag) - (oldest.offset + oldest.lag);
            sum.processed += latest.offset - oldest.offset;
            sum.lag += latest.lag;
        }
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn azul_scaler_reads_from_us_what_kafka_says() {
    let Some(kafka) = kafka_or_skip("azul_scaler_reads_from_us_what_kafka_says") else {
        return;
    };
    let broker = Broker::start(&kafka);
    broker.create_topic(TOPIC, 3, &[]);
    let producer = Producer::connect(broker.bootstrap()).unwrap();
    let produce = |partition, records| {
        producer.send(TOPIC, Some(partition), records).unwrap();
        producer.flush().unwrap();
    };
    let commit = |partition: usize, offset: i64| {
        let (topic, offset) = (format!("{TOPIC}:{partition}"), offset.to_string());
        broker.reset_offsets(GROUP, &topic, &["--to-offset", &offset]);
    };
    for partition in 0..3 {
        produce(partition, 100);
    }
    commit(0, 10);
    commit(1, 100);

    let data_dir = tempfile::tempdir().unwrap();
    let rest = "[clusters.main.groups]\ninclude = [\"^dev-\"]\n";
    let scaler = Scaler::start(&configuration(data_dir.path(), broker.bootstrap(), rest));
    eventually("the group is told", async || {
        let path = "/v3/kafka/main/consumer";
        let Consumers { consumers } = ask(&scaler, path).await?;
        (consumers == [GROUP]).then_some(())
    })
    .await;
    for (offset, more) in [(20, 30), (40, 5), (70, 7)] {
        produce(0, more);
        commit(0, offset);
        once_committed(&scaler, 0, offset).await;
    }

    let described = broker.consumer_group_describe(GROUP);
    let partitions = once_committed(&scaler, 0, 70).await;
    let lags = |one: &DescribedPartition| (one.partition, one.lag);
    let mut kafkas: Vec<_> = described.iter().map(lags).collect();
    kafkas.sort_unstable();
    assert_eq!(kafkas, [(0, Some(72)), (1, Some(0))], "{described:?}");
    let told: Vec<_> = partitions.iter().map(|one| one.current_lag).collect();
    assert_eq!(told, [72, 0, 0], "nothing was committed in the last");
    assert_eq!(partitions[2].offsets.len(), 0);
    let expected = Progress {
        added: 12,
        processed: 50,
        lag: 72,
    };
    assert_eq!(progress(&partitions), expected, "{partitions:?}");

    let path = format!("/v3/kafka/main/consumer/{GROUP}/lag");
    let Status { status } = ask(&scaler, &path).await.unwrap();
    assert_eq!(
        Some(status.totallag),
        described.iter().map(|one| one.lag).sum()
    );
    let lags = status.partitions.iter();
    let lags: Vec<_> = lags
        .map(|one| (one.partition, Some(one.current_lag)))
        .collect();
    assert_eq!(lags, kafkas);
}
