//! A volume is lost, and its history comes back from a backup.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    eventually,
    scaler::{PROGRAM, Scaler, configuration, metric, named_groups},
};

const HISTORY: &str = "/api/v1/history?group=g&metric=lag,committed_offset&step=raw&from=";

fn tidegauge(arguments: &[&str]) -> Output {
    let output = Command::new(PROGRAM).args(arguments).output();
    output.unwrap()
}

/// What it prints; fails if the command does.
fn printed(arguments: &[&str]) -> String {
    let output = tidegauge(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it says when it fails.
fn refused(arguments: &[&str]) -> String {
    let output = tidegauge(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Rows of history by their time.
async fn history(scaler: &Scaler, from: &str) -> BTreeMap<String, serde_json::Value> {
    let rows = scaler.json(&format!("{HISTORY}{from}")).await;
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| (row["time"].as_str().unwrap().to_owned(), row.clone()))
        .collect()
}

async fn newest_tick(scaler: &Scaler) -> String {
    eventually("a tick", async || {
        let (status, text) = scaler.get("/api/v1/groups/g").await;
        let group: serde_json::Value = serde_json::from_str(&text).ok()?;
        (status == 200).then(|| group["as_of"].as_str().unwrap().to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_backed_up_is_there_again_and_recording_goes_on() {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 3).unwrap();
    cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
    let volume = tempfile::tempdir().unwrap();
    let data_dir = volume.path().join("data");
    let groups = named_groups(&[("g", "t")]);
    let text = configuration(&data_dir, &cluster.bootstrap_servers(), &groups);
    let text = text.replace(
        "[grpc]",
        &format!("backup.dir = {:?}\n[grpc]", volume.path().join("backups")),
    );
    let data = data_dir.to_str().unwrap();

    let scaler = Scaler::start(&text);
    let first = newest_tick(&scaler).await;
    eventually("some ticks", async || {
        (history(&scaler, &first).await.len() > 5).then_some(())
    })
    .await;
    let before = history(&scaler, &first).await;
    let backup = printed(&["backup", "--address", scaler.http_address()]);
    let backup = backup.lines().next().unwrap();
    assert!(Path::new(backup).starts_with(volume.path().join("backups")));
    assert_eq!(
        metric(&scaler, "tidegauge_backups_total", "result=\"ok\"").await,
        1.0
    );
    assert_eq!(
        scaler.json("/api/v1/store").await["clusters"][0]["groups"],
        1
    );

    let to = volume.path().to_str().unwrap();
    let message = refused(&["backup", "--data-dir", data, "--to", to]);
    assert!(message.contains("leave out --data-dir"), "{message}");
    let message = refused(&["restore", "--from", backup, "--data-dir", data]);
    assert!(message.contains("end the scaler first"), "{message}");
    let message = refused(&["inspect", "--data-dir", data]);
    assert!(message.contains("/api/v1/store"), "{message}");

    assert!(scaler.terminate().await.success());
    fs::remove_dir_all(&data_dir).unwrap();
    let told = printed(&["restore", "--from", backup, "--data-dir", data]);
    assert!(told.contains("cluster main:"), "{told}");
    let told = printed(&["inspect", "--data-dir", data, "--verify"]);
    assert!(told.contains("all is whole"), "{told}");
    let rows = printed(&[
        "export",
        "--data-dir",
        data,
        "--format",
        "csv",
        "--group",
        "g",
    ]);
    assert!(rows.lines().count() > before.len(), "{rows}");

    let scaler = Scaler::start(&text);
    let after = history(&scaler, &first).await;
    for (time, row) in &before {
        assert_eq!(after.get(time), Some(row));
    }
    eventually("recording goes on", async || {
        (history(&scaler, &first).await.len() > after.len() + 2).then_some(())
    })
    .await;
    scaler.kill();

    // The files of a process that was killed.
    let told = printed(&["inspect", "--data-dir", data, "--json", "--verify"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["verified"]["damages"], serde_json::json!([]));
    let second = printed(&["backup", "--data-dir", data, "--to", to]);
    let second = second.lines().next().unwrap();
    printed(&["inspect", "--backup", second]);
}

#[test]
fn mistakes_name_flag_value_and_what_is_accepted() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    for (arguments, parts) in [
        (
            &["backup", "--address", "127.0.0.1:1"][..],
            &[
                "--address is \"127.0.0.1:1\"",
                "nobody answers",
                "--data-dir",
            ][..],
        ),
        (&["backup", "--data-dir", empty], &["--to <DIR>"]),
        (
            &["backup", "--data-dir", empty, "--to", empty],
            &["--data-dir is", empty, "there is no store"],
        ),
        (
            &["restore", "--from", empty, "--data-dir", empty],
            &["--from is", empty, "no whole backup", "manifest.json"],
        ),
        (&["inspect"], &["--data-dir <DIR>|--backup <DIR>"]),
        (
            &["inspect", "--backup", empty],
            &["--backup is", "there is no store"],
        ),
        (
            &["export", "--data-dir", empty, "--format", "xml"],
            &["xml", "--format", "csv, jsonl, prometheus"],
        ),
        (
            &[
                "export",
                "--data-dir",
                empty,
                "--format",
                "csv",
                "--from",
                "soon",
            ],
            &["soon", "--from", "RFC 3339"],
        ),
        (
            &[
                "export",
                "--data-dir",
                empty,
                "--format",
                "csv",
                "--step",
                "2m",
            ],
            &["2m", "--step", "raw, 1m, 1h"],
        ),
    ] {
        let message = refused(arguments);
        for part in parts {
            assert!(message.contains(part), "{part} is not in {message}");
        }
    }
}
