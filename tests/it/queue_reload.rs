//! A queue comes and goes with the configuration.

use std::fs;

use super::support::{
    eventually,
    postgres::{Postgres, installed, password_file},
    scaler::{Scaler, polling_every},
};

fn trigger(queue: &str) -> [(&str, &str); 3] {
    [("queue", queue), ("task", "t"), ("lagThreshold", "100")]
}

async fn until_told(scaler: &Scaler, queue: &str, depth: f64) {
    eventually(&format!("{queue} tells {depth}"), async || {
        let told = scaler.told(&trigger(queue)).await.ok()?;
        (told.value == depth).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_added_changed_and_removed() {
    let Some(installed) = installed() else { return };
    let server = Postgres::start(&installed).await;
    server.add("t", 30).await;
    let (folder, password) = (tempfile::tempdir().unwrap(), password_file());
    let data_dir = folder.path().join("data");
    let file = folder.path().join("tidegauge.toml");
    let one = server.queue("one", &password, "");
    let two = server.queue(
        "two",
        &password,
        "query = \"SELECT 't' AS name, 7 AS depth\"",
    );
    let take_up =
        |queues: &str| fs::write(&file, polling_every(&data_dir, "200ms", queues)).unwrap();
    take_up(&one);
    let scaler = Scaler::follow(&file);
    until_told(&scaler, "one", 30.0).await;

    take_up(&format!("{one}{two}"));
    until_told(&scaler, "two", 7.0).await;
    server.finish("t", 10).await;
    until_told(&scaler, "one", 20.0).await;

    // Another query of the same queue: its counts go on.
    let other =
        "query = \"SELECT task_name AS name, count(*) + 5 AS depth FROM work_queue GROUP BY 1\"";
    take_up(&server.queue("one", &password, other));
    until_told(&scaler, "one", 25.0).await;
    let path = "/api/v1/history?cluster=one&group=t&topic=t&step=raw&metric=log_end_offset";
    let rows = scaler.json(path).await;
    let mut ends: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["log_end_offset"].as_i64())
        .collect();
    ends.dedup();
    assert_eq!(ends, [Some(30), Some(35)]);

    let status = scaler.told(&trigger("two")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
    let clusters = scaler.json("/api/v1/clusters").await.to_string();
    assert!(
        clusters.contains("one") && !clusters.contains("two"),
        "{clusters}"
    );

    take_up(&format!("{one}{two}"));
    until_told(&scaler, "two", 7.0).await;
    until_told(&scaler, "one", 20.0).await;
}
