//! Many groups and partitions: what is in embedded brokers, and what was recorded
//! of them before.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use tidegauge::{
    kafka::EmbeddedCluster,
    model::{
        Commit, GroupReading, GroupTopicReading, PartitionReading, Tick, TimestampMs, TopicReading,
        TopicState,
    },
    store,
};

use super::scaler::{configuration, named_groups};

const GROUPS_A_TOPIC: usize = 2;
/// Topics that are made at one time; each takes a third of a second.
const TOPICS_AT_ONCE: usize = 64;

/// Log start and log end of each partition are two series, and each commit of the
/// two groups that read its topic is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) topics: usize,
    pub(crate) partitions_a_topic: usize,
}

impl Crowd {
    pub(crate) fn series(self) -> usize {
        self.topics * self.partitions_a_topic * (2 + GROUPS_A_TOPIC)
    }

    pub(crate) fn groups(self) -> usize {
        self.topics * GROUPS_A_TOPIC
    }

    /// For a scaler that polls `cluster` each `interval`.
    pub(crate) fn configuration(
        self,
        data_dir: &Path,
        cluster: &EmbeddedCluster,
        interval: &str,
        request_timeout: &str,
    ) -> String {
        let servers = cluster.bootstrap_servers();
        configuration(data_dir, &servers, &self.named())
            .replace("200ms", interval)
            .replace("\"1s\"", &format!("{request_timeout:?}"))
    }

    fn topic(at: usize) -> String {
        format!("topic-{at:03}")
    }

    fn group(at: usize) -> String {
        format!("group-{at:04}")
    }

    fn topic_of(group: usize) -> String {
        Self::topic(group / GROUPS_A_TOPIC)
    }

    /// What a ScaledObject says of a group.
    pub(crate) fn metadata(group: usize) -> [(&'static str, String); 3] {
        [
            ("consumerGroup", Self::group(group)),
            ("topic", Self::topic_of(group)),
            ("lagThreshold", "100".to_owned()),
        ]
    }

    /// Brokers with all of that; nothing is in the logs.
    pub(crate) async fn brokers(self) -> EmbeddedCluster {
        let cluster = EmbeddedCluster::start(3).unwrap();
        let partitions = self.partitions_a_topic as i32;
        let next = AtomicUsize::new(0);
        let create = || {
            let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&at| at < self.topics);
            while let Some(topic) = take() {
                cluster
                    .create_topic(&Self::topic(topic), partitions)
                    .unwrap();
            }
        };
        thread::scope(|scope| (0..TOPICS_AT_ONCE).for_each(|_| drop(scope.spawn(create))));
        for group in 0..self.groups() {
            let topic = Self::topic_of(group);
            let commits = (0..partitions).map(|partition| (topic.as_str(), partition, 0));
            let commits: Vec<_> = commits.collect();
            let group = Self::group(group);
            cluster.commit_offsets(&group, &commits).await.unwrap();
        }
        cluster
    }

    /// The groups by name, for a configuration.
    fn named(self) -> String {
        let groups = (0..self.groups()).map(|group| (Self::group(group), Self::topic_of(group)));
        let groups: Vec<_> = groups.collect();
        let groups = groups
            .iter()
            .map(|(group, topic)| (group.as_str(), topic.as_str()));
        named_groups(&groups.collect::<Vec<_>>())
    }

    /// So many ticks until now, as they would have been, `apart` from each other.
    pub(crate) fn record(self, data_dir: &Path, ticks: i64, apart: Duration) {
        let (mut writer, _store) = store::open(data_dir).unwrap();
        let apart_ms = apart.as_millis() as i64;
        let first = TimestampMs::now().0 - ticks * apart_ms;
        for n in 0..ticks {
            let tick = self.tick(TimestampMs(first + n * apart_ms), n);
            let placed = writer.place(&tick);
            writer.record(&placed, &tick.gaps).unwrap();
        }
    }

    fn tick(self, at: TimestampMs, n: i64) -> Tick {
        let moved = |p: usize| n * (p as i64 % 50) + n * n * (p as i64 % 7) % 11;
        let partition = |p: usize| PartitionReading {
            log_start_offset: Some(0),
            log_end_offset: Some(100 + moved(p)),
        };
        let topic = |topic: usize| TopicReading {
            topic: Self::topic(topic).as_str().into(),
            id: None,
            state: TopicState::Present((0..self.partitions_a_topic).map(partition).collect()),
        };
        let commits = (0..self.partitions_a_topic).map(|p| Commit::At(moved(p)));
        let commits: Vec<_> = commits.collect();
        let group = |group: usize| GroupReading {
            group: Self::group(group).as_str().into(),
            membership: None,
            topics: vec![GroupTopicReading {
                topic: Self::topic_of(group).as_str().into(),
                commits: commits.clone(),
            }],
            queue: None,
        };
        Tick {
            cluster: "main".into(),
            at,
            topics: (0..self.topics).map(topic).collect(),
            groups: (0..self.groups()).map(group).collect(),
            gaps: Vec::new(),
        }
    }
}
