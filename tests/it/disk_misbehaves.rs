//! Scaling goes on whatever the disk does; what is not recorded is said, and
//! when the disk is well again recording goes on.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::io::Errno;
use serde_json::Value;
use tidegauge::kafka::{EmbeddedCluster, Producer};

use super::support::{
    disk::{FaultyDisk, SmallDisk},
    eventually,
    scaler::{Scaler, configuration, metric, named_groups},
};

const METADATA: &[(&str, &str)] = &[
    ("consumerGroup", "g"),
    ("lagThreshold", "100"),
    ("allowIdleConsumers", "true"),
];
const STALE: &str = "[estimator]\nmax_staleness = \"60s\"\nwindow = \"10s\"\n";

/// A topic with a group that has read nothing of it.
struct Backlog {
    cluster: EmbeddedCluster,
    producer: Producer,
    records: f64,
}

impl Backlog {
    async fn new() -> Self {
        let cluster = EmbeddedCluster::start(1).unwrap();
        cluster.create_topic("t", 1).unwrap();
        cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
        let producer = cluster.producer().unwrap();
        let mut backlog = Self {
            cluster,
            producer,
            records: 0.0,
        };
        backlog.grow();
        backlog
    }

    fn grow(&mut self) {
        self.producer.send("t", Some(0), 10).unwrap();
        self.producer.flush().unwrap();
        self.records += 10.0;
    }

    fn configuration(&self, data_dir: &Path) -> String {
        let rest = named_groups(&[("g", "t")]) + STALE;
        configuration(data_dir, &self.cluster.bootstrap_servers(), &rest)
    }

    /// KEDA is told the lag that the brokers have.
    async fn is_told(&self, scaler: &Scaler) {
        eventually("the lag is right", async || {
            let told = scaler.told(METADATA).await.unwrap();
            (told.value == self.records).then_some(())
        })
        .await;
    }
}

async fn recorded(scaler: &Scaler) -> f64 {
    metric(scaler, "tidegauge_recorded_ticks_total", "").await
}

async fn records_more(scaler: &Scaler) {
    let before = recorded(scaler).await;
    eventually("more ticks are recorded", async || {
        (recorded(scaler).await >= before + 3.0).then_some(())
    })
    .await;
}

/// What `/readyz` says of history, with the status 200.
async fn of_history(scaler: &Scaler) -> Vec<Value> {
    let ready = scaler.json("/readyz").await;
    let reasons = ready["reasons"].as_array().unwrap().iter();
    let reasons = reasons.filter(|reason| reason["scope"] == "history");
    reasons.cloned().collect()
}

/// History is not recorded, which is said everywhere, for this reason.
async fn says_why(scaler: &Scaler, why: &str) {
    eventually("what is wrong is said", async || {
        let reasons = of_history(scaler).await;
        let message = reasons.first()?["message"].as_str()?.to_owned();
        message.contains(why).then_some(())
    })
    .await;
    let failed = metric(scaler, "tidegauge_failed_ticks_total", "").await;
    assert!(failed > 0.0);
    let log = scaler.has_logged("history is not recorded").await;
    let lines = log
        .lines()
        .filter(|line| line.contains("history is not recorded"));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "once: {lines:?}");
    assert!(lines[0].contains(why), "{lines:?}");
}

async fn is_well_again(scaler: &Scaler) {
    eventually("nothing is wrong any more", async || {
        of_history(scaler).await.is_empty().then_some(())
    })
    .await;
    scaler.has_logged("history is recorded again").await;
    records_more(scaler).await;
}

/// When the ticks on disk were.
async fn ticks(scaler: &Scaler) -> Vec<String> {
    let rows = rows(scaler, "raw").await;
    let times = rows
        .iter()
        .map(|row| row["time"].as_str().unwrap().to_owned());
    times.collect()
}

