//! Writes what the script says comes in.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context as _;
use tracing::warn;

use crate::kafka::Producer;

use super::scenario::{Script, TOPICS};

/// Records come in this often.
const STEP: Duration = Duration::from_millis(100);

/// A thread that writes to all topics.
pub(super) struct Producers {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Producers {
    /// Writes what is there from the start, and begins the script.
    pub(super) fn start(producer: Producer, script: Script) -> anyhow::Result<Self> {
        for topic in &TOPICS {
            deal(&producer, topic.name, topic.partitions, topic.preloaded)?;
        }
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("demo-producers".to_owned())
            .spawn(move || {
                if let Err(cause) = produce(&producer, script, &stopped) {
                    warn!(cause = format!("{cause:#}"), "the demo's producers ended");
                }
            })
            .context("no thread for the producers")?;
        Ok(Self { stop, thread })
    }

    /// Ends it; all that was sent has reached the brokers.
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            warn!("the demo's producers broke down");
        }
    }
}

fn produce(
    producer: &Producer,
    script: Script,
    stopped: &mpsc::Receiver<()>,
) -> anyhow::Result<()> {
    let mut owed = [0.0; TOPICS.len()];
    while stopped.recv_timeout(STEP) == Err(RecvTimeoutError::Timeout) {
        for (topic, owed) in TOPICS.iter().zip(&mut owed) {
            *owed += topic.rate_at(script.second()) * STEP.as_secs_f64();
            let whole = owed.floor();
            *owed -= whole;
            deal(producer, topic.name, topic.partitions, whole as usize)?;
        }
    }
    Ok(producer.flush()?)
}

/// Deals `records` to the partitions, one after the other.
fn deal(producer: &Producer, topic: &str, partitions: i32, records: usize) -> anyhow::Result<()> {
    let shares = records / partitions.unsigned_abs() as usize;
    let rest = records % partitions.unsigned_abs() as usize;
    for (index, partition) in (0..partitions).enumerate() {
        let share = shares + usize::from(index < rest);
        producer.send(topic, Some(partition), share)?;
    }
    Ok(())
}
