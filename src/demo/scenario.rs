//! What happens in the demo, by the second. It begins again each minute.

use std::time::{Duration, Instant};

/// One round of the script.
const ROUND_S: f64 = 60.0;

/// A topic and the records that come in.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) partitions: i32,
    /// Records that are there from the start.
    pub(super) preloaded: usize,
    /// Records/s as a rule.
    pub(super) rate: f64,
    /// Records/s between two seconds of each round.
    pub(super) burst: Option<(f64, f64, f64)>,
}

/// A group, its consumers, and how they are scaled.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) group: &'static str,
    pub(super) topic: &'static str,
    /// What one consumer can do, in records/s.
    pub(super) capacity: f64,
    pub(super) max_replicas: u32,
    /// Between these seconds of each round its consumers hang.
    pub(super) stall: Option<(f64, f64)>,
    /// The trigger metadata of its ScaledObject; `None`: one replica for ever.
    pub(super) scaled_object: Option<&'static [(&'static str, &'static str)]>,
}

pub(super) const TOPICS: [Topic; 3] = [
    Topic {
        name: "orders",
        partitions: 8,
        preloaded: 0,
        rate: 40.0,
        burst: Some((8.0, 22.0, 240.0)),
    },
    Topic {
        name: "jira-events",
        partitions: 4,
        preloaded: 0,
        rate: 60.0,
        burst: None,
    },
    Topic {
        name: "jira-backfill",
        partitions: 2,
        preloaded: 3_000,
        rate: 0.0,
        burst: None,
    },
];

pub(super) const GROUPS: [Group; 3] = [
    Group {
        group: "orders-service",
        topic: "orders",
        capacity: 60.0,
        max_replicas: 8,
        stall: None,
        scaled_object: Some(&[("consumerGroup", "orders-service"), ("lagThreshold", "100")]),
    },
    Group {
        group: "azul-jira-live",
        topic: "jira-events",
        capacity: 80.0,
        max_replicas: 4,
        stall: Some((25.0, 37.0)),
        scaled_object: Some(&[
            ("entityName", "plugin"),
            ("pluginName", "jira"),
            ("targetSize", "100"),
            ("includeHistoric", "false"),
        ]),
    },
    Group {
        group: "azul-jira-historic",
        topic: "jira-backfill",
        capacity: 40.0,
        max_replicas: 1,
        stall: None,
        scaled_object: None,
    },
];

/// The script's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    begun: Instant,
}

impl Script {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
        }
    }

    pub(super) fn elapsed(self) -> Duration {
        self.begun.elapsed()
    }

    /// Seconds into the round.
    pub(super) fn second(self) -> f64 {
        self.elapsed().as_secs_f64() % ROUND_S
    }
}

impl Topic {
    /// Records/s that come in at a second of the round.
    pub(super) fn rate_at(&self, second: f64) -> f64 {
        match self.burst {
            Some((from, to, rate)) if (from..to).contains(&second) => rate,
            _ => self.rate,
        }
    }
}

impl Group {
    /// Do its consumers hang at a second of the round?
    pub(super) fn stalls_at(&self, second: f64) -> bool {
        self.stall
            .is_some_and(|(from, to)| (from..to).contains(&second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_outrun_one_consumer_and_pass_within_the_round() {
        let orders = &TOPICS[0];
        let group = &GROUPS[0];
        assert!(orders.rate_at(10.0) > group.capacity);
        assert!(orders.rate_at(10.0) < group.capacity * f64::from(group.max_replicas));
        assert_eq!(orders.rate_at(30.0), orders.rate);
        assert!(GROUPS[1].stalls_at(30.0) && !GROUPS[1].stalls_at(40.0));
    }
}
