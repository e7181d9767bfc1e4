//! Settings and recorded ticks for tests.

use std::{sync::Arc, time::Duration};

use crate::{
    board::{Board, BoardPublisher, BoardReader, Snapshot},
    estimator::{Parameters, Reach, Window},
    model::{
        Commit, GroupReading, GroupTopicReading, PartitionReading, SeriesIndex, Tick, TimestampMs,
        TopicReading, TopicState,
    },
};

use super::{Settings, WatchLimits, trigger::testing::rules};

/// How the tests' readings are judged.
pub(crate) const PARAMETERS: Parameters = Parameters {
    window: Duration::from_secs(300),
    fresh_for: Duration::from_secs(30),
    max_staleness: Duration::from_secs(300),
};

/// Settings for at most `limit` watches on these clusters.
pub(crate) fn settings(clusters: &[&str], limit: usize) -> Arc<Settings> {
    Arc::new(Settings {
        rules: rules(clusters),
        parameters: PARAMETERS,
        limits: WatchLimits {
            limit,
            time_to_live: Duration::from_secs(600),
        },
        access: Arc::default(),
    })
}

/// Commits of one group in topic `t`, whose partitions end at 100.
pub(super) type Commits<'a> = (&'a str, &'a [Commit]);

/// A tick of cluster `main`.
pub(super) fn tick(seconds: i64, groups: &[Commits<'_>]) -> Tick {
    let partitions = groups.iter().map(|(_, commits)| commits.len()).max();
    let partition = PartitionReading {
        log_start_offset: Some(0),
        log_end_offset: Some(100),
    };
    let group = |(group, commits): &Commits<'_>| GroupReading {
        group: (*group).into(),
        membership: None,
        topics: vec![GroupTopicReading {
            topic: "t".into(),
            commits: commits.to_vec(),
        }],
        queue: None,
    };
    Tick {
        cluster: "main".into(),
        at: TimestampMs(seconds * 1_000),
        topics: vec![TopicReading {
            topic: "t".into(),
            id: None,
            state: TopicState::Present(vec![partition; partitions.unwrap_or(1)]),
        }],
        groups: groups.iter().map(group).collect(),
        gaps: Vec::new(),
    }
}

/// Publishes ticks as the recorder does.
pub(super) struct Recorded {
    publisher: BoardPublisher,
    reader: BoardReader,
    index: SeriesIndex,
    window: Window,
}

impl Default for Recorded {
    fn default() -> Self {
        let (publisher, reader) = BoardPublisher::new();
        Self {
            publisher,
            reader,
            index: SeriesIndex::default(),
            window: Window::new(Reach::all(Duration::from_secs(900))),
        }
    }
}

impl Recorded {
    pub(super) fn publish(&mut self, tick: &Tick) {
        for run in self.index.missing_runs(tick) {
            self.index.restore(&run).expect("a run just made fits");
        }
        let frame = Arc::new(self.index.place(tick));
        self.window.push(Arc::new(self.index.clone()), frame);
        let snapshot = Snapshot {
            window: self.window.clone(),
            gaps: tick.gaps.as_slice().into(),
        };
        self.publisher.publish(tick.cluster.clone(), snapshot);
    }

    pub(super) fn reader(&self) -> BoardReader {
        self.reader.clone()
    }

    pub(super) fn board(&self) -> Board {
        self.reader.borrow().clone()
    }
}
