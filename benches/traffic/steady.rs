//! What most clusters see most of the time.

use super::{Group, INTERVAL_S, MEMBERS, Partition, Random, Topic, daily, membership};

/// One topic in so many carries nothing.
const IDLE_TOPICS: f64 = 0.25;
/// Records a second in a partition of the topic in the middle.
const MEDIAN_RATE: f64 = 2.0;
const COMMIT_EVERY_S: f64 = 5.0;
/// A member stalls once in so many hours, for minutes.
const HOURS_BETWEEN_STALLS: f64 = 6.0;
const STALL_S: f64 = 240.0;
/// A consumer that has fallen behind is this much quicker than what comes in.
const CATCH_UP: i64 = 3;
/// Logs are kept for a day in segments of three hours, looked at each 5 min.
const RETAINED_S: f64 = 86_400.0;
const SEGMENTS: i64 = 8;
const RETENTION_EVERY_TICKS: i64 = 30;
/// One group in so many has been left by its members.
const LEFT_GROUPS: f64 = 0.05;

pub(super) struct Steady {
    topics: Vec<TopicLoad>,
}

struct TopicLoad {
    /// Records a tick by partition, on average over a day.
    means: Vec<f64>,
    /// How busy it is beside what the day says, as a logarithm.
    mood: f64,
    /// By group and member.
    members: Vec<Vec<Member>>,
}

/// One consumer.
struct Member {
    /// How long before a tick it commits.
    phase_s: f64,
    /// How much later in each tick: its interval and its polls don't match.
    drift_s: f64,
    /// As many ticks it stands still.
    stalled_ticks: i64,
    has_left: bool,
}

impl Steady {
    pub(super) fn new(topics: &mut [Topic], random: &mut Random) -> Self {
        let loads = topics.iter_mut().map(|topic| TopicLoad::new(topic, random));
        Self {
            topics: loads.collect(),
        }
    }

    /// Gives by how many milliseconds the tick is late.
    pub(super) fn advance(&mut self, topics: &mut [Topic], tick: i64, random: &mut Random) -> i64 {
        for (load, topic) in self.topics.iter_mut().zip(topics) {
            load.produce(&mut topic.partitions, daily(tick), random);
            load.retain(&mut topic.partitions, tick);
            for (members, group) in load.members.iter_mut().zip(&mut topic.groups) {
                consume(members, group, &topic.partitions, random);
            }
        }
        0
    }
}

impl TopicLoad {
    fn new(topic: &mut Topic, random: &mut Random) -> Self {
        let rate = match random.chance(IDLE_TOPICS) {
            true => 0.0,
            false => random.log_normal(MEDIAN_RATE, 2.3),
        };
        let mut means = Vec::new();
        for partition in &mut topic.partitions {
            let mean = rate * INTERVAL_S * random.log_normal(1.0, 0.4);
            let age = random.between(1.0, 40.0);
            partition.end = (mean / INTERVAL_S * RETAINED_S * age) as i64;
            partition.start = (partition.end - retained(mean)).max(0);
            means.push(mean);
        }
        let groups = topic.groups.iter_mut();
        Self {
            means,
            mood: 0.0,
            members: groups
                .map(|group| members(group, &topic.partitions, random))
                .collect(),
        }
    }

    fn produce(&mut self, partitions: &mut [Partition], daily: f64, random: &mut Random) {
        self.mood = 0.99 * self.mood + 0.015 * random.normal();
        let busy = daily * self.mood.exp();
        for (partition, mean) in partitions.iter_mut().zip(&self.means) {
            partition.arrived = match *mean > 0.0 {
                true => random.poisson(mean * busy),
                false => 0,
            };
            partition.end += partition.arrived;
        }
    }

    /// Drops the oldest segment of logs that are too long.
    fn retain(&self, partitions: &mut [Partition], tick: i64) {
        let turn = (tick % RETENTION_EVERY_TICKS) as usize;
        let due = partitions.iter_mut().zip(&self.means);
        for (partition, mean) in due.skip(turn).step_by(RETENTION_EVERY_TICKS as usize) {
            let retained = retained(*mean);
            if partition.end - partition.start > retained + retained / SEGMENTS {
                partition.start += retained / SEGMENTS;
            }
        }
    }
}

/// Records that retention keeps.
fn retained(mean: f64) -> i64 {
    (mean / INTERVAL_S * RETAINED_S) as i64
}

/// The members of `group`, which begins at the ends of the logs.
fn members(group: &mut Group, partitions: &[Partition], random: &mut Random) -> Vec<Member> {
    group.commits = partitions
        .iter()
        .map(|partition| Some(partition.end))
        .collect();
    let has_left = random.chance(LEFT_GROUPS);
    if has_left {
        group.membership = membership(partitions.len(), 0);
    }
    let member = |_| Member {
        phase_s: random.between(0.0, COMMIT_EVERY_S),
        drift_s: random.between(0.0, 0.3),
        stalled_ticks: 0,
        has_left,
    };
    (0..MEMBERS).map(member).collect()
}

/// Commits of one group at one tick. Each member has a share of the partitions.
fn consume(
    members: &mut [Member],
    group: &mut Group,
    partitions: &[Partition],
    random: &mut Random,
) {
    let share = partitions.len().div_ceil(MEMBERS);
    let commits = group
        .commits
        .chunks_mut(share)
        .zip(partitions.chunks(share));
    for (member, (commits, partitions)) in members.iter_mut().zip(commits) {
        if !member.reads(random) {
            continue;
        }
        for (commit, partition) in commits.iter_mut().zip(partitions) {
            let since = random.binomial(partition.arrived, member.phase_s / INTERVAL_S);
            *commit = commit.map(|commit| read_on(commit, partition, partition.end - since));
        }
    }
}

/// Goes on from `commit` to `newest`, not quicker than a consumer can.
fn read_on(commit: i64, partition: &Partition, newest: i64) -> i64 {
    newest
        .min(commit + CATCH_UP * partition.arrived + 50)
        .max(commit)
}

impl Member {
    /// Does it commit at this tick?
    fn reads(&mut self, random: &mut Random) -> bool {
        let jitter = random.between(-0.1, 0.1);
        self.phase_s = (self.phase_s + self.drift_s + jitter).rem_euclid(COMMIT_EVERY_S);
        if self.stalled_ticks > 0 {
            self.stalled_ticks -= 1;
        } else if random.chance(INTERVAL_S / (3_600.0 * HOURS_BETWEEN_STALLS)) {
            self.stalled_ticks = (random.exponential(STALL_S) / INTERVAL_S) as i64;
        }
        !self.has_left && self.stalled_ticks == 0
    }
}
