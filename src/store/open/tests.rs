use std::{env, os::unix::fs::FileExt, process::Command};

use redb::TableDefinition;
use tempfile::TempDir;

use super::*;
use crate::model::{Tick, TimestampMs};

fn data_dir() -> TempDir {
    tempfile::tempdir().expect("temporary directory")
}

fn file_in(dir: &TempDir) -> PathBuf {
    dir.path().join(HEAD_FILE)
}

fn refusal(dir: &TempDir) -> OpenError {
    open(dir.path()).map(drop).expect_err("must be refused")
}

fn settings(dir: &TempDir) -> OpenSettings {
    OpenSettings {
        data_dir: dir.path().to_owned(),
        when_damaged: WhenDamaged::SetAside,
        needed: Duration::from_secs(900),
        now: TimestampMs(1_767_225_600_000),
    }
}

fn tick(at: i64) -> Tick {
    Tick {
        cluster: "c".into(),
        at: TimestampMs(at),
        topics: Vec::new(),
        groups: Vec::new(),
        gaps: Vec::new(),
    }
}

fn record(writer: &mut Writer, at: i64) {
    let placed = writer.place(&tick(at));
    writer.record(&placed, &[]).expect("record");
}

/// The names in the folder, sorted.
fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).expect("directory");
    let name = |entry: io::Result<fs::DirEntry>| entry.expect("entry").file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).into_string().expect("text"))
        .collect();
    names.sort();
    names
}

/// Puts a value that can't be decoded into a table of the file.
fn spoil<K: redb::Key + 'static>(
    dir: &TempDir,
    table: TableDefinition<K, &[u8]>,
    key: K::SelfType<'_>,
) {
    let database = builder().open(file_in(dir)).expect("file");
    let transaction = database.begin_write().expect("write");
    let mut rows = transaction.open_table(table).expect("table");
    rows.insert(key, &[9; 9][..]).expect("row");
    drop(rows);
    transaction.commit().expect("commit");
}

fn set_version(path: &Path, version: u32) {
    let database = builder().open(path).expect("file");
    let transaction = database.begin_write().expect("write");
    let meta = TableDefinition::<&str, u32>::new("meta");
    transaction
        .open_table(meta)
        .expect("meta")
        .insert("schema_version", version)
        .expect("version");
    transaction.commit().expect("commit");
}

