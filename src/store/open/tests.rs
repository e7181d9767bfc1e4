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
    let tick = Tick {
        cluster: "c".into(),
        at: TimestampMs(1),
        topics: Vec::new(),
        groups: Vec::new(),
        gaps: Vec::new(),
    };
    let (mut writer, store) = open(dir.path()).expect("store");
    let placed = writer.place(&tick);
    writer.record(&placed, &[]).expect("record");
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
