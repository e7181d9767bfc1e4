//! A million rows: counted in time where they are in the table, refused where they
//! are in the answer, and in neither case is memory what pays for them.

use std::{fs, time::Instant};

use super::support::{
    eventually,
    postgres::{Postgres, installed, password_file},
    scaler::{Scaler, metric, polling_every},
};

const ROWS: u32 = 1_000_000;
const TASK: &[(&str, &str)] = &[("queue", "work"), ("task", "t"), ("lagThreshold", "100")];
/// A million rows as they are sent are some 20 MB.
const MOST_GROWTH_KIB: u64 = 8 * 1024;

fn memory_kib(scaler: &Scaler) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", scaler.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_rows_in_the_table_are_counted_in_time() {
    let Some(installed) = installed() else { return };
    let server = Postgres::start(&installed).await;
    server.add("t", ROWS).await;
    server.run("ANALYZE work_queue").await;
    let (data_dir, password) = (tempfile::tempdir().unwrap(), password_file());
    let queue = server.queue("work", &password, "");
    let scaler = Scaler::start(&polling_every(data_dir.path(), "10s", &queue));
    let asked = Instant::now();
    let told = scaler.told(TASK).await.unwrap();
    assert_eq!(told.value, f64::from(ROWS));
    let first = asked.elapsed();
    let cycle = metric(
        &scaler,
        "tidegauge_poll_duration_seconds",
        "cluster_name=\"work\"",
    )
    .await;
    println!("rows={ROWS} newest_cycle_seconds={cycle} first_call={first:?}");
    assert!(cycle < 3.0, "{cycle} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_a_million_rows_is_refused_and_not_read() {
    let Some(installed) = installed() else { return };
    let server = Postgres::start(&installed).await;
    let (data_dir, password) = (tempfile::tempdir().unwrap(), password_file());
    let query =
        "query = \"SELECT 'task-' || n AS name, n AS depth FROM generate_series(1, 1000000) n\"";
    let queue = server.queue("work", &password, query);
    let scaler = Scaler::start(&polling_every(data_dir.path(), "1s", &queue));
    let polls = async || {
        metric(
            &scaler,
            "tidegauge_incomplete_polls_total",
            "cluster_name=\"work\"",
        )
        .await
    };
    eventually("it was refused", async || {
        (polls().await >= 1.0).then_some(())
    })
    .await;
    let before = memory_kib(&scaler);
    eventually("it was refused again", async || {
        (polls().await >= 6.0).then_some(())
    })
    .await;
    let grown = memory_kib(&scaler) - before;
    let status = scaler.told(TASK).await.unwrap_err();
    assert!(
        status.message().contains("more than 10000 rows"),
        "{status}"
    );
    println!("peak_kib={before} grown_kib={grown}");
    assert!(grown < MOST_GROWTH_KIB, "{grown} KiB more");
}