#[test]
fn the_directory_is_made_and_gets_the_newest_version() {
    let dir = data_dir();
    let data = dir.path().join("a/b");
    drop(open(&data).expect("store"));
    let database = builder().open(data.join(HEAD_FILE)).expect("file");
    let version = migrate::version(&database).expect("version");
    assert_eq!(version, Some(migrate::HEAD.supported_version()));
    let names: Vec<_> = fs::read_dir(&data).expect("directory").collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn what_was_recorded_is_there_after_opening_again() {
    let dir = data_dir();
    let (mut writer, store) = open(dir.path()).expect("store");
    record(&mut writer, 1);
    assert!(store.size_bytes().expect("size").total() > 0);
    drop((writer, store));
    let (_writer, store) = open(dir.path()).expect("store");
    assert_eq!(store.clusters().expect("clusters"), ["c".into()]);
}

#[test]
fn a_newer_version_is_refused_and_left_as_it_is() {
    let dir = data_dir();
    drop(open(dir.path()).expect("store"));
    let newer = migrate::HEAD.supported_version() + 1;
    set_version(&file_in(&dir), newer);
    let before = fs::read(file_in(&dir)).expect("file");

    let message = refusal(&dir).to_string();
    let expected = format!(
        "has schema version {newer}, and this release knows up to {}; run the release",
        newer - 1
    );
    assert!(message.contains(&expected), "{message}");
    assert!(fs::read(file_in(&dir)).expect("file") == before);
}

#[test]
fn a_file_without_a_version_is_a_creation_that_was_cut_short() {
    let dir = data_dir();
    drop(builder().create(file_in(&dir)).expect("file"));
    drop(open(dir.path()).expect("a database without tables"));
    fs::write(file_in(&dir), b"").expect("file");
    drop(open(dir.path()).expect("an empty file"));
}

#[test]
fn files_of_others_are_refused_and_left_as_they_are() {
    let dir = data_dir();
    for contents in [&b"not a database"[..], &[0; 1 << 16]] {
        fs::write(file_in(&dir), contents).expect("file");
        let error = refusal(&dir);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(fs::read(file_in(&dir)).expect("file"), contents);
    }
}

#[test]
fn a_damaged_file_never_ends_the_process() {
    let dir = data_dir();
    drop(open(dir.path()).expect("store"));
    let whole = fs::read(file_in(&dir)).expect("file");
    for offset in (0..whole.len().min(20 * 4096)).step_by(409) {
        fs::write(file_in(&dir), &whole).expect("file");
        let file = fs::OpenOptions::new().write(true).open(file_in(&dir));
        file.expect("file")
            .write_all_at(&[0xff; 8], offset as u64)
            .expect("damage");
        open(dir.path()).map(drop).ok();
    }
}

#[test]
fn a_second_handle_in_this_process_is_refused() {
    let dir = data_dir();
    let first = open(dir.path()).expect("store");
    let error = refusal(&dir);
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    drop(first);
    drop(open(dir.path()).expect("the lock goes with the last handle"));
}

#[test]
fn a_second_process_is_refused() {
    const DIRECTORY: &str = "TIDEGAUGE_TEST_SECOND_PROCESS";
    const REFUSED: i32 = 42;
    if let Some(path) = env::var_os(DIRECTORY) {
        let outcome = open(Path::new(&path)).map(drop);
        let is_refused = matches!(outcome, Err(OpenError::Locked { .. }));
        std::process::exit(if is_refused { REFUSED } else { 1 });
    }
    let dir = data_dir();
    let first = open(dir.path()).expect("store");
    let second = Command::new(env::current_exe().expect("test binary"))
        .args(["--exact", "store::open::tests::a_second_process_is_refused"])
        .env(DIRECTORY, dir.path())
        .status()
        .expect("second process");
    assert_eq!(second.code(), Some(REFUSED));
    drop(first);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = data_dir();
    fs::write(dir.path().join("file"), b"").expect("file");
    let data = dir.path().join("file/data");
    let error = open(&data).map(drop).expect_err("not a directory");
    assert!(matches!(error, OpenError::Directory { path, .. } if path == data));
}

#[test]
fn a_damaged_file_is_set_aside_and_kept() {
    use super::super::head::{GAPS, SERIES, TICKS, WATCHES};
    type Spoil = fn(&TempDir);
    let spoilt: [(&str, Spoil); 9] = [
        ("no database", |dir| {
            fs::write(file_in(dir), b"not a database").expect("file");
        }),
        ("zeros", |dir| {
            fs::write(file_in(dir), [0; 1 << 16]).expect("file");
        }),
        ("no version", |dir| {
            let theirs = TableDefinition::<&str, &[u8]>::new("theirs");
            fs::remove_file(file_in(dir)).expect("file");
            drop(builder().create(file_in(dir)).expect("file"));
            spoil(dir, theirs, "key");
        }),
        ("a table is missing", |dir| {
            let database = builder().open(file_in(dir)).expect("file");
            let transaction = database.begin_write().expect("write");
            transaction.delete_table(TICKS).expect("ticks");
            transaction.commit().expect("commit");
        }),
        ("a stream", |dir| spoil(dir, STREAMS, 0)),
        ("a series", |dir| spoil(dir, SERIES, (0, 0))),
        ("a tick", |dir| spoil(dir, TICKS, (1_000, 0, 0))),
        ("gaps", |dir| spoil(dir, GAPS, (0, 1_000))),
        ("a watch", |dir| spoil(dir, WATCHES, "key")),
    ];
    for (what, spoil) in spoilt {
        let dir = data_dir();
        let (mut writer, store) = open(dir.path()).expect("store");
        record(&mut writer, 1_000);
        drop((writer, store));
        spoil(&dir);
        let before = fs::read(file_in(&dir)).expect("file");

        let refusing = OpenSettings {
            when_damaged: WhenDamaged::Refuse,
            ..settings(&dir)
        };
        let error = open_with(&refusing).map(drop).expect_err(what);
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{what}: {error:?}"
        );
        assert!(
            fs::read(file_in(&dir)).expect("file") == before,
            "{what}: touched"
        );

        let (mut writer, store) = open_with(&settings(&dir)).expect(what);
        let [set_aside] = store.set_aside() else {
            panic!("{what}: {:?}", store.set_aside());
        };
        let kept = file_in(&dir).with_file_name("head.redb.damaged-20260101T000000Z");
        assert_eq!(set_aside.kept_as, kept, "{what}");
        assert!(
            fs::read(kept).expect("file") == before,
            "{what}: not kept as it was"
        );
        assert_eq!(store.clusters().expect("clusters"), [], "{what}");
        record(&mut writer, 2_000);
        drop((writer, store));
        let (_writer, store) = open_with(&settings(&dir)).expect(what);
        assert_eq!(store.set_aside(), [], "{what}");
        assert_eq!(store.clusters().expect("clusters"), ["c".into()], "{what}");
    }
}

