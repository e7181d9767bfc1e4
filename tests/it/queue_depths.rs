//! A queue's depths are recorded like offsets and told to KEDA, and go on after a
//! restart as if there had been none.

use serde_json::Value;

use super::support::{
    eventually,
    postgres::{Postgres, installed, password_file},
    scaler::{Scaler, polling_every},
};

const METRICS: &str = "lag,log_end_offset,committed_offset,arrival_rate,consumption_rate";

fn trigger(task: &str) -> [(&str, &str); 3] {
    [("queue", "work"), ("task", task), ("lagThreshold", "100")]
}

async fn until_told(scaler: &Scaler, task: &str, depth: f64) {
    eventually(&format!("{task} has depth {depth}"), async || {
        let told = scaler.told(&trigger(task)).await.ok()?;
        (told.value == depth && told.active == (depth > 0.0)).then_some(())
    })
    .await;
}

/// What was recorded of a task, a row a tick.
async fn history(scaler: &Scaler, task: &str) -> Vec<Value> {
    let path =
        format!("/api/v1/history?cluster=work&group={task}&topic={task}&step=raw&metric={METRICS}");
    scaler.json(&path).await.as_array().unwrap().clone()
}

/// The values of a metric that are known, once where they stand in a row.
fn steps(rows: &[Value], metric: &str) -> Vec<i64> {
    let mut steps: Vec<_> = rows.iter().filter_map(|row| row[metric].as_i64()).collect();
    steps.dedup();
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn depths_are_told_and_recorded_by_task() {
    let Some(installed) = installed() else { return };
    let server = Postgres::start(&installed).await;
    let (data_dir, password) = (tempfile::tempdir().unwrap(), password_file());
    let queue = server.queue("work", &password, "");
    let scaler = Scaler::start(&polling_every(data_dir.path(), "200ms", &queue));

    // Asked for, and without a row.
    until_told(&scaler, "ingest-logs", 0.0).await;
    server.add("ingest-logs", 30).await;
    server.add("compact-logs", 7).await;
    until_told(&scaler, "ingest-logs", 30.0).await;
    until_told(&scaler, "compact-logs", 7.0).await;
    server.finish("ingest-logs", 20).await;
    until_told(&scaler, "ingest-logs", 10.0).await;
    server
        .run("UPDATE work_queue SET claimed_by = 5 WHERE task_name = 'ingest-logs'")
        .await;
    until_told(&scaler, "ingest-logs", 0.0).await;
    // A retry comes back, and a task that has failed for good does not.
    server
        .run(
            "UPDATE work_queue SET claimed_by = -1, tries = 1, failed = (id % 2 = 0)
             WHERE task_name = 'ingest-logs'",
        )
        .await;
    until_told(&scaler, "ingest-logs", 5.0).await;

    let rows = history(&scaler, "ingest-logs").await;
    assert_eq!(steps(&rows, "lag"), [0, 30, 10, 0, 5]);
    assert_eq!(steps(&rows, "log_end_offset"), [0, 30, 35]);
    assert_eq!(steps(&rows, "committed_offset"), [0, 20, 30]);
    let rows = history(&scaler, "compact-logs").await;
    assert_eq!(steps(&rows, "lag"), [7]);

    let (_, metrics) = scaler.get("/metrics").await;
    assert!(metrics.contains("tidegauge_polls_total{cluster_name=\"work\"}"));
    assert!(!metrics.contains("tidegauge_poll_requests_total{cluster_name=\"work\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_tell_what_came_and_went_in_between() {
    let Some(installed) = installed() else { return };
    let server = Postgres::start(&installed).await;
    server
        .run(
            "CREATE TABLE counted (name text, depth numeric, added bigint, done integer, age interval);
             GRANT SELECT ON counted TO reader;
             INSERT INTO counted VALUES ('t', 10, 1000, 990, '90 seconds')",
        )
        .await;
    let (data_dir, password) = (tempfile::tempdir().unwrap(), password_file());
    let query = "query = 'SELECT name, depth, added, done, age AS oldest_age FROM counted'";
    let queue = server.queue("work", &password, query);
    let scaler = Scaler::start(&polling_every(data_dir.path(), "200ms", &queue));
    until_told(&scaler, "t", 10.0).await;
    // 50 came and 48 went.
    server
        .run("UPDATE counted SET depth = 12, added = 1050, done = 1038, age = NULL")
        .await;
    until_told(&scaler, "t", 12.0).await;
    let rows = history(&scaler, "t").await;
    assert_eq!(steps(&rows, "log_end_offset"), [10, 60]);
    assert_eq!(steps(&rows, "committed_offset"), [0, 48]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_without_a_jump() {
    let Some(installed) = installed() else { return };
    let server = Postgres::start(&installed).await;
    let (data_dir, password) = (tempfile::tempdir().unwrap(), password_file());
    let queue = server.queue("work", &password, "");
    let configuration = polling_every(data_dir.path(), "200ms", &queue);
    let scaler = Scaler::start(&configuration);
    server.add("t", 1_000).await;
    until_told(&scaler, "t", 1_000.0).await;
    server.finish("t", 600).await;
    until_told(&scaler, "t", 400.0).await;
    scaler.kill();

    // What happens while it is down is known afterwards.
    server.add("t", 50).await;
    let scaler = Scaler::start(&configuration);
    until_told(&scaler, "t", 450.0).await;
    server.finish("t", 450).await;
    until_told(&scaler, "t", 0.0).await;
    let rows = history(&scaler, "t").await;
    assert_eq!(steps(&rows, "lag"), [1_000, 400, 450, 0]);
    assert_eq!(steps(&rows, "log_end_offset"), [1_000, 1_050]);
    assert_eq!(steps(&rows, "committed_offset"), [0, 600, 1_050]);
    for row in &rows {
        for metric in ["arrival_rate", "consumption_rate"] {
            assert!(row[metric].as_f64().is_none_or(|rate| rate >= 0.0), "{row}");
        }
    }
}
