//! One queue, one cycle: what its database says becomes a [`Tick`].

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    config::QueueConfig,
    model::{ClusterName, Gap, GapReason, GapScope, GroupId, Interest, Tick, TimestampMs},
    polling::Pollable,
    sources::postgres::Database,
};

use super::{Ledger, Task};

/// Reads one queue, cycle after cycle.
#[derive(Debug)]
pub struct QueuePoller {
    name: ClusterName,
    database: Database,
    /// Shared with the poller that will take the place of this one.
    ledger: Arc<Mutex<Ledger>>,
}

impl QueuePoller {
    /// A poller that knows no counts yet, and connects with its first cycle. A cycle
    /// ends within `cycle_limit`.
    pub fn new(name: ClusterName, config: QueueConfig, cycle_limit: Duration) -> Self {
        Self {
            database: Database::new(name.clone(), config, cycle_limit),
            name,
            ledger: Arc::default(),
        }
    }

    /// Goes on from the counts that were last recorded.
    pub fn go_on_from(&mut self, recorded: Ledger) {
        self.ledger = Arc::new(Mutex::new(recorded));
    }

    /// Takes the place of the poller that this ledger is of, which has ended: its
    /// newest counts may not be recorded yet.
    pub fn take_over(&mut self, ledger: &Arc<Mutex<Ledger>>) {
        self.ledger = Arc::clone(ledger);
    }

    /// The counts, for the poller that will take the place of this one.
    pub fn ledger(&self) -> Arc<Mutex<Ledger>> {
        Arc::clone(&self.ledger)
    }

    fn tick(&self, tasks: &[Task], interest: &Interest, at: TimestampMs) -> Tick {
        // Counts are replaced as a whole: a panic leaves none half changed.
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.take(tasks, watched(interest).cloned(), at);
        let (topics, groups) = ledger.readings();
        Tick {
            cluster: self.name.clone(),
            at,
            topics,
            groups,
            gaps: Vec::new(),
        }
    }

    fn gap(&self, reason: GapReason, at: TimestampMs) -> Tick {
        let scope = GapScope::Cluster;
        Tick {
            cluster: self.name.clone(),
            at,
            topics: Vec::new(),
            groups: Vec::new(),
            gaps: vec![Gap { scope, reason }],
        }
    }
}

/// The tasks that are asked for; a group with other topics than its own is none.
fn watched(interest: &Interest) -> impl Iterator<Item = &GroupId> {
    let groups = interest.groups.iter().filter(|(group, selection)| {
        selection.committed || selection.topics.contains(group.as_str())
    });
    groups.map(|(group, _)| group)
}

impl Pollable for QueuePoller {
    fn name(&self) -> &ClusterName {
        &self.name
    }

    async fn poll(&mut self, interest: &Interest, at: TimestampMs) -> Tick {
        match self.database.tasks().await {
            Ok(tasks) => self.tick(&tasks, interest, at),
            Err(reason) => self.gap(reason, at),
        }
    }
}
