//! What goes when, and what stays: by age, by size, and cut short.

use std::time::Duration;

use proptest::test_runner::{RngAlgorithm, TestRng};
use redb::ReadableTable as _;

use super::{
    sealing::{HOUR_MS, MINUTE_MS, narrow_frames, narrowed, rolled, seal_all},
    *,
};
use crate::store::history::{BLOCKS, CHUNKS};

const DAY_MS: i64 = 24 * HOUR_MS;
const PACE_MS: i64 = 20 * MINUTE_MS;

fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

fn limits(raw: u64, minutes: u64, hours: u64) -> Limits {
    Limits {
        raw: days(raw),
        minutes: days(minutes),
        hours: days(hours),
        max_bytes: None,
    }
}

/// Ticks of cluster `a` in [`from`, `to`).
fn record_span(writer: &mut Writer, from: i64, to: i64, partitions: usize) -> Vec<Frame> {
    let times = (from..to).step_by(PACE_MS as usize);
    let frames = times.map(|at| record(writer, &tick("a", at, partitions)));
    frames.collect::<Result<_, _>>().expect("recorded")
}

fn retain(store: &Store, limits: &Limits, now: i64) -> Retained {
    store.retain(limits, TimestampMs(now)).expect("retention")
}

/// All frames, each with its level.
fn leveled(store: &Store) -> Vec<(Level, Frame)> {
    let (from, to) = (TimestampMs(i64::MIN), TimestampMs(i64::MAX));
    let mut frames = store.frames(&"a".into(), from, to).expect("frames");
    let mut found = Vec::new();
    while let Some(frame) = frames.next() {
        let frame = frame.expect("whole ticks");
        found.push((frames.told_level(), frame));
    }
    found
}

fn of_level(leveled: &[(Level, Frame)], wanted: Level) -> Vec<Frame> {
    let of_level = leveled.iter().filter(|(level, _)| *level == wanted);
    of_level.map(|(_, frame)| frame.clone()).collect()
}

fn chunks(store: &Store) -> [u64; 3] {
    store.level_sizes().expect("sizes").map(|size| size.chunks)
}

fn head_since(store: &Store) -> i64 {
    let oldest = store.files.head_segment(0, i64::MIN).expect("head");
    oldest.expect("a segment").first
}

#[test]
fn each_level_goes_at_its_own_age_and_the_coarser_one_is_told() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let now = 12 * DAY_MS;
    let recorded = record_span(&mut writer, 0, now, 2);
    seal_all(&store, now);
    let head = head_since(&store);
    let limits = limits(2, 5, 9);
    let retained = retain(&store, &limits, now);
    assert_eq!(retained.expired_chunks, [10 * 12, 7 * 12, 3]);
    assert_eq!((retained.head, head_since(&store)), (Cut::default(), head));
    assert_eq!(retained.left, store.level_sizes().expect("sizes"));

    let found = leveled(&store);
    assert!(found.is_sorted_by(|(_, one), (_, next)| one.at < next.at));
    let between = |from_day: i64, to_day: i64| {
        let is_in = |frame: &&Frame| (from_day * DAY_MS..to_day * DAY_MS).contains(&frame.at.0);
        recorded.iter().filter(is_in).cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        of_level(&found, Level::Hours),
        rolled(&between(3, 7), HOUR_MS)
    );
    assert_eq!(of_level(&found, Level::Minutes), between(7, 10));
    assert_eq!(of_level(&found, Level::Raw), between(10, 12));

    let again = retain(&store, &limits, now);
    assert!(!again.has_deleted(), "{again:?}");
    assert_eq!(leveled(&store), found);
}

#[test]
fn what_is_not_sealed_yet_outlives_its_age_and_is_sealed() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let (stopped, sealed) = (2 * DAY_MS, 40 * HOUR_MS);
    let mut recorded = record_span(&mut writer, 0, sealed, 2);
    seal_all(&store, sealed);
    recorded.extend(record_span(&mut writer, sealed, stopped, 2));
    let head = head_since(&store);
    drop((writer, store));

    // The process is off for five days, and retention is its first work.
    let (_writer, store) = disk.open().expect("store");
    let (now, limits) = (stopped + 5 * DAY_MS, limits(1, 2, 400));
    let retained = retain(&store, &limits, now);
    assert_eq!((retained.head, head_since(&store)), (Cut::default(), head));
    assert_eq!(retained.expired_chunks[1], 12, "those whose hours are made");
    seal_all(&store, now);
    retain(&store, &limits, now);
    let found = leveled(&store);
    let head = head_since(&store);
    let (sealed, rest): (Vec<_>, Vec<_>) =
        recorded.into_iter().partition(|frame| frame.at.0 < head);
    assert_eq!(of_level(&found, Level::Hours), rolled(&sealed, HOUR_MS));
    assert_eq!(of_level(&found, Level::Raw), rest);
    assert_eq!(chunks(&store), [0, 0, 2]);
}

