//! Polls the embedded cluster and compares with what was written to it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::model::{
    Commit, GapScope, GroupId, GroupReading, Interest, Partition, PartitionReading, Tick,
    TimestampMs, TopicName, TopicSelection, TopicState,
};
use crate::polling::{PollStats, Schedule, poll_until_cancelled};

mod life;
mod outages;
mod readings;

/// Long enough for a slow machine, short enough for a test that waits for it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

fn settings(cluster: &EmbeddedCluster) -> ClientSettings {
    ClientSettings {
        bootstrap_servers: vec![cluster.bootstrap_servers()],
        properties: BTreeMap::from([("reconnect.backoff.max.ms".to_owned(), "200".to_owned())]),
        request_timeout: REQUEST_TIMEOUT,
        oauthbearer: None,
    }
}

fn client(cluster: &EmbeddedCluster) -> Client {
    Client::connect(&settings(cluster)).expect("client")
}

fn poller(cluster: &EmbeddedCluster) -> Poller {
    Poller::new(client(cluster), poller_settings())
}

fn poller_settings() -> PollerSettings {
    PollerSettings {
        cluster: "c".into(),
        discovery: DiscoverySettings {
            enabled: true,
            interval: Duration::from_secs(60),
            include_empty: true,
            silent_after: Duration::from_secs(3_600),
        },
        metadata_interval: Duration::from_secs(60),
        isolation: IsolationLevel::ReadCommitted,
        cycle_limit: 2 * REQUEST_TIMEOUT + Duration::from_secs(1),
    }
}

fn interest(groups: &[(&str, &[&str])]) -> Interest {
    let mut interest = Interest::default();
    for (group, topics) in groups {
        let topics = topics.iter().map(|topic| TopicName::from(*topic));
        interest.add_group(GroupId::from(*group), TopicSelection::only(topics));
    }
    interest
}

/// Three brokers, and a topic of three partitions: partition p is led by broker
/// p + 1 and has 10 (p + 1) records.
fn three_brokers() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(3).expect("cluster");
    cluster.create_topic("orders", 3).expect("topic");
    let producer = cluster.producer().expect("producer");
    for partition in 0..3 {
        cluster
            .set_leader("orders", partition, Some(partition + 1))
            .expect("leader");
        let records = 10 * (usize::try_from(partition).expect("small") + 1);
        producer
            .send("orders", Some(partition), records)
            .expect("records");
    }
    producer.flush().expect("flush");
    cluster
}

async fn eventually(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + 5 * REQUEST_TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "it never happened");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn poll(poller: &mut Poller, interest: &Interest) -> Tick {
    poller.poll(interest, TimestampMs::now()).await
}

fn log(tick: &Tick, topic: &str) -> Vec<(Option<i64>, Option<i64>)> {
    let reading = tick
        .topics
        .iter()
        .find(|reading| reading.topic.as_str() == topic);
    match &reading.expect("topic in tick").state {
        TopicState::Present(partitions) => partitions
            .iter()
            .map(
                |PartitionReading {
                     log_start_offset,
                     log_end_offset,
                 }| (*log_start_offset, *log_end_offset),
            )
            .collect(),
        TopicState::Missing => panic!("{topic} is missing"),
    }
}

fn group<'a>(tick: &'a Tick, group: &str) -> &'a GroupReading {
    let reading = tick
        .groups
        .iter()
        .find(|reading| reading.group.as_str() == group);
    reading.expect("group in tick")
}

fn codes(tick: &Tick) -> Vec<(GapScope, &str)> {
    tick.gaps
        .iter()
        .map(|gap| (gap.scope.clone(), gap.reason.code.as_str()))
        .collect()
}

fn partition_scope(topic: &str, partition: Partition) -> GapScope {
    GapScope::Partition(topic.into(), partition)
}
