//! Compaction is in nobody's way for long, and a power cut in it loses nothing.

use std::{
    thread,
    time::{Duration, Instant},
};

use proptest::test_runner::{RngAlgorithm, TestRng};

use super::{
    sealing::{HOUR_MS, MINUTE_MS, seal_all},
    *,
};
use crate::store::{head::TICKS, history::BLOCKS};

const DAY_MS: i64 = 24 * HOUR_MS;
const LIMITS: Limits = Limits {
    raw: Duration::from_hours(24),
    minutes: Duration::from_hours(48),
    hours: Duration::from_hours(96),
    max_bytes: None,
};

/// Some days of ticks, most of which have gone again.
fn worn_disk() -> (Disk, Vec<Frame>) {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let now = 3 * DAY_MS;
    for at in (0..now).step_by(20 * MINUTE_MS as usize) {
        record(&mut writer, &tick("a", at, 12)).expect("record");
    }
    seal_all(&store, now);
    store.retain(&LIMITS, TimestampMs(now)).expect("retention");
    let kept = all_frames(&store, "a");
    drop((writer, store));
    (disk, kept)
}

#[test]
fn ticks_go_on_and_readers_are_told_while_it_runs() {
    let (disk, kept) = worn_disk();
    let (mut writer, store) = disk.open().expect("store");
    let gate = disk.history_gate();
    let held = gate.lock().expect("free");
    thread::scope(|scope| {
        let compaction = scope.spawn(|| store.files.history.compact());
        let deadline = Instant::now() + Duration::from_secs(60);
        let busy = loop {
            assert!(Instant::now() < deadline, "it does not begin");
            if let Err(error) = store.level_sizes() {
                break error;
            }
        };
        assert!(matches!(busy, ReadError::Busy), "{busy:?}");
        for at in 0..5 {
            record(&mut writer, &tick("a", 3 * DAY_MS + at, 12)).expect("ticks go on");
        }
        let reader = scope.spawn(|| store.level_sizes());
        drop(held);
        assert!(compaction.join().expect("no panic").expect("it ends well"));
        reader.join().expect("no panic").expect("it comes through");
    });
    let found = all_frames(&store, "a");
    assert_eq!(found.len(), kept.len() + 5);
    assert!(found.starts_with(&kept));
}

#[test]
fn it_gives_up_on_readers_that_stay() {
    let (disk, kept) = worn_disk();
    let (_writer, store) = disk.open().expect("store");
    let history = &store.files.history;
    let compacted = history.read(|_| {
        let compaction = thread::scope(|scope| {
            let compaction = scope.spawn(|| history.compact());
            compaction.join()
        });
        compaction.expect("no panic")
    });
    assert!(
        !compacted.expect("no failure"),
        "it is left for the next run"
    );
    assert!(history.compact().expect("nobody reads"));
    assert_eq!(all_frames(&store, "a"), kept);
}

#[test]
fn a_power_cut_in_it_loses_nothing() {
    let (worn, kept) = worn_disk();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut has_ended = false;
    for operations in 0.. {
        let disk = worn.copy();
        let (writer, store) = disk.open().expect("store");
        disk.cut_power_after(operations);
        has_ended = store.files.history.compact().is_ok();
        drop((writer, store));
        let disk = disk.after_power_cut(&mut random);
        let (_writer, store) = disk.open().expect("opens after any cut");
        assert_eq!(all_frames(&store, "a"), kept, "cut after {operations}");
        if has_ended {
            break;
        }
    }
    assert!(has_ended);
}

#[test]
fn a_file_with_much_unused_in_it_is_compacted_once() {
    const MIB: u64 = 1 << 20;
    let data_dir = tempfile::tempdir().expect("a folder");
    let (mut writer, store) = open(data_dir.path()).expect("store");
    let frame = record(&mut writer, &tick("a", 1, 3)).expect("record");
    // Left over of seals that never ended.
    let block = vec![7; 16_352];
    for chunk in 0..40 {
        let insert = store.files.history.write(|history| {
            let mut blocks = history.open_table(BLOCKS)?;
            for column in 0..128 {
                blocks.insert((0, chunk, 9, 0, column), block.as_slice())?;
            }
            Ok(())
        });
        insert.expect("written");
    }
    let size = || store.size_bytes().expect("sizes").history;
    assert!(size() > 80 * MIB, "{}", size());
    let retained = store.retain(&LIMITS, TimestampMs(0)).expect("retention");
    assert_eq!(retained.unfinished_chunks, 40);
    assert!(retained.is_compacted);
    assert!(size() < 2 * MIB, "{}", size());
    let again = store.retain(&LIMITS, TimestampMs(0)).expect("retention");
    assert!(!again.is_compacted);
    assert_eq!(all_frames(&store, "a"), [frame]);
}

#[test]
fn a_head_that_is_mostly_unused_is_compacted_too() {
    const MIB: u64 = 1 << 20;
    let data_dir = tempfile::tempdir().expect("a folder");
    let (mut writer, store) = open(data_dir.path()).expect("store");
    let first = record(&mut writer, &tick("a", DAY_MS, 3)).expect("record");
    // Left over of a retention run that was cut short.
    let piece = [7; 4_040];
    let insert = store.files.head.write(|head| {
        let mut ticks = head.open_table(TICKS)?;
        for at in 0..24_000 {
            ticks.insert((at, 0, 0), piece.as_slice())?;
        }
        Ok(())
    });
    insert.expect("written");
    let size = || store.size_bytes().expect("sizes").head;
    assert!(size() > 90 * MIB, "{}", size());
    let retained = store.retain(&LIMITS, TimestampMs(30 * DAY_MS));
    let retained = retained.expect("retention");
    assert_eq!(retained.head.tick_rows, 24_000);
    assert!(retained.is_compacted);
    assert!(size() < 2 * MIB, "{}", size());
    let next = record(&mut writer, &tick("a", DAY_MS + 1, 3)).expect("record");
    assert_eq!(all_frames(&store, "a"), [first, next]);
}