async fn rows(scaler: &Scaler, step: &str) -> Vec<Value> {
    let path = format!("/api/v1/history?group=g&metric=lag&step={step}");
    let rows = scaler.json(&path).await;
    rows.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_recording_and_nothing_else() {
    let Some(disk) = SmallDisk::new_or_skip("a_full_disk_stops_recording") else {
        return;
    };
    let mut backlog = Backlog::new().await;
    let scaler = Scaler::start(&backlog.configuration(&disk.data_dir()));
    records_more(&scaler).await;
    let before = ticks(&scaler).await;

    disk.fill();
    says_why(&scaler, "No space left on device").await;
    backlog.grow();
    backlog.is_told(&scaler).await;
    let during = ticks(&scaler).await;
    assert_eq!(
        during[..before.len()],
        before,
        "what was recorded can be read"
    );
    eventually("a gap of some seconds", async || {
        let failed = metric(&scaler, "tidegauge_failed_ticks_total", "").await;
        (failed > 15.0).then_some(())
    })
    .await;

    disk.free();
    is_well_again(&scaler).await;
    let after = ticks(&scaler).await;
    assert_eq!(after[..during.len()], during, "what was recorded is there");
    assert!(after.len() > during.len());
    let lags: Vec<_> = rows(&scaler, "1s").await;
    let mut known: Vec<_> = lags.iter().map(|row| !row["lag"].is_null()).collect();
    known.dedup();
    let gap = [true, false, true];
    assert!(known.windows(3).any(|seen| seen == gap), "{lags:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_no_reason_not_to_start() {
    let Some(disk) = SmallDisk::new_or_skip("a_full_disk_is_no_reason_not_to_start") else {
        return;
    };
    let mut backlog = Backlog::new().await;
    let configuration = backlog.configuration(&disk.data_dir());
    disk.fill();
    let scaler = Scaler::start(&configuration);
    backlog.is_told(&scaler).await;
    says_why(&scaler, "No space left on device").await;
    disk.free();
    is_well_again(&scaler).await;
    let before = ticks(&scaler).await;
    scaler.kill();

    // What a killed process left is opened and read on a full disk, too.
    disk.fill();
    let scaler = Scaler::start(&configuration);
    assert_eq!(ticks(&scaler).await[..before.len()], before);
    backlog.grow();
    backlog.is_told(&scaler).await;
    disk.free();
    records_more(&scaler).await;
    scaler.kill();
    let scaler = Scaler::start(&configuration);
    let after = ticks(&scaler).await;
    assert_eq!(after[..before.len()], before);
    assert!(after.len() > before.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_read() {
    let Some(disk) = SmallDisk::new_or_skip("a_read_only_disk_is_read") else {
        return;
    };
    let mut backlog = Backlog::new().await;
    let configuration = backlog.configuration(&disk.data_dir());
    disk.set_read_only(true);
    let scaler = Scaler::start(&configuration);
    backlog.is_told(&scaler).await;
    says_why(&scaler, "Read-only file system").await;
    disk.set_read_only(false);
    is_well_again(&scaler).await;
    let before = ticks(&scaler).await;
    assert!(scaler.terminate().await.success());

    disk.set_read_only(true);
    let scaler = Scaler::start(&configuration);
    assert_eq!(ticks(&scaler).await[..before.len()], before);
    backlog.grow();
    backlog.is_told(&scaler).await;
    says_why(&scaler, "Read-only file system").await;
    disk.set_read_only(false);
    is_well_again(&scaler).await;
    let after = ticks(&scaler).await;
    assert_eq!(after[..before.len()], before);
    assert!(after.len() > before.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_whose_calls_fail_can_be_well_again() {
    let (disk, data_dir) = (FaultyDisk::new(), tempfile::tempdir().unwrap());
    let mut backlog = Backlog::new().await;
    let configuration = backlog.configuration(data_dir.path());
    for (error, why) in [
        (Errno::ROFS, "Read-only"),
        (Errno::IO, "Input/output error"),
    ] {
        let scaler = Scaler::try_start_by(disk.command(), &configuration).unwrap();
        records_more(&scaler).await;
        let before = ticks(&scaler).await;
        disk.fail(error.raw_os_error());
        says_why(&scaler, why).await;
        backlog.grow();
        backlog.is_told(&scaler).await;
        assert_eq!(ticks(&scaler).await[..before.len()], before);
        disk.heal();
        is_well_again(&scaler).await;
        assert_eq!(ticks(&scaler).await[..before.len()], before);
        scaler.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_holds_up_no_answer() {
    let (disk, data_dir) = (FaultyDisk::new(), tempfile::tempdir().unwrap());
    let mut backlog = Backlog::new().await;
    let configuration = backlog.configuration(data_dir.path());
    let scaler = Scaler::try_start_by(disk.command(), &configuration).unwrap();
    backlog.is_told(&scaler).await;
    records_more(&scaler).await;

    disk.hang();
    let (hanging, mut slowest) = (Instant::now(), Duration::ZERO);
    eventually(
        "polls were left out, and the answers are stale",
        async || {
            let asked = Instant::now();
            let told = scaler.told(METADATA).await.unwrap();
            slowest = slowest.max(asked.elapsed());
            assert_eq!(told.value, backlog.records, "the last reading");
            let (_, ready) = scaler.get("/readyz").await;
            let said = ["stale: not read since", "the disk has given no answer"];
            let is_said = said.iter().all(|said| ready.contains(said));
            (is_said && hanging.elapsed() > Duration::from_secs(3)).then_some(())
        },
    )
    .await;
    println!("slowest_answer={slowest:?}");
    assert!(slowest < Duration::from_secs(1));
    backlog.grow();

    disk.heal();
    backlog.is_told(&scaler).await;
    records_more(&scaler).await;
    let skipped = metric(
        &scaler,
        "tidegauge_skipped_polls_total",
        r#"cluster_name="main""#,
    );
    assert!(skipped.await > 0.0, "polls that could not be recorded");
    scaler.has_logged("the disk is slow").await;
    assert!(of_history(&scaler).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_set_aside_or_refused() {
    type Damage = fn(&mut Vec<u8>);
    let flipped: [(&str, Damage); 3] = [
        ("its header", |bytes| flip(&mut bytes[..320])),
        ("its pages", |bytes| flip(&mut bytes[4096..])),
        ("its end", |bytes| bytes.truncate(bytes.len() / 3)),
    ];
    let backlog = Backlog::new().await;
    for (what, damage) in flipped {
        let data_dir = tempfile::tempdir().unwrap();
        let configuration = backlog.configuration(data_dir.path());
        let scaler = Scaler::start(&configuration);
        records_more(&scaler).await;
        assert!(scaler.terminate().await.success());
        let file = data_dir.path().join("head.redb");
        let mut bytes = fs::read(&file).unwrap();
        damage(&mut bytes);
        fs::write(&file, &bytes).unwrap();

        let strict = configuration.replace("[grpc]", "when_damaged = \"refuse\"\n[grpc]");
        let Err(log) = Scaler::try_start(&strict) else {
            panic!("{what}: it started");
        };
        assert!(log.contains("head.redb is damaged"), "{what}: {log}");
        assert!(fs::read(&file).unwrap() == bytes, "{what}: it was touched");

        let scaler = Scaler::start(&configuration);
        backlog.is_told(&scaler).await;
        records_more(&scaler).await;
        let kept = damaged_files(data_dir.path());
        assert_eq!(kept.len(), 1, "{what}");
        assert!(
            fs::read(&kept[0]).unwrap() == bytes,
            "{what}: it was changed"
        );
        let reasons = of_history(&scaler).await;
        assert_eq!(reasons[0]["code"], "set_aside", "{what}: {reasons:?}");
        let message = reasons[0]["message"].as_str().unwrap();
        assert!(message.contains(kept[0].to_str().unwrap()), "{message}");
        let set_aside = metric(&scaler, "tidegauge_store_files_set_aside_total", "").await;
        assert_eq!(set_aside, 1.0);
        scaler.has_logged("a damaged file is set aside").await;

        scaler.kill();
        let scaler = Scaler::start(&configuration);
        assert!(of_history(&scaler).await.is_empty(), "said by one process");
    }
}

fn flip(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != 0).step_by(7) {
        *byte ^= 0xff;
    }
}

fn damaged_files(data_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data_dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_str().unwrap().contains(".redb.damaged-"))
        .collect()
}
