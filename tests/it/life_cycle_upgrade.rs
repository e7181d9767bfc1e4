//! Volumes of releases before are taken up with all that is in them, and one of a
//! release to come is refused and left as it is.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use redb::{Database, TableDefinition};
use serde_json::Value;
use tidegauge::{
    kafka::EmbeddedCluster,
    model::{
        Commit, GroupReading, GroupTopicReading, PartitionReading, Tick, TimestampMs, TopicReading,
        TopicState,
    },
    store,
};

use super::support::{
    eventually,
    scaler::{Scaler, configuration, named_groups},
};

/// 2026-01-01T00:00:00Z, when the fixtures' ticks begin.
const T0_MS: i64 = 1_767_225_600_000;
const TICK_MS: i64 = 10_000;
/// Five hours.
const TICKS: i64 = 5 * 360;
const MINUTE_MS: i64 = 60_000;
const FILES: [&str; 2] = ["head.redb", "history.redb"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn unpacked(path: &Path) -> Vec<u8> {
    let packed = fs::read(path.with_added_extension("zst")).unwrap();
    zstd::decode_all(packed.as_slice()).unwrap()
}

/// What is in the brokers when the next release comes.
async fn cluster(group: &str, topic: &str) -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic(topic, 2).unwrap();
    let commits = [(topic, 0, 0), (topic, 1, 0)];
    cluster.commit_offsets(group, &commits).await.unwrap();
    let producer = cluster.producer().unwrap();
    producer.send(topic, Some(0), 7).unwrap();
    producer.flush().unwrap();
    cluster
}

/// The fixtures are old, and grow older.
fn text(data_dir: &Path, cluster: &EmbeddedCluster, group: &str, topic: &str) -> String {
    let groups = named_groups(&[(group, topic)]);
    let text = configuration(data_dir, &cluster.bootstrap_servers(), &groups);
    let kept = "[store]\nretention = '10y'\nretention_minutes = '10y'\nretention_hours = '10y'";
    text.replace("[store]", kept)
}

