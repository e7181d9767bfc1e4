//! What a tick costs to judge: 5,000 groups of 100 partitions, each once, from
//! 15 minutes of ticks at 10 s; rates, mean lag and backlog over 5 minutes.
//!
//! `cargo bench --bench estimator`, with `ESTIMATOR_TOPICS` for another number
//! of topics than 500, over which the groups are spread: commits take 360 MB,
//! and each thousand topics 144 MB. `mixed` is a tick in which 70 in 100 groups
//! are asked for offsets, and 6 each for rates, time lag, mean lag, for how long
//! commits have not moved, and backlog. Baselines are the same questions asked
//! the plain way, partition by partition, of each twentieth group. Times are the
//! thread's own, the least of some rounds. Prints `name=value` lines.

mod baseline;
#[path = "../cpu.rs"]
mod cpu;
mod traffic;

use std::{env, hint::black_box, time::Duration};

use rustix::time::ClockId;
use tidegauge::{
    estimator::{BacklogTerms, Parameters, PartitionStanding, Wanted},
    model::{GroupId, TimestampMs, TopicName},
};

use baseline::{Place, Sample};
use traffic::{PARTITIONS, Traffic};

const GROUPS: u32 = 5_000;
const TOPICS: u32 = 500;
const ROUNDS: usize = 7;
const BASELINE_ROUNDS: usize = 3;
const BASELINE_SHARE: usize = 20;

const PARAMETERS: Parameters = Parameters {
    window: Duration::from_secs(300),
    fresh_for: Duration::from_secs(30),
    max_staleness: Duration::from_secs(300),
};

/// What is asked of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Question {
    Standing(Wanted),
    Backlog,
}

const OFFSETS: Question = Question::Standing(Wanted::OFFSETS);
const RATES: Question = Question::Standing(Wanted {
    rates: true,
    ..Wanted::OFFSETS
});
const TIME_LAG: Question = Question::Standing(Wanted {
    time_lag: true,
    ..Wanted::OFFSETS
});
const MEAN_LAG: Question = Question::Standing(Wanted {
    mean_lag: true,
    ..Wanted::OFFSETS
});
const UNMOVED: Question = Question::Standing(Wanted {
    unmoved: true,
    ..Wanted::OFFSETS
});
const RARE: [Question; 5] = [RATES, TIME_LAG, MEAN_LAG, UNMOVED, Question::Backlog];

fn main() {
    let topics = env::var("ESTIMATOR_TOPICS")
        .map_or(TOPICS, |text| text.parse().expect("a number of topics"));
    let traffic = Traffic::of(GROUPS, topics);
    println!("groups={GROUPS}");
    println!("partitions_per_group={PARTITIONS}");
    println!("topics={topics}");
    let bench = Bench {
        now: traffic.window.as_of().expect("ticks"),
        traffic: &traffic,
    };
    for (name, question) in [
        ("offsets", OFFSETS),
        ("rates", RATES),
        ("time_lag", TIME_LAG),
        ("mean_lag", MEAN_LAG),
        ("unmoved", UNMOVED),
        ("backlog", Question::Backlog),
    ] {
        let (ns, baseline_ns) = bench.of(|_| question);
        println!("{name}_ns_per_partition={ns:.1}");
        println!("{name}_baseline_ns_per_partition={baseline_ns:.1}");
        println!("{name}_ratio_to_baseline={:.4}", ns / baseline_ns);
    }
    let (ns, baseline_ns) = bench.of(|place| match place * 7 % 10 {
        0..7 => OFFSETS,
        _ => RARE[place % RARE.len()],
    });
    let tick_ms = |ns: f64| ns * f64::from(GROUPS * PARTITIONS) / 1e6;
    println!("mixed_tick_ms={:.2}", tick_ms(ns));
    println!("mixed_baseline_tick_ms={:.1}", tick_ms(baseline_ns));
    println!("mixed_ratio_to_baseline={:.4}", ns / baseline_ns);
}

