//! What KEDA was told, beside the ticks of clusters.

use std::{sync::Arc, time::Duration};

use super::{
    sealing::{HOUR_MS, MINUTE_MS, seal_all},
    *,
};
use crate::model::{Cell, SeriesIndex, Told, ToldChange, WatchName};

fn watch(group: &str) -> Arc<WatchName> {
    Arc::new(WatchName {
        cluster: "a".into(),
        group: Some(group.into()),
        topic: None,
        metric_name: "m".into(),
        key: format!("consumerGroup={group:?}"),
    })
}

fn change(at: i64, group: &str, value: i64) -> ToldChange {
    ToldChange {
        at: TimestampMs(at),
        watch: watch(group),
        told: Told {
            metric_value: Cell::of(value),
            target: Cell::of(100),
            active: Cell::of(1),
        },
    }
}

/// By frame: its time, and what was told of `group`.
fn told(store: &Store, group: &str, from: i64) -> Vec<(i64, Option<i64>)> {
    let index = store.told_index().expect("index").unwrap_or_default();
    let frames = store.told(TimestampMs(from), TimestampMs(i64::MAX));
    let value = |index: &SeriesIndex, frame: &Frame| {
        let series = index.watches().get(&watch(group))?;
        series.told(frame).metric_value.value()
    };
    let rows = frames.expect("frames").map(|frame| {
        let frame = frame.expect("whole ticks");
        (frame.at.0, value(&index, &frame))
    });
    rows.collect()
}

#[test]
fn what_was_told_is_recorded_with_the_next_tick() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    assert_eq!(told(&store, "g", 0), []);
    writer.tell(vec![change(2, "g", 20), change(1, "g", 10)]);
    assert_eq!(told(&store, "g", 0), [], "not before a tick is");
    record(&mut writer, &tick("a", 5, 1)).expect("record");
    assert_eq!(told(&store, "g", 0), [(1, Some(10)), (2, Some(20))]);
    assert_eq!(store.clusters().expect("clusters"), ["a".into()]);

    writer.tell(vec![change(7, "g", 20)]);
    record(&mut writer, &tick("a", 8, 1)).expect("record");
    assert_eq!(told(&store, "g", 0).len(), 2, "no change, no frame");
    writer.tell(vec![change(9, "h", 30)]);
    writer.flush().expect("recorded without a tick");
    assert_eq!(told(&store, "h", 0).last(), Some(&(9, Some(30))));
    assert_eq!(told(&store, "g", 0).last(), Some(&(9, Some(20))));
    assert_eq!(all_frames(&store, "a").len(), 2);
}

#[test]
fn which_watches_were_active_is_found_again_until_they_are_told_otherwise() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let active = |at| store.active_watches(TimestampMs(at)).expect("readable");
    assert!(active(9).is_empty());
    let mut idle = change(3, "h", 5);
    idle.told.active = Cell::of(0);
    writer.tell(vec![change(1, "g", 10), change(2, "h", 20), idle]);
    record(&mut writer, &tick("a", 5, 1)).expect("record");
    assert_eq!(active(2).len(), 2);
    assert!(active(9).contains(&watch("g").key) && active(9).len() == 1);
    writer.forget_told(TimestampMs(8));
    record(&mut writer, &tick("a", 9, 1)).expect("record");
    assert!(active(9).is_empty());
}

#[test]
fn after_a_start_what_was_told_before_is_not_in_force() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    writer.forget_told(TimestampMs(1));
    writer.tell(vec![change(2, "g", 20)]);
    record(&mut writer, &tick("a", 5, 1)).expect("record");
    drop((writer, store));

    let (mut writer, store) = disk.open().expect("store");
    writer.forget_told(TimestampMs(10));
    writer.tell(vec![change(12, "h", 30)]);
    record(&mut writer, &tick("b", 15, 1)).expect("record");
    let expected = [(2, Some(20)), (10, None), (12, None)];
    assert_eq!(told(&store, "g", 0), expected);
    assert_eq!(told(&store, "h", 11), [(10, None), (12, Some(30))]);
    let index = store.told_index().expect("index").expect("some");
    assert_eq!(index.watches().len(), 2);
}

#[test]
fn a_segment_of_what_was_told_ends_after_a_minute() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    for at in [0, 59_000, 60_000, 130_000] {
        writer.tell(vec![change(MINUTE_MS + at, "g", at)]);
        writer.flush().expect("recorded");
    }
    let expected = [
        (0, 0),
        (59_000, 59_000),
        (60_000, 60_000),
        (130_000, 130_000),
    ];
    let expected = expected.map(|(at, value)| (MINUTE_MS + at, Some(value)));
    assert_eq!(told(&store, "g", 0), expected);
    assert_eq!(cut_head(&store, 3 * MINUTE_MS).segments, 2);
    assert_eq!(told(&store, "g", 0), expected[3..]);
}

