//! One partition and its consumer, in continuous time: the truth.

use crate::{
    curve::Curve,
    random::Random,
    scenario::{STALL_EVERY_S, Scenario},
};

/// How finely single records are placed.
const GRAIN_S: f64 = 0.1;
/// Kafka's `max.poll.records`, at most, and else what a second's work is.
const POLL_RECORDS: f64 = 500.0;
/// How long an idle consumer waits.
const IDLE_S: f64 = 0.1;

#[derive(Debug)]
pub(crate) struct Partition {
    /// The log end offset.
    pub(crate) arrived: Curve,
    /// What the consumer is done with.
    pub(crate) processed: Curve,
    /// Times of commits, and offsets.
    commits: Vec<(f64, i64)>,
}

/// What the partitions of one member share.
#[derive(Debug)]
pub(crate) struct Member {
    /// When a commit is due.
    due_s: Vec<f64>,
    /// From when to when it does nothing.
    stalls_s: Vec<(f64, f64)>,
}

impl Member {
    pub(crate) fn new(scenario: &Scenario, random: &mut Random) -> Self {
        let mut due_s = vec![random.between(0.0, scenario.commit_s)];
        while due_s[due_s.len() - 1] < scenario.length_s {
            // The loop around `poll()` is never quite on time.
            let late_s = random.between(0.0, 0.02 * scenario.commit_s + 0.1);
            due_s.push(due_s[due_s.len() - 1] + scenario.commit_s + late_s);
        }
        let mut stalls_s = Vec::new();
        let mut at_s = random.between(0.0, STALL_EVERY_S);
        while scenario.stall_s > 0.0 && at_s < scenario.length_s {
            stalls_s.push((at_s, at_s + scenario.stall_s));
            at_s += STALL_EVERY_S * random.between(0.8, 1.2);
        }
        Self { due_s, stalls_s }
    }

    /// Until when it stalls, if it does.
    pub(crate) fn stalled_until(&self, at_s: f64) -> Option<f64> {
        let mut stalls = self.stalls_s.iter();
        stalls
            .find(|stall| (stall.0..stall.1).contains(&at_s))
            .map(|stall| stall.1)
    }
}

impl Partition {
    pub(crate) fn new(scenario: &Scenario, member: &Member, random: &mut Random) -> Self {
        let arrived = arrivals(scenario, random);
        let mut partition = Self {
            arrived,
            processed: Curve::default(),
            commits: vec![(0.0, 0)],
        };
        partition.consume(scenario, member, random);
        partition
    }

    pub(crate) fn log_end(&self, at_s: f64) -> i64 {
        self.arrived.at(at_s).floor() as i64
    }

    pub(crate) fn committed(&self, at_s: f64) -> i64 {
        let after = self.commits.partition_point(|commit| commit.0 <= at_s);
        self.commits[after.max(1) - 1].1
    }

    /// How long the record at `position` has waited; 0: it isn't there yet.
    pub(crate) fn waited_s(&self, position: f64, at_s: f64) -> f64 {
        let written_s = self.arrived.reached(position.floor() + 1.0);
        written_s.map_or(0.0, |written_s| (at_s - written_s).max(0.0))
    }

    /// Poll, work, commit when it is due: as `enable.auto.commit` does it.
    fn consume(&mut self, scenario: &Scenario, member: &Member, random: &mut Random) {
        let (mut at_s, mut position) = (0.0, 0.0);
        let mut due_s = member.due_s.iter().copied().peekable();
        while at_s < scenario.length_s {
            self.processed.push(at_s, position);
            if let Some(until_s) = member.stalled_until(at_s) {
                at_s = until_s;
                continue;
            }
            let capacity = scenario.capacity.at(at_s);
            let polled = capacity.floor().clamp(1.0, POLL_RECORDS);
            let records = (self.arrived.at(at_s).floor() - position).min(polled);
            if records < 1.0 || capacity == 0.0 {
                at_s += IDLE_S;
            } else {
                at_s += records / capacity * random.between(0.8, 1.2);
                position += records;
            }
            if capacity > 0.0 && due_s.next_if(|due_s| *due_s <= at_s).is_some() {
                while due_s.next_if(|due_s| *due_s <= at_s).is_some() {}
                self.commits.push((at_s, position as i64));
            }
        }
    }
}

fn arrivals(scenario: &Scenario, random: &mut Random) -> Curve {
    let (first, every_s) = match scenario.batch_s {
        0.0 => (0.0, GRAIN_S),
        batch_s => (random.between(0.0, batch_s), batch_s),
    };
    let net = scenario.capacity.records_per_s - scenario.arrival.records_per_s;
    let mut log_end = (net * scenario.drain_s).floor().max(0.0);
    let (mut curve, mut at_s) = (Curve::default(), first);
    curve.push(0.0, log_end);
    let mut bursts = Bursts::new(scenario, random);
    while at_s < scenario.length_s {
        let rate = scenario.arrival.at(at_s) * bursts.factor(at_s, random);
        let records = random.poisson(rate * every_s);
        // A batch comes at once, single records over their grain.
        let began_s = if scenario.batch_s > 0.0 {
            at_s
        } else {
            at_s - GRAIN_S
        };
        curve.push(began_s.max(0.0), log_end);
        log_end += records as f64;
        curve.push(at_s, log_end);
        at_s += every_s * jitter(scenario, random);
    }
    curve
}

/// Batches come when a producer has one, not by the clock.
fn jitter(scenario: &Scenario, random: &mut Random) -> f64 {
    if scenario.batch_s > 0.0 {
        random.between(0.9, 1.1)
    } else {
        1.0
    }
}

/// Nearly twice the rate, and nearly nothing, by turns.
struct Bursts {
    mean_s: f64,
    until_s: f64,
    factor: f64,
}

impl Bursts {
    fn new(scenario: &Scenario, random: &mut Random) -> Self {
        Self {
            mean_s: scenario.burst_s,
            until_s: random.exponential(scenario.burst_s),
            factor: 1.8,
        }
    }

    fn factor(&mut self, at_s: f64, random: &mut Random) -> f64 {
        if self.mean_s == 0.0 {
            return 1.0;
        }
        while at_s >= self.until_s {
            self.until_s += random.exponential(self.mean_s);
            self.factor = 2.0 - self.factor;
        }
        self.factor
    }
}
