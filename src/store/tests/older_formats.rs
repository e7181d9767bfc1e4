//! Files that older releases wrote, each with what that release read from it.
//!
//! `tests/fixtures/store/README.md` says how they were made. `contents.txt` is
//! the old release's own reading, so nothing of today's code has a say in what
//! is expected.

use std::{env, fmt::Write as _, fs, path::Path};

use proptest::test_runner::{RngAlgorithm, TestRng};

use super::{all_frames, cut_head, gap, record, tick};
use crate::{
    model::{
        Assignment, Cell, ClusterName, Commit, Frame, Gap, GroupReading, GroupState,
        GroupTopicReading, Members, Membership, PartitionReading, QueueReading, Tick, TimestampMs,
        TopicReading, TopicState, WatchRecord,
    },
    store::{Store, Writer, migrate, open, test_disk::Disk},
};

struct Fixture {
    version: u32,
    file: &'static [u8],
    contents: &'static [u8],
}

macro_rules! fixture {
    ($version:literal) => {
        Fixture {
            version: $version,
            file: include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/fixtures/store/v",
                $version,
                "/head.redb.zst"
            )),
            contents: include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/fixtures/store/v",
                $version,
                "/contents.txt.zst"
            )),
        }
    };
}

/// One for each schema version that was ever released.
const FIXTURES: [Fixture; 4] = [fixture!(1), fixture!(2), fixture!(3), fixture!(4)];

impl Fixture {
    fn file(&self) -> Vec<u8> {
        zstd::decode_all(self.file).expect("a whole file")
    }

    fn contents(&self) -> String {
        let bytes = zstd::decode_all(self.contents).expect("a whole file");
        String::from_utf8(bytes).expect("text")
    }
}

#[test]
fn there_is_a_file_of_each_version() {
    let supported = migrate::HEAD.supported_version();
    for (version, fixture) in (1..=supported).zip(&FIXTURES) {
        let disk = Disk::holding(fixture.file());
        let found = migrate::version(&disk.open_unmigrated().expect("opens"));
        assert_eq!(found.expect("readable"), Some(version));
        assert_eq!(fixture.version, version);
    }
    assert_eq!(FIXTURES.len(), supported as usize, "one is missing");
}

#[test]
fn everything_in_an_older_file_is_there() {
    for fixture in &FIXTURES {
        let dir = tempfile::tempdir().expect("folder");
        fs::write(dir.path().join("head.redb"), fixture.file()).expect("file");
        let contents = fixture.contents();
        // The second time there is nothing left to migrate.
        for _ in 0..2 {
            let (_writer, store) = open(dir.path()).expect("opens");
            assert_same(&dump(&store), &contents, fixture.version);
        }

        let (mut writer, store) = open(dir.path()).expect("opens");
        let before = all_frames(&store, "main");
        let frame = record(&mut writer, &story_tick("main", 999)).expect("recording goes on");
        record(&mut writer, &tick("new", 1, 3)).expect("recording goes on");
        drop((writer, store));
        let (_writer, store) = open(dir.path()).expect("opens");
        let after = all_frames(&store, "main");
        assert_eq!(after, [before, vec![frame]].concat());
        assert_eq!(all_frames(&store, "new").len(), 1);
    }
}

#[test]
fn a_migration_can_be_cut_short_anywhere() {
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for fixture in &FIXTURES {
        let (image, contents) = (fixture.file(), fixture.contents());
        for operations in 0.. {
            let disk = Disk::holding(image.clone());
            disk.cut_power_after(operations);
            let is_done = disk.open().is_ok();
            let disk = disk.after_power_cut(&mut random);
            let (_writer, store) = disk.open().expect("opens after any cut");
            assert_same(&dump(&store), &contents, fixture.version);
            if is_done {
                break;
            }
        }
    }
}

fn assert_same(found: &str, expected: &str, version: u32) {
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "version {version}");
    }
    assert_eq!(found.len(), expected.len(), "version {version}");
    assert!(found.lines().count() > 200);
}

