//! Events that wait for the next tick's transaction.

use std::collections::BTreeMap;

use crate::model::{ClusterName, Event, EventKind, TimestampMs};

/// Events of clusters that one transaction takes: a broker that goes away can
/// be a gap for each of thousands of partitions. How many more there were is
/// one event for each cluster. What happens to the process is not counted;
/// that is a few events.
const MAX_EVENTS: usize = 256;

/// In the order in which they came.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    events: Vec<Event>,
    of_clusters: usize,
    left_off: BTreeMap<ClusterName, (TimestampMs, u64)>,
}

impl EventQueue {
    pub(super) fn push(&mut self, event: Event) {
        if let Some(cluster) = &event.cluster {
            if self.of_clusters == MAX_EVENTS {
                let left_off = self.left_off.entry(cluster.clone()).or_default();
                *left_off = (event.at, left_off.1 + 1);
                return;
            }
            self.of_clusters += 1;
        }
        self.events.push(event);
    }

    /// All of them, with how many were left off.
    pub(super) fn iter(&self) -> impl Iterator<Item = Event> {
        let left_off = self.left_off.iter().map(|(cluster, &(at, count))| Event {
            at,
            cluster: Some(cluster.clone()),
            kind: EventKind::LeftOff { count },
        });
        self.events.iter().cloned().chain(left_off)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_than_fit_the_number_is_kept() {
        let mut queue = EventQueue::default();
        let event = |at, cluster: Option<&str>| Event {
            at: TimestampMs(at),
            cluster: cluster.map(ClusterName::from),
            kind: EventKind::Stopped,
        };
        for at in 0..300 {
            queue.push(event(at, Some("a")));
        }
        queue.push(event(300, Some("b")));
        queue.push(event(301, None));
        let all: Vec<_> = queue.iter().collect();
        assert_eq!(all.len(), MAX_EVENTS + 1 + 2);
        assert_eq!(all[MAX_EVENTS], event(301, None), "never left off");
        let left_off = |event: &Event| match event.kind {
            EventKind::LeftOff { count } => Some((event.at.0, count)),
            _ => None,
        };
        let left_off: Vec<_> = all.iter().filter_map(left_off).collect();
        assert_eq!(left_off, [(299, 44), (300, 1)]);
        queue.clear();
        assert_eq!(queue.iter().count(), 0);
    }
}
