//! A backup is the store, whatever goes on meanwhile and wherever it is cut
//! short; and what is looked at stays as it is.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use tempfile::TempDir;

use super::*;
use crate::store::care::TableVisitor;

const HOUR_MS: i64 = 3_600_000;
const NOW: TimestampMs = TimestampMs(1_767_225_600_000);
const FILES: [&str; 2] = ["head.redb", "history.redb"];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn no_stop() -> Result<(), CareError> {
    Ok(())
}

fn backup(store: &Store, dir: &Path, at: TimestampMs) -> Backup {
    let made = store.backup(dir, None, at, &mut no_stop);
    made.expect("a backup")
}

/// All that can be read of a store.
fn all_of(store: &Store) -> impl PartialEq + std::fmt::Debug + use<> {
    let clusters = store.clusters().expect("clusters").into_iter();
    let (first, last) = (TimestampMs(i64::MIN), TimestampMs(i64::MAX));
    let of_cluster = |cluster: ClusterName| {
        let frames = Level::ALL.map(|level| {
            let frames = store.frames_of(&cluster, Selection::All, level, first, last);
            let frames = frames.expect("frames").collect::<Result<Vec<_>, _>>();
            frames.expect("whole ticks")
        });
        let gaps = store.gaps(&cluster, first, last).expect("gaps");
        let index = store.index(&cluster).expect("index");
        let span = store.span(&cluster).expect("span");
        (cluster, index, span, frames, gaps)
    };
    let clusters: Vec<_> = clusters.map(of_cluster).collect();
    let names = store.plugin_names().expect("names");
    (clusters, store.watches().expect("watches"), names)
}

/// Two clusters with gaps and watches, in chunks of each level and in the head.
fn fill(writer: &mut Writer, store: &Store, ticks: &[(&'static str, i64, usize)], slices: usize) {
    let mut now = 0;
    for (place, &(cluster, pace_s, partitions)) in ticks.iter().enumerate() {
        for _ in 0..40 {
            now += pace_s * 1_000;
            let placed = writer.place(&tick(cluster, now, partitions));
            let gaps = [gap(&format!("late_{place}"))];
            let gaps = if place % 2 == 0 { &gaps[..] } else { &[] };
            writer.record(&placed, gaps).expect("record");
        }
        let watch = WatchRecord {
            key: format!("watch {place}"),
            metadata: BTreeMap::from([("topic".into(), "t".into())]),
            last_asked: TimestampMs(now),
        };
        writer.put_watches(&[watch]).expect("watches");
        let name = plugin_name(&format!("plugin {place}"), "live", now);
        writer.put_plugin_names(&[name]).expect("names");
    }
    let mut sealer = store.sealer();
    for _ in 0..slices {
        sealer.step(TimestampMs(now)).expect("sealing");
    }
}

/// A day and more of two clusters, sealed as far as it is due.
fn filled(dir: &Path) -> (Writer, Store) {
    let (mut writer, store) = open(dir).expect("a store");
    let ticks: Vec<_> = (0..8).map(|n| (["a", "b"][n % 2], 400, 3 + n)).collect();
    fill(&mut writer, &store, &ticks, 1_000);
    (writer, store)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_backup_of_any_store_equals_it(
        ticks in prop::collection::vec(
            (prop::sample::select(vec!["a", "b"]),
             prop::sample::select(vec![1_i64, 10, 60, 400]), 0_usize..5),
            0..12,
        ),
        slices in 0_usize..60,
    ) {
        let disk = Disk::default();
        let (mut writer, store) = disk.open().expect("store");
        fill(&mut writer, &store, &ticks, slices);
        let dir = folder();
        let made = backup(&store, dir.path(), NOW);
        let copy = open_read_only(&made.path).expect("the backup opens");
        prop_assert_eq!(all_of(&copy), all_of(&store));
        let verified = verify_folder(&made.path).expect("readable");
        prop_assert_eq!(verified.damages, []);
    }
}

#[test]
fn every_table_is_copied() {
    #[derive(Default)]
    struct Names(Vec<String>);
    impl TableVisitor for Names {
        fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
            &mut self,
            definition: redb::TableDefinition<'_, K, V>,
        ) -> Result<(), CareError> {
            self.0.push(redb::TableHandle::name(&definition).to_owned());
            Ok(())
        }
    }
    let (_writer, store) = Disk::default().open().expect("store");
    let (mut head, mut history) = (Names::default(), Names::default());
    super::super::head::visit_tables(&mut head).expect("names");
    super::super::history::visit_tables(&mut history).expect("names");
    for (mut visited, database) in [
        (head.0, &store.files.head),
        (history.0, &store.files.history),
    ] {
        let snapshot = database.snapshot().expect("a reading");
        let tables = snapshot.list_tables().expect("tables");
        let mut there: Vec<_> = tables
            .map(|table| redb::TableHandle::name(&table).to_owned())
            .collect();
        there.sort();
        visited.sort();
        assert_eq!(visited, there);
    }
}

#[test]
fn a_backup_while_ticks_go_on_and_are_sealed_has_no_hole() {
    const TICKS: i64 = 1_200;
    let (mut writer, store) = Disk::default().open().expect("store");
    let acknowledged = Mutex::new(Vec::new());
    let noted = || acknowledged.lock().expect("no panic").clone();
    let dir = folder();
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut sealer = store.sealer();
            for at in (0..TICKS).map(|n| n * 60_000) {
                let frame = record(&mut writer, &tick("a", at, 20)).expect("record");
                acknowledged.lock().expect("no panic").push(frame);
                seal_one(&mut sealer, at);
            }
        });
        let (mut backups, mut chunks) = (0, 0);
        while !writing.is_finished() {
            let before = noted().len();
            let made = backup(&store, dir.path(), TimestampMs(NOW.0 + backups));
            let copy = open_read_only(&made.path).expect("the backup opens");
            let found = all_frames(&copy, "a");
            assert!(found.len() >= before, "what was acknowledged is in it");
            // One more may be durable and not yet noted.
            let noted = noted();
            let both = found.len().min(noted.len());
            assert_eq!(found[..both], noted[..both]);
            assert!(found.len() <= noted.len() + 1);
            chunks = chunks.max(chunks_of(&copy));
            backups += 1;
        }
        assert!(
            backups > 1 && chunks > 2,
            "{backups} backups, {chunks} chunks"
        );
    });
}