/// Polled on: a tick newer than the fixture's, with what the brokers say.
async fn is_polled_on(scaler: &Scaler, group: &str) {
    eventually("it is polled on", async || {
        let (status, text) = scaler.get(&format!("/api/v1/groups/{group}")).await;
        let group: Value = serde_json::from_str(&text).ok()?;
        (status == 200 && group["lag"] == 7).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_earlier_version_keeps_its_history_and_is_polled_on() {
    // A tick of each, up to the last one of the fixtures' story.
    let history = format!(
        "/api/v1/history?cluster=main&group=working&topic=orders&step=raw&from={T0_MS}&to={}\
         &metric=lag,committed_offset,log_end_offset,members",
        T0_MS + 210 * TICK_MS
    );
    let status = format!(
        "/api/v1/groups/working/status?cluster=main&at={}",
        T0_MS + 205 * TICK_MS
    );
    let mut tellings = Vec::new();
    let cluster = cluster("working", "orders").await;
    for version in ["v1", "v2", "v3", "v4"] {
        let data_dir = tempfile::tempdir().unwrap();
        let head = fixtures().join("store").join(version).join("head.redb");
        fs::write(data_dir.path().join("head.redb"), unpacked(&head)).unwrap();
        let text = text(data_dir.path(), &cluster, "working", "orders");
        // Migrated, and then opened as what it has become.
        for _ in 0..2 {
            let scaler = Scaler::start(&text);
            tellings.push([scaler.json(&history).await, scaler.json(&status).await]);
            is_polled_on(&scaler, "working").await;
            assert!(scaler.terminate().await.success());
        }
    }
    let [rows, status] = &tellings[0];
    let rows = rows.as_array().unwrap();
    // Of 210 ticks retention had taken the first 60.
    assert_eq!(rows.len(), 150, "{rows:?}");
    assert!(status["status"].is_string(), "{status}");
    for telling in &tellings {
        assert_eq!(telling, &tellings[0]);
    }
}

/// A volume as a release leaves it, and what that release told of it.
struct Volume {
    release: &'static str,
}

/// One for each release; a new one is made with [`VOLUME_FIXTURE`] set.
const VOLUMES: [Volume; 1] = [Volume { release: "0.1.0" }];

/// The folder to keep a volume of today in.
const VOLUME_FIXTURE: &str = "TIDEGAUGE_VOLUME_FIXTURE";

impl Volume {
    fn folder(&self) -> PathBuf {
        fixtures().join("volume").join(self.release)
    }

    fn unpack(&self, data_dir: &Path) {
        for file in FILES {
            fs::write(data_dir.join(file), unpacked(&self.folder().join(file))).unwrap();
        }
    }

    /// By path.
    fn answers(&self) -> BTreeMap<String, Value> {
        let answers = unpacked(&self.folder().join("answers.json"));
        serde_json::from_slice(&answers).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_of_each_release_tells_what_that_release_told() {
    let cluster = cluster("g", "t").await;
    for volume in &VOLUMES {
        let data_dir = tempfile::tempdir().unwrap();
        volume.unpack(data_dir.path());
        let scaler = Scaler::start(&text(data_dir.path(), &cluster, "g", "t"));
        let answers = volume.answers();
        assert_eq!(answers.len(), queries(TimestampMs(0)).len());
        for (path, told) in answers {
            assert_eq!(scaler.json(&path).await, told, "{}: {path}", volume.release);
        }
        is_polled_on(&scaler, "g").await;
    }
}

/// What is asked about a volume: the hours, how the group was judged at their end,
/// and what the process recorded and told itself, until `newest`.
fn queries(newest: TimestampMs) -> [String; 6] {
    let end = T0_MS + TICKS * TICK_MS;
    let history = |step: &str, metrics: &str| {
        format!("/api/v1/history?group=g&step={step}&metric={metrics}&from={T0_MS}&to={end}")
    };
    let (from, to) = (newest.0 - MINUTE_MS, newest.0);
    [
        history("raw", "lag,committed_offset,log_end_offset,lost_records"),
        history("1m", "lag,arrival_rate,consumption_rate"),
        history("1h", "lag"),
        format!("/api/v1/groups/g/status?at={end}"),
        format!("/api/v1/history?group=g&step=raw&metric=lag&from={from}&to={to}"),
        format!("/api/v1/told?from={from}&to={}", to + MINUTE_MS),
    ]
}

/// Hours that are sealed, written beforehand; then what the process records and
/// tells itself. With [`VOLUME_FIXTURE`] it is kept in that folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_of_today_is_told_after_a_restart_as_before() {
    let cluster = cluster("g", "t").await;
    let data_dir = tempfile::tempdir().unwrap();
    record_hours(data_dir.path());
    let text = text(data_dir.path(), &cluster, "g", "t");
    let scaler = Scaler::start(&text);
    is_polled_on(&scaler, "g").await;
    scaler.told(&[("consumerGroup", "g")]).await.unwrap();
    let contents = scaler.json("/api/v1/store").await;
    assert_eq!(contents["levels"][0]["chunks"], 2, "{contents}");
    assert!(scaler.terminate().await.success());

    let newest = store::open(data_dir.path()).unwrap().1.span(&"main".into());
    let (_, newest) = newest.unwrap().unwrap();
    let mut answers = BTreeMap::new();
    for _ in 0..2 {
        let scaler = Scaler::start(&text);
        for path in queries(newest) {
            let told = scaler.json(&path).await;
            assert!(told != serde_json::json!([]), "{path}");
            let before = answers.insert(path.clone(), told.clone());
            assert!(before.is_none_or(|before| before == told), "{path}");
        }
        assert!(scaler.terminate().await.success());
    }
    if let Some(folder) = env::var_os(VOLUME_FIXTURE) {
        keep(data_dir.path(), Path::new(&folder), &answers);
    }
}

fn keep(data_dir: &Path, folder: &Path, answers: &BTreeMap<String, Value>) {
    fs::create_dir_all(folder).unwrap();
    let keep = |name: &str, bytes: &[u8]| {
        let packed = zstd::encode_all(bytes, 19).unwrap();
        fs::write(folder.join(name).with_added_extension("zst"), packed).unwrap();
    };
    for name in FILES {
        keep(name, &fs::read(data_dir.join(name)).unwrap());
    }
    keep("answers.json", &serde_json::to_vec(answers).unwrap());
}

/// Five hours of ticks, of which two chunks are sealed.
fn record_hours(data_dir: &Path) {
    let (mut writer, store) = store::open(data_dir).unwrap();
    let mut sealer = store.sealer();
    for n in 0..TICKS {
        let tick = tick(n);
        let placed = writer.place(&tick);
        writer.record(&placed, &tick.gaps).unwrap();
        while sealer.step(tick.at).unwrap() {}
    }
}

fn tick(n: i64) -> Tick {
    let partition = |p: i64| PartitionReading {
        log_start_offset: Some(n / 100),
        log_end_offset: Some(n * 10 + n * n * 7_919 % 11 + p),
    };
    let commit = |p: i64| match n % 90 {
        0 => Commit::None,
        _ => Commit::At(n * 9 + n * n * 104_729 % 8 + p),
    };
    Tick {
        cluster: "main".into(),
        at: TimestampMs(T0_MS + n * TICK_MS),
        topics: vec![TopicReading {
            topic: "t".into(),
            id: Some(1),
            state: TopicState::Present([0, 1].map(partition).into()),
        }],
        groups: vec![GroupReading {
            group: "g".into(),
            membership: None,
            topics: vec![GroupTopicReading {
                topic: "t".into(),
                commits: [0, 1].map(commit).into(),
            }],
            queue: None,
        }],
        gaps: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_of_a_release_to_come_is_refused_and_left_as_it_is() {
    let cluster = cluster("g", "t").await;
    for newer in FILES {
        let data_dir = tempfile::tempdir().unwrap();
        drop(store::open(data_dir.path()).unwrap());
        let path = data_dir.path().join(newer);
        set_version(&path, 1_000);
        let before = contents(data_dir.path());
        let Err(log) = Scaler::try_start(&text(data_dir.path(), &cluster, "g", "t")) else {
            panic!("a newer {newer} is opened");
        };
        assert!(log.contains(path.to_str().unwrap()), "{log}");
        assert!(log.contains("has schema version 1000"), "{log}");
        assert!(log.contains("run the release that wrote it"), "{log}");
        assert!(contents(data_dir.path()) == before, "{newer} has changed");
    }
}

fn set_version(path: &Path, version: u32) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = TableDefinition::<&str, u32>::new("meta");
    let mut meta = transaction.open_table(meta).unwrap();
    meta.insert("schema_version", version).unwrap();
    drop(meta);
    transaction.commit().unwrap();
}

/// All files of a folder, by name.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}