#[test]
fn what_is_told_while_the_disk_is_full_is_recorded_later() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    writer.tell(vec![change(1, "g", 10)]);
    record(&mut writer, &tick("a", 1, 1)).expect("record");
    disk.set_full(true);
    for at in 2..5 {
        writer.tell(vec![change(at, "g", at), change(at, "h", at)]);
        record(&mut writer, &tick("a", at, 1)).expect_err("full");
    }
    disk.set_full(false);
    record(&mut writer, &tick("a", 5, 1)).expect("record");
    let expected = [(1, Some(10)), (2, Some(2)), (3, Some(3)), (4, Some(4))];
    assert_eq!(told(&store, "g", 0), expected);
    assert_eq!(told(&store, "h", 0)[1..], expected[1..]);
}

#[test]
fn a_tick_that_is_refused_leaves_what_was_told_for_the_next() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    record(&mut writer, &tick("a", 10, 1)).expect("record");
    writer.tell(vec![change(11, "g", 10)]);
    record(&mut writer, &tick("a", 9, 1)).expect_err("not after");
    assert_eq!(told(&store, "g", 0), []);
    record(&mut writer, &tick("b", 9, 1)).expect("another cluster's");
    assert_eq!(told(&store, "g", 0), [(11, Some(10))]);
}

#[test]
fn what_was_told_is_in_force_however_it_is_sealed() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut writer, store) = open(dir.path()).expect("store");
    let unknown = ToldChange {
        told: Told::NOTHING,
        ..change(10 * MINUTE_MS, "g", 0)
    };
    let known = [(0, 5), (300, 7), (1_800, 8), (1_801, 9), (3_000, 10)];
    let mut changes = vec![unknown];
    changes.extend(known.map(|(minutes, value)| change(minutes * MINUTE_MS, "g", value)));
    changes.sort_by_key(|change| change.at);
    for change in changes {
        writer.tell(vec![change]);
        writer.flush().expect("recorded");
    }
    let expected = [
        (0, Some(5)),
        (10, None),
        (300, Some(7)),
        (1_800, Some(8)),
        (1_801, Some(9)),
        (3_000, Some(10)),
    ];
    let expected = expected.map(|(minutes, value)| (minutes * MINUTE_MS, value));
    assert_eq!(told(&store, "g", i64::MIN), expected);
    let now = 80 * HOUR_MS;
    seal_all(&store, now);
    assert_eq!(told(&store, "g", i64::MIN), expected);

    let month = Duration::from_hours(30 * 24);
    for (raw, minutes) in [
        (Duration::from_hours(1), month),
        (Duration::from_hours(1), Duration::from_hours(1)),
    ] {
        let limits = Limits {
            raw,
            minutes,
            hours: month,
            max_bytes: None,
        };
        store.retain(&limits, TimestampMs(now)).expect("retention");
        for from in [2 * HOUR_MS, 20 * HOUR_MS] {
            let in_force = expected.iter().rfind(|row| row.0 <= from).map(|row| row.1);
            let found = told(&store, "g", from);
            let found = found.iter().rfind(|row| row.0 <= from).map(|row| row.1);
            assert_eq!(found, in_force, "{limits:?}");
        }
        assert_eq!(told(&store, "g", now).last(), expected.last());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_range_begins_with_what_was_in_force(
        steps in prop::collection::vec((1_i64..3_000, 0_i64..4), 1..200),
        batch in 1_usize..100,
        from in 0_i64..100_000,
    ) {
        let disk = Disk::default();
        let (mut writer, store) = disk.open().expect("store");
        let mut now = 0;
        let changes: Vec<_> = steps.iter().map(|(pause, value)| {
            now += pause;
            change(now, "g", *value)
        }).collect();
        let mut expected: Vec<(i64, Option<i64>)> = Vec::new();
        for change in &changes {
            let value = change.told.metric_value.value();
            if expected.last().is_none_or(|last| last.1 != value) {
                expected.push((change.at.0, value));
            }
        }
        for batch in changes.chunks(batch) {
            writer.tell(batch.to_vec());
            writer.flush().expect("recorded");
        }
        prop_assert_eq!(told(&store, "g", 0), expected.clone());
        let found = told(&store, "g", from);
        prop_assert!(expected.ends_with(&found), "{:?}", found);
        let in_force = expected.iter().rfind(|row| row.0 <= from);
        prop_assert_eq!(found.iter().rfind(|row| row.0 <= from), in_force);
    }
}
