//! The replicas of one group: real members that read and commit.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tracing::warn;

use crate::kafka::Consumer;

use super::scenario::{Group, Script};

/// A consumer works in steps of this length, each with its share of records.
const STEP: Duration = Duration::from_millis(100);
/// How often it commits.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// All replicas of one group.
pub(super) struct Consumers {
    plan: &'static Group,
    bootstrap_servers: String,
    script: Script,
    members: Vec<Member>,
    leaving: Vec<JoinHandle<()>>,
}

struct Member {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Consumers {
    /// Starts the first replica.
    pub(super) fn start(
        plan: &'static Group,
        bootstrap_servers: &str,
        script: Script,
    ) -> anyhow::Result<Self> {
        let mut consumers = Self {
            plan,
            bootstrap_servers: bootstrap_servers.to_owned(),
            script,
            members: Vec::new(),
            leaving: Vec::new(),
        };
        consumers.scale_to(1)?;
        Ok(consumers)
    }

    /// The group that they are.
    pub(super) fn plan(&self) -> &'static Group {
        self.plan
    }

    /// How many there are.
    pub(super) fn replicas(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    /// Starts or ends replicas until there are so many.
    pub(super) fn scale_to(&mut self, replicas: u32) -> anyhow::Result<()> {
        while self.replicas() < replicas {
            let member = self.join()?;
            self.members.push(member);
        }
        while self.replicas() > replicas {
            let Some(Member { stop, thread }) = self.members.pop() else {
                break;
            };
            drop(stop);
            self.leaving.push(thread);
        }
        Ok(())
    }

    /// Ends all replicas, and waits until they have committed and left.
    pub(super) fn stop(self) {
        let members = self.members.into_iter().map(|member| {
            drop(member.stop);
            member.thread
        });
        for thread in members.collect::<Vec<_>>().into_iter().chain(self.leaving) {
            if thread.join().is_err() {
                warn!(group = self.plan.group, "a consumer broke down");
            }
        }
    }

    fn join(&self) -> anyhow::Result<Member> {
        let (plan, script) = (self.plan, self.script);
        let consumer = Consumer::join(&self.bootstrap_servers, plan.group, &[plan.topic])?;
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(format!("demo-{}", plan.group))
            .spawn(move || {
                if let Err(cause) = consume(&consumer, plan, script, &stopped) {
                    warn!(
                        group = plan.group,
                        cause = format!("{cause:#}"),
                        "a consumer ended"
                    );
                }
            })
            .context("no thread for a consumer")?;
        Ok(Member { stop, thread })
    }
}

/// Reads at most what one replica can do, and commits now and then.
fn consume(
    consumer: &Consumer,
    plan: &Group,
    script: Script,
    stopped: &mpsc::Receiver<()>,
) -> anyhow::Result<()> {
    let mut committed = Instant::now();
    let mut allowed = 0.0;
    let mut step_ends = Instant::now();
    loop {
        step_ends += STEP;
        if !plan.stalls_at(script.second()) {
            allowed += plan.capacity * STEP.as_secs_f64();
            let whole = allowed.floor();
            let left = step_ends.saturating_duration_since(Instant::now());
            consumer.poll_records(whole as usize, left)?;
            // What was not there to read can't be made up for.
            allowed -= whole;
        }
        if committed.elapsed() >= COMMIT_INTERVAL {
            consumer.commit()?;
            committed = Instant::now();
        }
        let pause = step_ends.saturating_duration_since(Instant::now());
        if stopped.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            return Ok(consumer.commit()?);
        }
    }
}