fn seal_one(sealer: &mut Sealer, at: i64) {
    sealer.step(TimestampMs(at)).expect("sealing");
}

fn chunks_of(store: &Store) -> u64 {
    let levels = store.contents().map(|contents| contents.levels);
    levels
        .expect("readable")
        .iter()
        .map(|level| level.chunks)
        .sum()
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("text"))
        .collect();
    names.sort();
    names
}

/// Fails, or ends the process as far as a test can, at the checkpoint `left`.
fn stop_after(mut left: usize, is_kill: bool) -> impl FnMut() -> Result<(), CareError> {
    move || {
        if left == 0 {
            assert!(!is_kill, "killed");
            return Err(CareError::Interrupted);
        }
        left -= 1;
        Ok(())
    }
}

#[test]
fn a_backup_that_is_cut_short_never_looks_like_one() {
    let (mut writer, store) = Disk::default().open().expect("store");
    fill(&mut writer, &store, &[("a", 400, 300)], 100);
    for is_kill in [false, true] {
        let dir = folder();
        for stop in 0.. {
            let mut checkpoint = stop_after(stop, is_kill);
            let made = catch_unwind(AssertUnwindSafe(|| {
                store.backup(dir.path(), None, NOW, &mut checkpoint)
            }));
            let whole = names_in(dir.path())
                .into_iter()
                .filter(|name| name.ends_with('Z'))
                .count();
            if let Ok(Ok(_)) = made {
                assert!(stop > 8, "it has many steps");
                assert_eq!(whole, 1);
                break;
            }
            assert_eq!(whole, 0, "at step {stop}");
            if !is_kill {
                assert_eq!(names_in(dir.path()), ["backup.lock"]);
            }
        }
        assert_eq!(names_in(dir.path()).len(), 2, "leftovers are taken away");
    }
}

#[test]
fn the_newest_are_kept_and_others_files_too() {
    let (_writer, store) = Disk::default().open().expect("store");
    let dir = folder();
    let foreign = dir.path().join("tidegauge-notes");
    fs::create_dir(&foreign).expect("a folder");
    let doomed = dir.path().join("tidegauge-20200101T000000.000Z.deleting");
    fs::create_dir(&doomed).expect("a folder");
    for n in 0..5 {
        let at = TimestampMs(NOW.0 + n);
        let made = store.backup(dir.path(), Some(3), at, &mut no_stop);
        made.expect("a backup");
    }
    let expected = [
        "backup.lock",
        "tidegauge-20260101T000000.002Z",
        "tidegauge-20260101T000000.003Z",
        "tidegauge-20260101T000000.004Z",
        "tidegauge-notes",
    ];
    assert_eq!(names_in(dir.path()), expected);
    let newest = newest_backup(dir.path()).expect("readable");
    assert_eq!(newest, Some(TimestampMs(NOW.0 + 4)));

    let long_ago = TimestampMs(0);
    let made = store.backup(dir.path(), Some(1), long_ago, &mut no_stop);
    let made = made.expect("a clock that was put back is no reason to fail");
    assert!(made.path.exists(), "what was just made stays");
}

