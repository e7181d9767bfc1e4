//! Names are read from the master that sentinels name, also when that becomes
//! another one, and from each node of a cluster.

use std::time::Duration;

use super::support::{
    plugins::{Stage, asked, backlog_becomes},
    redis::{self, MASTER, RedisCluster, Watched},
    scaler::Scaler,
    within,
};

/// An election and what comes with it.
const FAILOVER: Duration = Duration::from_secs(60);

fn prefix(prefix: &str) -> String {
    format!("{{\"kafka_prefix\": \"{prefix}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_master_is_asked_when_one_is_lost() {
    if !redis::is_there("the_next_master_is_asked_when_one_is_lost") {
        return;
    }
    let (stage, mut watched) = (Stage::set().await, Watched::start());
    watched.master.set("jira", &prefix("live-jira"));
    watched.master.cli(&["wait", "1", "10000"]);
    let sentinels = watched.sentinels();
    let scaler = stage.scaler(&format!(
        "addresses = {sentinels:?}\nsentinel.master = '{MASTER}'"
    ));
    backlog_becomes(&scaler, "jira", 10.0, false).await;

    watched.kill_first_sentinel();
    watched.master.kill();
    backlog_becomes(&scaler, "jira", 10.0, true).await;
    within(FAILOVER, "the replica is the master", async || {
        let role = watched.replica.cli(&["role"]);
        role.starts_with("master").then_some(())
    })
    .await;
    watched.replica.set("jira", &prefix("moved-jira"));
    moved(&scaler).await;
}

async fn moved(scaler: &Scaler) {
    within(FAILOVER, "the new master is asked", async || {
        let response = asked(scaler, "jira").await.ok()?;
        let value = response.get_ref().metric_values[0].metric_value_float;
        (value == 40.0).then_some(())
    })
    .await;
    backlog_becomes(scaler, "jira", 40.0, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_of_a_cluster_is_asked_for_its_keys() {
    if !redis::is_there("each_node_of_a_cluster_is_asked_for_its_keys") {
        return;
    }
    let (stage, cluster) = (Stage::set().await, RedisCluster::start());
    // Keys of which each node has some.
    let plugins: Vec<_> = (0..24).map(|number| format!("plugin-{number}")).collect();
    for plugin in &plugins {
        cluster.set(plugin, &prefix("live-git"));
    }
    for node in &cluster.nodes {
        assert_ne!(node.cli(&["dbsize"]).trim(), "0");
    }
    let first = cluster.nodes[0].address();
    let scaler = stage.scaler(&format!("addresses = ['{first}']\ncluster = true"));
    for plugin in &plugins {
        backlog_becomes(&scaler, plugin, 25.0, false).await;
    }
    let refused = asked(&scaler, "nobody").await.unwrap_err();
    let words = format!("Redis Cluster at {first} has no key \"nobody\" in database 0");
    assert!(refused.message().contains(&words), "{refused}");
    cluster.set("plugin-7", &prefix("live-jira"));
    backlog_becomes(&scaler, "plugin-7", 10.0, false).await;
}