/// All that a store holds, a line for each thing.
fn dump(store: &Store) -> String {
    let mut text = String::new();
    for cluster in store.clusters().expect("clusters") {
        writeln!(text, "cluster {cluster}").expect("memory");
        dump_catalogue(&mut text, store, &cluster);
        for frame in all_frames(store, cluster.as_str()) {
            writeln!(text, "tick {} {}", frame.at.0, cells(&frame)).expect("memory");
        }
        let sets = store.gaps(&cluster, TimestampMs(i64::MIN), TimestampMs(i64::MAX));
        for (at, set) in sets.expect("gaps") {
            writeln!(text, "gaps {} {set:?}", at.0).expect("memory");
        }
    }
    for watch in store.watches().expect("watches") {
        writeln!(text, "watch {watch:?}").expect("memory");
    }
    text
}

fn dump_catalogue(text: &mut String, store: &Store, cluster: &ClusterName) {
    let index = store.index(cluster).expect("readable").expect("an index");
    writeln!(text, "width {}", index.width()).expect("memory");
    let mut line = |kind: &str, columns: Vec<u32>| {
        if !columns.is_empty() {
            writeln!(text, "{kind} {columns:?}").expect("memory");
        }
    };
    for (topic, series) in index.topics() {
        line(
            &format!("log start {topic}"),
            series.log_start.iter().collect(),
        );
        line(&format!("log end {topic}"), series.log_end.iter().collect());
        line(&format!("id {topic}"), series.id.iter().collect());
    }
    for (group, series) in index.groups() {
        line(
            &format!("members {group}"),
            series.members().into_iter().collect(),
        );
        line(
            &format!("state {group}"),
            series.state().into_iter().collect(),
        );
        line(
            &format!("assignment {group}"),
            series.assignment().into_iter().collect(),
        );
        line(
            &format!("assigned {group}"),
            series.assigned_partitions.iter().collect(),
        );
        let of_task = [
            ("oldest age", series.oldest_age()),
            ("added", series.added()),
            ("done", series.done()),
        ];
        for (kind, column) in of_task.into_iter().filter(|_| series.is_task()) {
            line(&format!("{kind} {group}"), column.into_iter().collect());
        }
        for (topic, columns) in &series.topics {
            line(
                &format!("committed {group} {topic}"),
                columns.iter().collect(),
            );
        }
    }
}

fn cells(frame: &Frame) -> String {
    let cell = |cell: &Cell| match (*cell, cell.value()) {
        (_, Some(value)) => value.to_string(),
        (Cell::ABSENT, _) => "-".to_owned(),
        (Cell::NO_COMMIT, _) => "none".to_owned(),
        _ => "gone".to_owned(),
    };
    let cells: Vec<_> = frame.cells().iter().map(cell).collect();
    cells.join(" ")
}

/// The newest version tells what was told to it. With `TIDEGAUGE_FIXTURE` the
/// file is kept in the folder that it names: the fixture of a new schema
/// version, at the commit that brings it.
#[test]
fn a_file_of_today_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().expect("folder");
    let (mut writer, store) = open(dir.path()).expect("store");
    tell(&mut writer, &store);
    let contents = dump(&store);
    drop((writer, store));
    let file = fs::read(dir.path().join("head.redb")).expect("file");

    let copy = tempfile::tempdir().expect("folder");
    fs::write(copy.path().join("head.redb"), &file).expect("file");
    let (_writer, store) = open(copy.path()).expect("opens");
    assert_same(&dump(&store), &contents, migrate::HEAD.supported_version());

    if let Some(folder) = env::var_os("TIDEGAUGE_FIXTURE") {
        let keep = |name: &str, bytes: &[u8]| {
            let packed = zstd::encode_all(bytes, 19).expect("packed");
            fs::write(Path::new(&folder).join(name), packed).expect("kept");
        };
        keep("head.redb.zst", &file);
        keep("contents.txt.zst", contents.as_bytes());
    }
    let newest = FIXTURES.last().expect("one for each version");
    assert_same(&contents, &newest.contents(), newest.version);
}

