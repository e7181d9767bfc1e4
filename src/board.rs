//! The newest recorded state of each cluster, for all who answer questions.
//!
//! The recorder publishes; KEDA's calls and the HTTP pages read. A [`Board`]
//! that somebody holds never changes, and nothing stands on it that is not in
//! the store (unless the store itself has failed, which `/readyz` then says).

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

use crate::{
    estimator::Window,
    model::{ClusterName, Gap, GapScope, GroupId, TimestampMs, TopicName},
};

/// The newest state of each cluster.
#[derive(Debug, Clone, Default)]
pub struct Board {
    clusters: BTreeMap<ClusterName, Arc<Snapshot>>,
}

/// The newest state of one cluster.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its newest ticks; at least one.
    pub window: Window,
    /// What was missing from the newest tick.
    pub gaps: Arc<[Gap]>,
}

/// Reads the newest board, and is told of each new one.
pub type BoardReader = watch::Receiver<Board>;

/// Publishes boards.
#[derive(Debug)]
pub struct BoardPublisher(watch::Sender<Board>);

impl BoardPublisher {
    /// A publisher of an empty board, and its first reader.
    pub fn new() -> (Self, BoardReader) {
        let (sender, reader) = watch::channel(Board::default());
        (Self(sender), reader)
    }

    /// Replaces the state of one cluster.
    pub fn publish(&self, cluster: ClusterName, snapshot: Snapshot) {
        self.0.send_modify(|board| {
            board.clusters.insert(cluster, Arc::new(snapshot));
        });
    }

    /// Takes the state of one cluster away.
    pub fn withdraw(&self, cluster: &ClusterName) {
        self.0.send_modify(|board| {
            board.clusters.remove(cluster);
        });
    }
}

impl Board {
    /// The clusters that have been read, by name.
    pub fn clusters(&self) -> &BTreeMap<ClusterName, Arc<Snapshot>> {
        &self.clusters
    }

    /// The newest state of `cluster`; `None` if it was never read.
    pub fn cluster(&self, cluster: &ClusterName) -> Option<&Snapshot> {
        self.clusters.get(cluster).map(Arc::as_ref)
    }
}

impl Snapshot {
    /// When the newest tick was taken.
    pub fn as_of(&self) -> Option<TimestampMs> {
        self.window.as_of()
    }

    /// The first gap that explains why `group`, or its `topic`, is not known.
    pub fn gap_of(&self, group: &GroupId, topic: Option<&TopicName>) -> Option<&Gap> {
        self.gaps.iter().find(|gap| match &gap.scope {
            GapScope::Cluster => true,
            GapScope::Group(id) => id == group,
            GapScope::Commit(id, of, _) => id == group && topic.is_none_or(|topic| topic == of),
            GapScope::Topic(of) | GapScope::Partition(of, _) => match topic {
                Some(topic) => topic == of,
                None => self.reads(group, of),
            },
            GapScope::Discovery | GapScope::Membership(_) => false,
        })
    }

    /// The first gap that explains why `topic`'s log is not known.
    pub fn gap_of_topic(&self, topic: &TopicName) -> Option<&Gap> {
        self.gaps.iter().find(|gap| match &gap.scope {
            GapScope::Cluster => true,
            GapScope::Topic(of) | GapScope::Partition(of, _) => of == topic,
            GapScope::Discovery
            | GapScope::Group(_)
            | GapScope::Membership(_)
            | GapScope::Commit(..) => false,
        })
    }

    /// Those of `groups`, which are all that `matches` picks, that the newest
    /// tick knows. One that is neither read any more nor reported as a gap is
    /// not polled any more, however long its history. An error: a gap of one
    /// that was never read, so that nothing is known of it.
    pub fn known_groups(
        &self,
        groups: &[GroupId],
        matches: impl Fn(&str) -> bool,
    ) -> Result<Vec<GroupId>, &Gap> {
        let window = &self.window;
        let unread = self.gaps.iter().find(|gap| match &gap.scope {
            GapScope::Group(id) => matches(id.as_str()) && !window.tells_of(id.as_str()),
            _ => false,
        });
        if let Some(gap) = unread {
            return Err(gap);
        }
        let known = |group: &&GroupId| {
            window.newest_tells_of(group.as_str())
                || self.gap_of(group, None).is_some() && window.tells_of(group.as_str())
        };
        Ok(groups.iter().filter(known).cloned().collect())
    }

    /// Could the list of groups not be read?
    pub fn discovery_failed(&self) -> bool {
        self.gaps
            .iter()
            .any(|gap| matches!(gap.scope, GapScope::Discovery | GapScope::Cluster))
    }

    fn reads(&self, group: &GroupId, topic: &TopicName) -> bool {
        let groups = self.window.index().groups();
        groups
            .get(group)
            .is_some_and(|series| series.topics.contains_key(topic))
    }
}