#[test]
fn what_is_set_aside_is_never_overwritten_and_never_too_much() {
    let dir = data_dir();
    let mut expected = Vec::new();
    for number in 1..=MAX_SET_ASIDE {
        fs::write(file_in(&dir), format!("damage {number}")).expect("file");
        let (_writer, store) = open_with(&settings(&dir)).expect("store");
        expected.push(store.set_aside()[0].kept_as.clone());
    }
    for (number, path) in (1..).zip(&expected) {
        let kept = fs::read_to_string(path).expect("kept");
        assert_eq!(kept, format!("damage {number}"));
    }
    fs::write(file_in(&dir), "one more").expect("file");
    let error = open_with(&settings(&dir)).map(drop).expect_err("too many");
    assert!(
        matches!(error, OpenError::TooManySetAside { kept: 20, .. }),
        "{error:?}"
    );
    assert_eq!(fs::read_to_string(file_in(&dir)).expect("file"), "one more");
}

#[test]
fn what_is_no_damage_is_not_set_aside() {
    let dir = data_dir();
    let first = open(dir.path()).expect("store");
    let error = open_with(&settings(&dir)).map(drop).expect_err("in use");
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    drop(first);
    set_version(&file_in(&dir), migrate::HEAD.supported_version() + 1);
    let error = open_with(&settings(&dir)).map(drop).expect_err("newer");
    assert!(matches!(error, OpenError::Newer { .. }), "{error:?}");
    assert_eq!(names(&dir), [HEAD_FILE, HISTORY_FILE]);
}

#[test]
fn any_flipped_byte_is_survived() {
    let dir = data_dir();
    let (mut writer, store) = open(dir.path()).expect("store");
    for at in 1..200 {
        record(&mut writer, at);
    }
    drop((writer, store));
    let whole = fs::read(file_in(&dir)).expect("file");
    let mut set_aside = 0;
    let used: Vec<_> = (0..whole.len()).filter(|&at| whole[at] != 0).collect();
    for &offset in used.iter().step_by(used.len() / 300) {
        let mut flipped = whole.clone();
        flipped[offset] ^= 0xff;
        fs::write(file_in(&dir), flipped).expect("file");
        let opened = open_with(&settings(&dir));
        let (mut writer, store) = opened.unwrap_or_else(|error| panic!("byte {offset}: {error:?}"));
        record(&mut writer, 1_000);
        match store.set_aside() {
            [] => {
                let frames = store.frames(&"c".into(), TimestampMs(0), TimestampMs(999));
                assert_eq!(frames.expect("frames").count(), 199, "byte {offset}");
            }
            [one] => {
                set_aside += 1;
                fs::remove_file(&one.kept_as).expect("kept");
            }
            more => panic!("byte {offset}: {more:?}"),
        }
    }
    // Most of what was ever written has been replaced since, and is free.
    assert!(set_aside > 20, "only {set_aside}");
}

#[test]
fn what_a_crash_left_while_creating_is_removed() {
    let dir = data_dir();
    for name in ["head-abc.creating", "head-notes.txt", "other-abc.creating"] {
        fs::write(dir.path().join(name), b"").expect("file");
    }
    drop(open(dir.path()).expect("store"));
    assert_eq!(
        names(&dir),
        [
            "head-notes.txt",
            HEAD_FILE,
            HISTORY_FILE,
            "other-abc.creating"
        ]
    );
}
