//! A cluster of many groups, whose ticks are published as the recorder does.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tidegauge::{
    board::{BoardPublisher, BoardReader, Snapshot},
    estimator::{Parameters, Reach, Window},
    model::{
        Commit, GroupReading, GroupTopicReading, PartitionReading, SeriesIndex, Tick, TimestampMs,
        TopicReading, TopicState,
    },
    proto::{GetMetricsRequest, ScaledObjectRef},
    scaler::Watches,
};
use tokio::sync::mpsc;

use crate::settings::settings;

const PARTITIONS: usize = 100;
const GROUPS_A_TOPIC: usize = 10;
const INTERVAL_MS: i64 = 10_000;
/// Ticks that are held: those of the window over which rates are taken.
const HELD: i64 = 31;

const PARAMETERS: Parameters = Parameters {
    window: Duration::from_secs(300),
    fresh_for: Duration::from_secs(30),
    max_staleness: Duration::from_hours(24),
};

/// A cluster of many groups.
pub(crate) struct Cluster {
    groups: usize,
    publisher: BoardPublisher,
    reader: BoardReader,
    index: Arc<SeriesIndex>,
    window: Window,
    at: TimestampMs,
}

/// The metadata of one ScaledObject.
pub(crate) type Metadata = HashMap<String, String>;

impl Cluster {
    pub(crate) fn new(groups: usize) -> Self {
        let (publisher, reader) = BoardPublisher::new();
        let mut cluster = Self {
            groups,
            publisher,
            reader,
            index: Arc::default(),
            window: Window::new(Reach::all(Duration::from_secs(300))),
            // Within a poll of now, so that answers are fresh.
            at: TimestampMs(TimestampMs::now().0 - INTERVAL_MS * HELD),
        };
        for _ in 0..HELD {
            cluster.tick();
        }
        cluster
    }

    pub(crate) fn partitions(&self) -> usize {
        self.groups * PARTITIONS
    }

    pub(crate) fn reader(&self) -> BoardReader {
        self.reader.clone()
    }

    /// The next tick: 50 records/s arrive in each partition, and 49 to 51 are
    /// read, committed with each poll, so that lag stays about 1,000.
    pub(crate) fn tick(&mut self) {
        self.at = TimestampMs(self.at.0 + INTERVAL_MS);
        let tick = self.reading();
        let runs = self.index.missing_runs(&tick);
        if !runs.is_empty() {
            let index = Arc::make_mut(&mut self.index);
            for run in runs {
                index.restore(&run).expect("a run just made fits");
            }
        }
        let frame = Arc::new(self.index.place(&tick));
        self.window.push(Arc::clone(&self.index), frame);
        let snapshot = Snapshot {
            window: self.window.clone(),
            gaps: Vec::new().into(),
        };
        self.publisher.publish(tick.cluster, snapshot);
    }

    fn reading(&self) -> Tick {
        let written = self.at.0 / 20;
        let partition = PartitionReading {
            log_start_offset: Some(0),
            log_end_offset: Some(written),
        };
        let topics = self.groups.div_ceil(GROUPS_A_TOPIC);
        let topics = (0..topics).map(|topic| TopicReading {
            topic: topic_name(topic).as_str().into(),
            id: None,
            state: TopicState::Present(vec![partition; PARTITIONS]),
        });
        let groups = (0..self.groups).map(|group| {
            let lag = |partition: usize| 900 + (group + partition) as i64 % 200;
            let commits = (0..PARTITIONS).map(|partition| Commit::At(written - lag(partition)));
            GroupReading {
                group: group_name(group).as_str().into(),
                membership: None,
                topics: vec![GroupTopicReading {
                    topic: topic_name(group / GROUPS_A_TOPIC).as_str().into(),
                    commits: commits.collect(),
                }],
                queue: None,
            }
        });
        Tick {
            cluster: "bench".into(),
            at: self.at,
            topics: topics.collect(),
            groups: groups.collect(),
            gaps: Vec::new(),
        }
    }

    /// A watch a group, as its ScaledObject asks.
    pub(crate) fn watches(&self, metadata: fn(usize) -> Metadata) -> Arc<Watches> {
        let settings = Arc::new(settings(PARAMETERS, self.groups));
        // Nobody records what is asked for.
        let watches = Watches::new(settings, BTreeMap::new(), mpsc::channel(1).0);
        for group in 0..self.groups {
            let asked = watches.ask("bench", &metadata(group), TimestampMs::now());
            asked.expect("a valid trigger");
        }
        Arc::new(watches)
    }

    pub(crate) fn requests(&self) -> Arc<[GetMetricsRequest]> {
        let request = |group| GetMetricsRequest {
            scaled_object_ref: Some(ScaledObjectRef {
                name: format!("scaled-object-{group}"),
                namespace: "default".to_owned(),
                scaler_metadata: plain(group),
            }),
            metric_name: format!("kafka-{}", topic_name(group / GROUPS_A_TOPIC)),
        };
        (0..self.groups).map(request).collect()
    }
}

fn group_name(group: usize) -> String {
    format!("consumers-of-service-{group}")
}

fn topic_name(topic: usize) -> String {
    format!("events-{topic}")
}

/// What KEDA sends of a plain ScaledObject.
pub(crate) fn plain(group: usize) -> Metadata {
    let pairs = [
        ("scalerAddress", "tidegauge.keda:9090".to_owned()),
        ("bootstrapServers", "kafka:9092".to_owned()),
        ("consumerGroup", group_name(group)),
        ("topic", topic_name(group / GROUPS_A_TOPIC)),
        ("lagThreshold", "1000".to_owned()),
    ];
    let pairs = pairs.into_iter();
    pairs.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The same with one metric after the other.
pub(crate) fn mixed(group: usize) -> Metadata {
    let metrics = [
        "lag",
        "averageLag",
        "timeLag",
        "eta",
        "backlog",
        "consumptionDeficit",
    ];
    let mut metadata = plain(group);
    metadata.remove("lagThreshold");
    let metric = metrics[group % metrics.len()].to_owned();
    metadata.insert("metric".to_owned(), metric);
    metadata.insert("targetSize".to_owned(), "1000".to_owned());
    metadata
}
