//! Does what KEDA is told agree with what the brokers say?

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::time::{Instant, sleep};

use crate::{kafka::EmbeddedCluster, model::TimestampMs};

use super::{
    keda::Keda,
    scenario::{GROUPS, Group, TOPICS},
    summary::Line,
};

/// By then a tick must have seen the workload at rest.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the story must show: lag of several replicas' worth.
const HIGH_LAG: u64 = 300;

/// What was seen of the first group, which has the burst.
#[derive(Debug, Default)]
pub(super) struct Audit {
    highest_lag: u64,
    /// The lowest lag since the highest was seen.
    lowest_lag_since: u64,
    most_replicas: u32,
}

impl Audit {
    /// Takes note of a line.
    pub(super) fn see(&mut self, group: &Group, line: &Line, replicas: u32) {
        if group.group != GROUPS[0].group {
            return;
        }
        self.most_replicas = self.most_replicas.max(replicas);
        let Some(lag) = line.lag() else { return };
        if lag >= self.highest_lag {
            self.highest_lag = lag;
            self.lowest_lag_since = lag;
        }
        self.lowest_lag_since = self.lowest_lag_since.min(lag);
    }

    /// The workload is at rest: each group's lag, as told over gRPC, must be
    /// what a consumer of its own finds at the brokers; and the story must
    /// have been told: lag rose, replicas followed, lag fell.
    pub(super) async fn verify(
        self,
        cluster: &EmbeddedCluster,
        keda: &mut Keda,
    ) -> anyhow::Result<()> {
        let at_rest = TimestampMs::now();
        for group in &GROUPS {
            let expected = lag_at_brokers(cluster, group)?;
            let told = told_since(keda, group, at_rest).await?;
            println!(
                "check: {} lag: told {told}, at the brokers {expected}",
                group.group
            );
            ensure!(
                told == expected as f64,
                "group {:?}: KEDA is told a lag of {told}, the brokers say {expected}",
                group.group
            );
        }
        let (high, low, most) = (self.highest_lag, self.lowest_lag_since, self.most_replicas);
        println!("check: highest lag {high}, most replicas {most}, lowest lag since {low}");
        ensure!(high >= HIGH_LAG, "lag never rose above {high}");
        ensure!(most >= 3, "replicas never followed: at most {most}");
        ensure!(
            low < high / 2,
            "lag did not fall: from {high} to {low} at the lowest"
        );
        println!("check: passed");
        Ok(())
    }
}

fn lag_at_brokers(cluster: &EmbeddedCluster, group: &Group) -> anyhow::Result<i64> {
    let topic = TOPICS.iter().find(|topic| topic.name == group.topic);
    let topic = topic.context("a group of the script reads a topic of the script")?;
    Ok(cluster.lag_by_consumer(group.group, topic.name, topic.partitions)?)
}

/// The lag that is told of a tick since `at_rest`.
async fn told_since(keda: &mut Keda, group: &Group, at_rest: TimestampMs) -> anyhow::Result<f64> {
    let metadata = [
        ("consumerGroup", group.group),
        ("topic", group.topic),
        ("allowIdleConsumers", "true"),
        ("offsetResetPolicy", "earliest"),
    ];
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = keda.told(&metadata).await;
        if let Ok(told) = &told
            && told.as_of.as_deref() > Some(at_rest.to_string().as_str())
        {
            return Ok(told.value);
        }
        if Instant::now() > deadline {
            bail!(
                "group {:?}: no answer newer than {at_rest}: {:?}",
                group.group,
                told.err()
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
}
