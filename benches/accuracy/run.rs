//! One run of a scenario: what is true, and what is made of what can be seen.

use std::{sync::Arc, time::Duration};

use tidegauge::{
    estimator::{Eta, Parameters, Reach, Totals, Wanted, Window},
    model::{
        Commit, GroupReading, GroupTopicReading, PartitionReading, SeriesIndex, Tick, TimestampMs,
        TopicReading, TopicState,
    },
};

use crate::{
    naive::{Naive, Rates},
    partition::{Member, Partition},
    random::Random,
    scenario::Scenario,
};

pub(crate) const POLL_INTERVAL_S: f64 = 10.0;
/// As the process holds it, for a time lag.
const HELD: Duration = Duration::from_secs(3_600);

/// One tick: truth, estimate and the naive estimate.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) at_s: f64,
    pub(crate) truth: Truth,
    pub(crate) estimate: Totals,
    pub(crate) naive: Rates,
}

/// Over all partitions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    /// Mean over the window, in records/s.
    pub(crate) mean_arrival: f64,
    /// The producers' rate at the tick, in records/s.
    pub(crate) arrival: f64,
    pub(crate) mean_consumption: f64,
    /// What the consumers do at the tick, in records/s; 0 in a stall.
    pub(crate) consumption: f64,
    /// From what is processed, at the rates of the tick.
    pub(crate) eta_s: Option<f64>,
    /// Of the longest waiting next record by what is committed.
    pub(crate) time_lag_s: f64,
    /// The same by what is processed.
    pub(crate) processed_time_lag_s: f64,
}

#[derive(Debug)]
pub(crate) struct Run<'a> {
    scenario: &'a Scenario,
    members: Vec<Member>,
    partitions: Vec<Partition>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(scenario: &'a Scenario, random: &mut Random) -> Self {
        let members = (0..scenario.members()).map(|_| Member::new(scenario, random));
        let members: Vec<_> = members.collect();
        let partition = |at: usize, random: &mut Random| {
            Partition::new(scenario, &members[at % members.len()], random)
        };
        Self {
            scenario,
            partitions: (0..scenario.partitions)
                .map(|at| partition(at, random))
                .collect(),
            members,
        }
    }

    /// Polls to the end of the run.
    pub(crate) fn observe(&self, random: &mut Random) -> Vec<Observed> {
        let mut index = Arc::new(SeriesIndex::default());
        let mut window = Window::new(Reach::all(HELD));
        let mut naive = Naive::default();
        let parameters = Parameters {
            window: Duration::from_secs(self.scenario.window_s),
            fresh_for: Duration::from_secs(30),
            max_staleness: Duration::from_secs(300),
        };
        let mut observed = Vec::new();
        let mut due_s = POLL_INTERVAL_S;
        while due_s < self.scenario.length_s - POLL_INTERVAL_S {
            let tick = self.tick(due_s + random.unit(), random);
            for run in index.missing_runs(&tick) {
                Arc::make_mut(&mut index)
                    .restore(&run)
                    .expect("its own runs");
            }
            window.push(Arc::clone(&index), Arc::new(index.place(&tick)));
            let estimate = window
                .estimate_group("g", Wanted::SHOWN, &parameters, tick.at)
                .expect("a group that was read")
                .totals;
            let at_s = tick.at.0 as f64 / 1e3;
            observed.push(Observed {
                at_s,
                truth: self.truth(at_s),
                estimate,
                naive: naive.next(&tick),
            });
            due_s += POLL_INTERVAL_S;
        }
        observed
    }

    /// Commits first, then log ends, as the poller reads them.
    fn tick(&self, at_s: f64, random: &mut Random) -> Tick {
        let committed_s = at_s + random.between(0.02, 0.3);
        let log_end_s = committed_s + random.between(0.02, 0.5);
        let partition = |partition: &Partition| PartitionReading {
            log_start_offset: Some(0),
            log_end_offset: Some(partition.log_end(log_end_s)),
        };
        let commit = |partition: &Partition| Commit::At(partition.committed(committed_s));
        Tick {
            cluster: "bench".into(),
            at: TimestampMs((at_s * 1e3) as i64),
            topics: vec![TopicReading {
                topic: "t".into(),
                id: Some(1),
                state: TopicState::Present(self.partitions.iter().map(partition).collect()),
            }],
            groups: vec![GroupReading {
                group: "g".into(),
                membership: None,
                topics: vec![GroupTopicReading {
                    topic: "t".into(),
                    commits: self.partitions.iter().map(commit).collect(),
                }],
                queue: None,
            }],
            gaps: Vec::new(),
        }
    }

    fn truth(&self, at_s: f64) -> Truth {
        let since_s = (at_s - self.scenario.window_s as f64).max(0.0);
        let sum = |term: &dyn Fn(&Partition) -> f64| self.partitions.iter().map(term).sum::<f64>();
        let longest =
            |term: &dyn Fn(&Partition) -> f64| self.partitions.iter().map(term).fold(0.0, f64::max);
        let arrival = self.scenario.arrival.at(at_s) * self.partitions.len() as f64;
        let consumption = self.consumption(at_s);
        let backlog = sum(&|partition| partition.arrived.at(at_s) - partition.processed.at(at_s));
        let net = consumption - arrival;
        Truth {
            mean_arrival: sum(&|partition| partition.arrived.mean_rate(since_s, at_s)),
            arrival,
            mean_consumption: sum(&|partition| partition.processed.mean_rate(since_s, at_s)),
            consumption,
            eta_s: (net > 0.0 && self.scenario.drain_s > 0.0).then(|| backlog / net),
            time_lag_s: longest(&|partition| {
                partition.waited_s(partition.committed(at_s) as f64, at_s)
            }),
            processed_time_lag_s: longest(&|partition| {
                partition.waited_s(partition.processed.at(at_s), at_s)
            }),
        }
    }

    /// With a backlog what the consumers can do, without one what comes in.
    fn consumption(&self, at_s: f64) -> f64 {
        let of_one = if self.scenario.drain_s > 0.0 {
            self.scenario.capacity.at(at_s)
        } else {
            self.scenario.arrival.at(at_s)
        };
        let members = self.members.iter().cycle().take(self.partitions.len());
        let at_work = members.filter(|member| member.stalled_until(at_s).is_none());
        at_work.count() as f64 * of_one
    }
}

/// Seconds of an ETA that is one.
pub(crate) fn eta_s(eta: Option<Eta>) -> Option<f64> {
    match eta {
        Some(Eta::In(seconds)) => Some(seconds),
        Some(Eta::Never) | None => None,
    }
}