#[test]
fn what_can_not_be_sealed_stays_a_week_longer() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let sealed = 36 * HOUR_MS;
    record_span(&mut writer, 0, sealed, 2);
    seal_all(&store, sealed);
    record_span(&mut writer, sealed, 2 * DAY_MS, 2);
    let before = (head_since(&store), chunks(&store));
    let limits = limits(1, 3, 400);
    retain(&store, &limits, 8 * DAY_MS);
    let made = 12;
    assert_eq!(head_since(&store), before.0);
    assert_eq!(chunks(&store)[1], before.1[1] - made);
    let retained = retain(&store, &limits, 13 * DAY_MS);
    assert_eq!(retained.head.segments, 6, "all but the newest");
    assert_eq!(chunks(&store)[1], 0);
}

#[test]
fn hours_are_not_made_twice_where_they_are_kept_for_less_than_minutes() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    record_span(&mut writer, 0, 5 * DAY_MS, 2);
    let now = 10 * DAY_MS;
    let limits = limits(1, 30, 2);
    for _ in 0..2 {
        seal_all(&store, now);
        retain(&store, &limits, now);
        assert_eq!(chunks(&store)[2], 1, "the mark of how far they are made");
    }
}

#[test]
fn a_full_folder_loses_raw_first_and_never_all_at_once() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let now = 12 * DAY_MS;
    record_span(&mut writer, 0, now, 10);
    seal_all(&store, now);
    let used = || {
        let head = store.size_bytes().expect("sizes").head;
        head + store.files.history.used_bytes().expect("stats")
    };
    let (whole, mut before) = (used(), chunks(&store));
    let mut levels_cut = [false; 3];
    for percent in (1..=100).rev() {
        let limits = Limits {
            max_bytes: Some(whole / 100 * percent),
            ..limits(400, 400, 400)
        };
        let retained = retain(&store, &limits, now);
        assert_eq!(retained.expired_chunks, [0; 3]);
        let [raw, minutes, hours] = chunks(&store);
        assert!(raw >= 12 && minutes >= 12 && hours >= 1, "the last day");
        assert!(minutes == before[1] || raw <= 13, "minutes before raw");
        assert!(hours == before[2] || minutes <= 25, "hours before minutes");
        if retained.excess_bytes == 0 {
            assert!(used() <= whole / 100 * percent, "{percent}");
        }
        for (is_cut, crowded_out) in levels_cut.iter_mut().zip(retained.crowded_out_chunks) {
            *is_cut |= crowded_out > 0;
        }
        before = [raw, minutes, hours];
    }
    assert_eq!(levels_cut, [true; 3]);
}

#[test]
fn a_cap_smaller_than_the_head_does_no_harm() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let now = 3 * DAY_MS;
    let recorded = record_span(&mut writer, 0, now, 2);
    seal_all(&store, now);
    let limits = Limits {
        max_bytes: Some(1),
        ..limits(3, 30, 400)
    };
    let retained = retain(&store, &limits, now);
    assert!(retained.excess_bytes > 0);
    assert_eq!(retained.head, Cut::default(), "young ticks stay");
    let last_day = &recorded[recorded.len() - 72..];
    assert!(of_level(&leveled(&store), Level::Raw).ends_with(last_day));
    let again = retain(&store, &limits, now);
    assert!(!again.has_deleted(), "{again:?}");
    record(&mut writer, &tick("a", now, 2)).expect("ticks go on");
}

/// Some time in a minute, so that a tick's numbers are not what is expected of
/// them and fill many blocks.
fn jittered(minute: i64) -> i64 {
    minute * MINUTE_MS + minute * minute * 7_919 % 50_000
}

#[test]
fn blocks_that_no_seal_will_end_are_deleted() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let minutes = (0..240).map(|minute| tick("a", jittered(minute), 300));
    let recorded: Vec<_> = minutes
        .map(|tick| record(&mut writer, &tick).expect("record"))
        .collect();
    let places = |store: &Store| {
        let places = store.files.history.read(|history| {
            let blocks = history.open_table(BLOCKS)?;
            let rows = blocks.iter()?;
            let keys = rows.map(|row| Ok::<_, error::Fault>(row?.0.value()));
            let keys = keys.collect::<Result<Vec<_>, _>>()?;
            let places = keys
                .into_iter()
                .map(|(level, first, stream, ..)| (level, first, stream));
            Ok(places.collect::<std::collections::BTreeSet<_>>())
        });
        places.expect("history")
    };
    let mut sealer = store.sealer();
    while places(&store).is_empty() {
        assert!(sealer.step(TimestampMs(4 * HOUR_MS)).expect("sealing"));
    }
    assert_eq!(chunks(&store), [0; 3], "none is whole");
    let begun = places(&store);
    let left = [(0, 5, 0), (1, 7, 9), (2, 5, 0)];
    let insert = store.files.history.write(|history| {
        let mut blocks = history.open_table(BLOCKS)?;
        for (level, first, stream) in left {
            blocks.insert((level, first, stream, 0, 0), [1_u8].as_slice())?;
            blocks.insert((level, first, stream, 3, 40), [1_u8].as_slice())?;
        }
        Ok(())
    });
    insert.expect("written");
    let limits = limits(3, 30, 400);
    assert_eq!(retain(&store, &limits, 4 * HOUR_MS).unfinished_chunks, 3);
    assert_eq!(places(&store), begun, "a seal under way goes on");

    let lost = disk.copy().without_head();
    let (_writer, without_head) = lost.open().expect("store");
    let retained = retain(&without_head, &limits, 4 * HOUR_MS);
    assert_eq!(retained.unfinished_chunks, begun.len() as u64);
    assert!(places(&without_head).is_empty());

    seal_all(&store, 4 * HOUR_MS);
    assert_eq!(retain(&store, &limits, 4 * HOUR_MS).unfinished_chunks, 0);
    assert_eq!(all_frames(&store, "a"), recorded);
}