#[test]
fn one_backup_is_made_at_a_time() {
    let (_writer, store) = Disk::default().open().expect("store");
    let dir = folder();
    let mut is_second_busy = None;
    let mut during = || {
        is_second_busy.get_or_insert_with(|| {
            let second = store.backup(dir.path(), None, NOW, &mut no_stop);
            matches!(second, Err(CareError::Busy { .. }))
        });
        Ok(())
    };
    store
        .backup(dir.path(), None, NOW, &mut during)
        .expect("the first");
    assert_eq!(is_second_busy, Some(true));
}

#[test]
fn a_file_is_not_compacted_while_it_is_copied() {
    let (_writer, store) = Disk::default().open().expect("store");
    let snapshot = store.files.history.snapshot().expect("a reading");
    assert!(!store.files.history.compact().expect("not now"));
    drop(snapshot);
    assert!(store.files.history.compact().expect("now"));
}

fn bytes_of(dir: &Path) -> Vec<Vec<u8>> {
    let read = |name: &str| fs::read(dir.join(name)).expect("a file");
    FILES.map(read).to_vec()
}

#[test]
fn what_is_only_read_is_left_as_it_is_even_after_a_crash() {
    let dir = folder();
    let (writer, store) = filled(dir.path());
    let refused = open_read_only(dir.path()).map(drop);
    assert!(matches!(refused, Err(CareError::Locked { .. })));

    // The files of a process that was killed.
    let crashed = folder();
    for name in FILES {
        fs::copy(dir.path().join(name), crashed.path().join(name)).expect("a copy");
    }
    let before = bytes_of(crashed.path());
    let copy = open_read_only(crashed.path()).expect("it opens");
    assert_eq!(all_of(&copy), all_of(&store));
    let contents = copy.contents().expect("contents");
    assert_eq!(contents.clusters.len(), 2);
    assert!(contents.levels.iter().all(|level| level.samples > 0));
    drop((copy, writer, store));
    let verified = verify_folder(crashed.path()).expect("readable");
    assert_eq!(verified.damages, []);
    assert!(verified.chunks > 0 && verified.head_ticks > 0);
    assert!(bytes_of(crashed.path()) == before, "not a byte is changed");
}

#[test]
fn one_flipped_byte_is_found() {
    let dir = folder();
    let (writer, store) = filled(dir.path());
    let block = store.files.history.read(|history| {
        let blocks = history.open_table(super::super::history::BLOCKS)?;
        let row = redb::ReadableTable::first(&blocks)?.expect("a block");
        Ok(row.1.value().to_vec())
    });
    let block = block.expect("readable");
    drop((writer, store));
    let path = dir.path().join(FILES[1]);
    let whole = fs::read(&path).expect("the file");
    let place = whole
        .windows(block.len())
        .position(|window| window == block)
        .expect("the block is in the file");
    for offset in [0, block.len() / 3, block.len() / 2, block.len() - 1] {
        let mut broken = whole.clone();
        broken[place + offset] ^= 0x10;
        fs::write(&path, &broken).expect("the file");
        let verified = verify_folder(dir.path()).expect("readable");
        assert!(!verified.damages.is_empty(), "byte {offset} of a block");
    }
}

#[test]
fn a_damaged_file_is_never_more_than_told() {
    let dir = folder();
    let (mut writer, store) = open(dir.path()).expect("a store");
    fill(&mut writer, &store, &[("a", 400, 3)], 100);
    drop((writer, store));
    for name in FILES {
        let path = dir.path().join(name);
        let whole = fs::read(&path).expect("the file");
        for offset in (64..whole.len().min(24 * 4_096)).step_by(1_021) {
            let mut broken = whole.clone();
            broken[offset..offset + 8].fill(0xff);
            fs::write(&path, &broken).expect("the file");
            verify_folder(dir.path()).map(drop).ok();
            let contents = open_read_only(dir.path()).and_then(|store| store.contents());
            contents.map(drop).ok();
        }
        fs::write(&path, &whole).expect("the file");
    }
    let verified = verify_folder(dir.path()).expect("readable");
    assert_eq!(verified.damages, []);
}

