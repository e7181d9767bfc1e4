//! What another configuration means for the recorder.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{error, info};

use crate::{
    board::Snapshot,
    estimator::{Reach, Window},
    model::{ClusterName, EventKind, TimestampMs},
};

use super::{Recorder, restored::Restored};

/// Windows reach back otherwise from now on, be it that another configuration is
/// in force. It takes effect after the ticks that were sent before it.
#[derive(Debug)]
pub struct Reconfiguration {
    /// How far back windows reach.
    pub reach: Reach,
    /// What the store knows of clusters that are new, or whose window is to
    /// reach further back.
    pub restored: BTreeMap<ClusterName, Restored>,
    /// The other configuration, if it is one.
    pub configuration: Option<NewConfiguration>,
}

/// Another configuration.
#[derive(Debug)]
pub struct NewConfiguration {
    /// Since when.
    pub at: TimestampMs,
    /// Which sections are not what they were.
    pub sections: Vec<String>,
    /// A fingerprint a section.
    pub fingerprints: BTreeMap<String, u64>,
    /// The clusters that are polled.
    pub clusters: BTreeSet<ClusterName>,
}

impl Recorder {
    pub(super) fn reconfigure(&mut self, new: Reconfiguration) {
        self.reach = new.reach;
        if let Some(configuration) = &new.configuration {
            self.forget_all_but(&configuration.clusters);
        }
        for (cluster, restored) in new.restored {
            self.take_over(cluster, restored);
        }
        self.respan();
        if let Some(configuration) = new.configuration {
            self.note_configuration(configuration);
        }
    }

    fn note_configuration(&mut self, new: NewConfiguration) {
        let sections = new.sections;
        self.note_of_process(new.at, EventKind::ConfigurationChanged { sections });
        if let Err(cause) = self.writer.put_configuration(&new.fingerprints) {
            error!(%cause, "the new configuration is not recorded");
        }
    }

    /// What is not polled any more is not told as the newest; its history stays.
    fn forget_all_but(&mut self, clusters: &BTreeSet<ClusterName>) {
        self.gaps.retain(|cluster, _| clusters.contains(cluster));
        self.settled.retain(|cluster, _| clusters.contains(cluster));
        self.windows.retain(|cluster, _| {
            let stays = clusters.contains(cluster);
            if !stays {
                info!(%cluster, "not polled any more");
                self.board.withdraw(cluster);
            }
            stays
        });
    }

    /// Ticks may have come since the store was read, and while the disk fails
    /// the store does not have all: what is known here comes last.
    pub(super) fn take_over(&mut self, cluster: ClusterName, restored: Restored) {
        let window = match self.windows.get(&cluster) {
            Some(known) => known.after(restored.window),
            None => {
                self.gaps.insert(cluster.clone(), restored.gaps);
                self.settled.insert(cluster.clone(), restored.settled);
                restored.window
            }
        };
        self.windows.insert(cluster.clone(), window);
        self.publish(cluster);
    }

    /// Windows of another reach, made of the ticks that are held.
    fn respan(&mut self) {
        let is_other = |window: &Window| window.reach() != self.reach;
        let others = self.windows.iter().filter(|(_, window)| is_other(window));
        let others: Vec<_> = others
            .map(|(cluster, window)| (cluster.clone(), window.after(Window::new(self.reach))))
            .collect();
        for (cluster, window) in others {
            self.windows.insert(cluster.clone(), window);
            self.publish(cluster);
        }
    }

    /// Puts on the board what is known of the cluster.
    pub(super) fn publish(&self, cluster: ClusterName) {
        if let Some(window) = self.windows.get(&cluster).cloned() {
            let gaps = self.gaps.get(&cluster).cloned().unwrap_or_default();
            self.board.publish(cluster, Snapshot { window, gaps });
        }
    }
}