struct Bench<'a> {
    traffic: &'a Traffic,
    now: TimestampMs,
}

impl Bench<'_> {
    /// Nanoseconds a partition when each group is asked its question, and the
    /// same of the baseline.
    fn of(&self, question: impl Fn(usize) -> Question) -> (f64, f64) {
        let groups = &self.traffic.groups;
        let all = || {
            for (place, (group, topic)) in groups.iter().enumerate() {
                self.ask(question(place), group, topic);
            }
        };
        let some = || {
            let asked = groups.iter().enumerate();
            // A step that meets each kind of question.
            for (place, (group, topic)) in asked.filter(|(place, _)| {
                place % BASELINE_SHARE == place / BASELINE_SHARE % BASELINE_SHARE
            }) {
                self.ask_plainly(question(place), group, topic);
            }
        };
        let partitions = f64::from(GROUPS * PARTITIONS);
        let baseline_ns = quickest(BASELINE_ROUNDS, some) * BASELINE_SHARE as f64;
        (quickest(ROUNDS, all) / partitions, baseline_ns / partitions)
    }

    fn ask(&self, question: Question, group: &GroupId, topic: &TopicName) {
        let (window, now) = (&self.traffic.window, self.now);
        match question {
            Question::Standing(wanted) => {
                let mut lag = 0;
                let visit = |_, standing| {
                    if let PartitionStanding::Known(estimate) = standing {
                        lag += estimate.lag.unwrap_or_default();
                        black_box(estimate);
                    }
                };
                window.each_standing(group.as_str(), topic, wanted, &PARAMETERS, now, visit);
                black_box(lag);
            }
            Question::Backlog => {
                let mut terms = BacklogTerms::default();
                let span = PARAMETERS.window;
                window.add_backlog(group.as_str(), Some(topic), span, now, &mut terms);
                black_box(terms);
            }
        }
    }

    fn ask_plainly(&self, question: Question, group: &GroupId, topic: &TopicName) {
        let Traffic { index, frames, .. } = self.traffic;
        let logs = &index.topics()[topic];
        let commits = &index.groups()[group].topics[topic];
        let newest = &frames[frames.len() - 1..];
        let frames = if question == OFFSETS { newest } else { frames };
        let mut samples = Vec::with_capacity(frames.len());
        for partition in (0..).take(PARTITIONS as usize) {
            let place = Place {
                committed: commits.of(partition),
                log_start: logs.log_start.of(partition),
                log_end: logs.log_end.of(partition),
                topic_id: logs.id.single(),
            };
            place.gather(frames, &mut samples);
            self.judge_plainly(question, &samples);
        }
    }

    fn judge_plainly(&self, question: Question, samples: &[Sample]) {
        let Some((at, next, ..)) = black_box(baseline::newest(samples)) else {
            return;
        };
        let within = baseline::within(samples, PARAMETERS.window, self.now);
        let _ = match question {
            RATES => {
                black_box(baseline::arrival(within).zip(baseline::consumption(within))).is_some()
            }
            TIME_LAG => black_box(baseline::time_lag_s(samples, next, at)).is_some(),
            MEAN_LAG => black_box(baseline::mean_lag(within)).is_some(),
            UNMOVED => black_box(baseline::unmoved_s(samples, at)).is_some(),
            Question::Backlog => black_box(baseline::backlog_terms(within)).is_some(),
            Question::Standing(_) => true,
        };
    }
}

/// The thread's nanoseconds in the quickest of some rounds.
fn quickest(rounds: usize, run: impl Fn()) -> f64 {
    let rounds = (0..rounds).map(|_| {
        let start_ns = thread_cpu_ns();
        run();
        thread_cpu_ns() - start_ns
    });
    rounds.fold(f64::INFINITY, f64::min)
}

fn thread_cpu_ns() -> f64 {
    cpu::ms(ClockId::ThreadCPUTime) * 1e6
}
