//! What tools without a memory do: the difference of two scrapes.

use tidegauge::model::{Commit, Tick, TimestampMs, TopicState};

/// The scrape before.
#[derive(Debug, Default)]
pub(crate) struct Naive {
    last: Option<(TimestampMs, i64, i64)>,
}

/// Of the last two scrapes; `None` where there is none.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    pub(crate) arrival: Option<f64>,
    pub(crate) consumption: Option<f64>,
    pub(crate) eta_s: Option<f64>,
    /// Lag over the arrival rate.
    pub(crate) time_lag_s: Option<f64>,
}

impl Naive {
    pub(crate) fn next(&mut self, tick: &Tick) -> Rates {
        let (committed, log_end) = (committed(tick), log_end(tick));
        let last = self.last.replace((tick.at, committed, log_end));
        let Some((then, then_committed, then_log_end)) = last else {
            return Rates::default();
        };
        let elapsed_s = tick.at.seconds_since(then);
        let arrival = (log_end - then_log_end) as f64 / elapsed_s;
        let consumption = (committed - then_committed) as f64 / elapsed_s;
        let lag = (log_end - committed) as f64;
        Rates {
            arrival: Some(arrival),
            consumption: Some(consumption),
            eta_s: (consumption > arrival).then(|| lag / (consumption - arrival)),
            time_lag_s: (arrival > 0.0).then(|| lag / arrival),
        }
    }
}

fn committed(tick: &Tick) -> i64 {
    let topics = tick.groups.iter().flat_map(|group| &group.topics);
    let offset = |commit: &Commit| match commit {
        Commit::At(offset) => *offset,
        _ => panic!("every commit is read"),
    };
    topics.flat_map(|topic| &topic.commits).map(offset).sum()
}

fn log_end(tick: &Tick) -> i64 {
    let partitions = tick.topics.iter().flat_map(|topic| match &topic.state {
        TopicState::Present(partitions) => partitions,
        _ => panic!("every topic is read"),
    });
    let log_end = |partition: &tidegauge::model::PartitionReading| partition.log_end_offset;
    partitions
        .map(|partition| log_end(partition).expect("every log end is read"))
        .sum()
}