#[test]
fn a_seal_that_begins_anew_with_more_ticks_leaves_nothing_of_the_first() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let mut recorded = Vec::new();
    let mut take = |writer: &mut Writer, at| {
        recorded.push(record(writer, &tick("a", at, 900)).expect("record"));
    };
    (0..70).for_each(|minute| take(&mut writer, jittered(minute)));
    let mut sealer = store.sealer();
    let has_blocks = || {
        let first =
            |history: &redb::ReadTransaction| Ok(history.open_table(BLOCKS)?.first()?.is_some());
        store.files.history.read(first).expect("history")
    };
    while !has_blocks() {
        assert!(sealer.step(TimestampMs(3 * HOUR_MS)).expect("sealing"));
    }
    drop(sealer);
    assert_eq!(chunks(&store), [0; 3]);
    take(&mut writer, 3 * HOUR_MS);
    seal_all(&store, 3 * HOUR_MS);
    assert_eq!(chunks(&store)[0], 1);
    // Each by itself, or it would come from the block of the one before.
    for column in (0..2_700).step_by(50) {
        let expected = recorded.iter().map(|frame| narrowed(frame, &[column]));
        let found = narrow_frames(&store, &[column], Level::Raw);
        assert!(found.into_iter().eq(expected), "column {column}");
    }
}

/// The power goes at each change and sync of a run in turn.
#[test]
fn a_run_that_is_cut_short_leaves_nothing_half_deleted() {
    let whole = Disk::default();
    let now = 3 * DAY_MS;
    let (mut writer, store) = whole.open().expect("store");
    let recorded = record_span(&mut writer, 0, now, 12);
    seal_all(&store, now);
    drop((writer, store));
    let limits = Limits {
        max_bytes: Some(1),
        ..limits(2, 2, 2)
    };
    let uncut = whole.copy();
    let (_writer, store) = uncut.open().expect("store");
    assert!(retain(&store, &limits, now).has_deleted());
    let (expected, left) = (leveled(&store), chunks(&store));

    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut has_ended = false;
    for operations in (0..).step_by(7) {
        let disk = whole.copy();
        let (writer, store) = disk.open().expect("store");
        disk.cut_power_after(operations);
        has_ended = store.retain(&limits, TimestampMs(now)).is_ok();
        drop((writer, store));
        let disk = disk.after_power_cut(&mut random);
        let (_writer, store) = disk.open().expect("opens after any cut");
        check_whole(&store, &recorded);
        retain(&store, &limits, now);
        assert_eq!(leveled(&store), expected, "cut after {operations}");
        assert_eq!(chunks(&store), left, "cut after {operations}");
        if has_ended {
            break;
        }
    }
    assert!(has_ended);
}

/// Each hour of what was recorded is there, at some level, and each chunk whole.
fn check_whole(store: &Store, recorded: &[Frame]) {
    let found = leveled(store);
    assert!(found.is_sorted_by(|(_, one), (_, next)| one.at < next.at));
    let raw = of_level(&found, Level::Raw);
    assert!(recorded.ends_with(&raw), "raw is as it was recorded");
    let newest = recorded.last().expect("ticks").at.0;
    for hour in (DAY_MS..newest).step_by(HOUR_MS as usize) {
        let is_there = |(_, frame): &(Level, Frame)| (hour..hour + HOUR_MS).contains(&frame.at.0);
        assert!(found.iter().any(is_there), "hour {}", hour / HOUR_MS);
    }
    let headless = store.files.history.read(|history| {
        let chunks = history.open_table(CHUNKS)?;
        let mut headless = 0;
        for row in history.open_table(BLOCKS)?.iter()? {
            let (level, first, stream, ..) = row?.0.value();
            headless += u64::from(chunks.get((level, stream, first))?.is_none());
        }
        Ok(headless)
    });
    assert_eq!(headless.expect("history"), 0);
}
