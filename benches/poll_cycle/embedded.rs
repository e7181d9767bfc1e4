//! Embedded brokers in a child process, so that what they use is not ours.

use std::{
    io::{BufRead, BufReader, Write, stdin, stdout},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context, Result, ensure};
use tidegauge::kafka::{EmbeddedCluster, EmbeddedError};

use crate::{
    records,
    shape::{GroupCommits, Shape, partitions_i32},
};

const BROKERS: i32 = 3;

/// A topic takes a third of a second, however many are made at once.
const TOPICS_AT_ONCE: usize = 64;

/// Brokers that live as long as this.
pub(crate) struct Brokers {
    child: Child,
    pub(crate) bootstrap_servers: String,
}

impl Brokers {
    /// Starts the child by `command`, which calls [`serve`].
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("the child's output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(!line.is_empty(), "the brokers did not start");
        Ok(Self {
            child,
            bootstrap_servers: line.trim().to_owned(),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the child: brokers with topics and commits of this shape, until its input
/// ends.
pub(crate) async fn serve(shape: Shape) -> Result<()> {
    let cluster = EmbeddedCluster::start(BROKERS)?;
    create_topics(&cluster, &shape.topics())?;
    for at in 0..shape.groups {
        let GroupCommits {
            group,
            topic,
            partitions,
        } = shape.group(at);
        let commits: Vec<_> = (0..partitions_i32(partitions)?)
            .map(|partition| (topic.as_str(), partition, 0))
            .collect();
        cluster.commit_offsets(&group, &commits).await?;
    }
    let servers = cluster.bootstrap_servers();
    tokio::task::spawn_blocking(move || records::write_all(shape, &servers)).await??;
    println!("{}", cluster.bootstrap_servers());
    stdout().flush()?;
    tokio::task::spawn_blocking(|| stdin().read_line(&mut String::new())).await??;
    Ok(())
}

fn create_topics(cluster: &EmbeddedCluster, topics: &[(String, usize)]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let create = || -> Result<(), EmbeddedError> {
        while let Some((topic, partitions)) = topics.get(next.fetch_add(1, Ordering::Relaxed)) {
            let partitions = i32::try_from(*partitions).unwrap_or(i32::MAX);
            cluster.create_topic(topic, partitions)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..TOPICS_AT_ONCE).map(|_| scope.spawn(create)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| Ok(thread.join().expect("no panic")?))
    })
}