/// A little of everything: segments that retention has cut, gaps that come and
/// go, topics that grow and go, wide keyframes, watches.
fn tell(writer: &mut Writer, store: &Store) {
    for n in 0..210 {
        record(writer, &story_tick("main", n)).expect("record");
        if n % 3 == 0 {
            record(writer, &story_tick("other", n)).expect("record");
        }
        if n > 206 {
            record(writer, &tick("wide", time(n), 600)).expect("record");
        }
    }
    assert_eq!(cut_head(store, time(60)).segments, 1);
    let watch = |key: &str| WatchRecord {
        key: key.to_owned(),
        metadata: [("consumerGroup", key), ("lagThreshold", "100")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        last_asked: TimestampMs(time(200)),
    };
    writer
        .put_watches(&[watch("first"), watch("second"), watch("third")])
        .expect("put");
    writer
        .remove_watches(&["second".to_owned()])
        .expect("remove");
}

fn time(n: i64) -> i64 {
    1_767_225_600_000 + n * 10_000
}

fn story_tick(cluster: &str, n: i64) -> Tick {
    let partitions = if n < 100 { 3 } else { 5 };
    let partition = |p: i64| PartitionReading {
        log_start_offset: (n % 7 != 0).then_some(n * p),
        log_end_offset: (n % 11 != p).then_some(n * 100 + p),
    };
    let present = TopicState::Present((0..partitions).map(partition).collect());
    let topic = |topic: &str, state| TopicReading {
        topic: topic.into(),
        id: Some(n / 150),
        state,
    };
    let fading = if n < 120 {
        present.clone()
    } else {
        TopicState::Missing
    };
    let mut topics = vec![topic("fading", fading), topic("orders", present)];
    if n > 180 {
        topics.push(topic("young", TopicState::Present(vec![partition(0)])));
    }
    Tick {
        cluster: cluster.into(),
        at: TimestampMs(time(n)),
        topics,
        groups: groups(n, partitions),
        gaps: gaps(n),
    }
}

fn groups(n: i64, partitions: i64) -> Vec<GroupReading> {
    let commit = |p: i64| match (n + p) % 13 {
        0 => Commit::None,
        1 => Commit::Unread,
        _ => Commit::At(n * 90 - p),
    };
    let in_topic = |topic: &str| GroupTopicReading {
        topic: topic.into(),
        commits: (0..partitions).map(commit).collect(),
    };
    let group = |group: &str, membership, topics| GroupReading {
        group: group.into(),
        membership,
        topics,
        queue: None,
    };
    let mut groups = vec![group("idle", None, vec![in_topic("orders")])];
    let topics = vec![in_topic("fading"), in_topic("orders")];
    let task = GroupReading {
        queue: Some(QueueReading {
            oldest_age_ms: (n % 5 != 0).then_some(n * 1_000),
            added: Some(n * 3),
            done: None,
        }),
        ..group("task", None, vec![in_topic("task")])
    };
    groups.push(task);
    groups.push(group("working", Some(membership(n)), topics));
    groups
}

fn membership(n: i64) -> Membership {
    let count = 1 + n % 4;
    let member = |m: i64| (format!("member-{m}"), vec![("orders".into(), m as i32)]);
    Membership {
        state: match n % 50 {
            0 => GroupState::PreparingRebalance,
            _ => GroupState::Stable,
        },
        members: Some(Members {
            count: count as u32,
            assignment: Some(Assignment::of((0..count).map(member).collect())),
        }),
    }
}

fn gaps(n: i64) -> Vec<Gap> {
    match n / 20 % 3 {
        0 => Vec::new(),
        1 => vec![gap("timed_out")],
        _ => vec![gap("not_authorized"), gap("timed_out")],
    }
}