#[test]
fn a_restore_brings_back_what_was_backed_up() {
    let (from, to, shelf) = (folder(), folder(), folder());
    let (mut writer, store) = filled(from.path());
    let expected = all_of(&store);
    let made = backup(&store, shelf.path(), NOW);
    record(&mut writer, &tick("a", 1_000 * HOUR_MS, 1)).expect("after it");

    let refused = restore(&made.path, from.path(), NOW, &mut no_stop);
    assert!(matches!(refused, Err(CareError::Locked { .. })));
    assert_eq!(names_in(from.path()), FILES, "nothing was touched");
    drop((writer, store));

    for (dir, had) in [(from.path(), 2), (to.path(), 0)] {
        let restored = restore(&made.path, dir, NOW, &mut no_stop).expect("a restore");
        assert_eq!(restored.set_aside.len(), had);
        assert!(restored.set_aside.iter().all(|path| path.exists()));
        let (mut writer, store) = open(dir).expect("it opens");
        assert_eq!(all_of(&store), expected);
        record(&mut writer, &tick("a", 2_000 * HOUR_MS, 1)).expect("recording goes on");
    }
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_or_the_new_or_can_be_run_again() {
    let (shelf, new) = (folder(), folder());
    let (writer, store) = filled(new.path());
    let expected_new = all_of(&store);
    let made = backup(&store, shelf.path(), NOW);
    drop((writer, store));
    let mut seen = [false; 2];
    for stop in 0.. {
        let dir = folder();
        let (mut writer, store) = open(dir.path()).expect("a store");
        record(&mut writer, &tick("old", 1, 2)).expect("record");
        let expected_old = all_of(&store);
        drop((writer, store));
        let mut checkpoint = stop_after(stop, true);
        let done = catch_unwind(AssertUnwindSafe(|| {
            restore(&made.path, dir.path(), NOW, &mut checkpoint)
        }));
        match open(dir.path()) {
            Ok((_writer, store)) if done.is_err() => {
                assert_eq!(all_of(&store), expected_old, "at step {stop}");
                seen[0] = true;
            }
            Ok((_writer, store)) => {
                assert_eq!(all_of(&store), expected_new);
                assert_eq!(seen, [true; 2], "both kinds of an unfinished one");
                return;
            }
            Err(error) => {
                assert!(matches!(error, OpenError::HalfRestored { .. }), "{error}");
                seen[1] = true;
            }
        }
        let later = TimestampMs(NOW.0 + 1);
        restore(&made.path, dir.path(), later, &mut no_stop).expect("run again");
        let (_writer, store) = open(dir.path()).expect("it opens");
        assert_eq!(all_of(&store), expected_new, "after step {stop}");
    }
}

#[test]
fn what_is_no_whole_backup_is_not_restored() {
    let (from, to, shelf) = (folder(), folder(), folder());
    let (writer, store) = filled(from.path());
    let made = backup(&store, shelf.path(), NOW);
    drop((writer, store));
    let refused = |what: &str| {
        let outcome = restore(&made.path, to.path(), NOW, &mut no_stop);
        let error = outcome.expect_err(what).to_string();
        assert!(names_in(to.path()).is_empty(), "{what} touched something");
        error
    };
    let file = |name: &str| -> PathBuf { made.path.join(name) };

    let manifest = fs::read_to_string(file("manifest.json")).expect("text");
    fs::remove_file(file("manifest.json")).expect("deleted");
    assert!(refused("no manifest").contains("manifest.json can't be read"));
    let newer = manifest.replace("\"format\": 1", "\"format\": 2");
    fs::write(file("manifest.json"), newer).expect("written");
    assert!(refused("a newer manifest").contains("format 2"));
    fs::write(file("manifest.json"), manifest).expect("written");

    let history = fs::read(file(FILES[1])).expect("the file");
    fs::write(file(FILES[1]), &history[..history.len() / 2]).expect("written");
    refused("half a file");
    fs::remove_file(file(FILES[1])).expect("deleted");
    refused("a file less");
    fs::write(file(FILES[1]), &history).expect("written");
    let restored = restore(&made.path, to.path(), NOW, &mut no_stop);
    restored.expect("all is as it was");
}
