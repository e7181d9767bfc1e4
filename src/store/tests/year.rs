//! A year in which each level expires many times over. The files must not grow
//! once the levels have filled, and without retention they must.

use std::time::Duration;

use super::{
    sealing::{HOUR_MS, seal_all},
    *,
};
use crate::model::{Event, EventKind};

const DAY_MS: i64 = 24 * HOUR_MS;
const LIMITS: Limits = Limits {
    raw: days(3),
    minutes: days(15),
    hours: days(60),
    max_bytes: None,
};
/// Three ticks in each chunk.
const PACE_MS: i64 = 40 * 60_000;
const PARTITIONS: usize = 30;
/// As long as events are kept.
const EVENT_DAYS: i64 = 400;
const TICKS_OF_AN_EVENT: i64 = 6;

const fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

/// What is used of history, and how long the files are, at the end of a day.
#[derive(Debug, Clone, Copy)]
struct Sample {
    used: u64,
    history: u64,
    head: u64,
}

fn event(at: i64) -> Event {
    Event {
        at: TimestampMs(at),
        cluster: Some("a".into()),
        kind: EventKind::GapBegan(gap("timed_out")),
    }
}

/// Events of the time before, so that their table is full from the start.
fn record_earlier_events(writer: &mut Writer) {
    let times = (-EVENT_DAYS * DAY_MS..0).step_by((TICKS_OF_AN_EVENT * PACE_MS) as usize);
    for at in times {
        writer.note(event(at));
        writer.flush().expect("recorded");
    }
}

fn live(writer: &mut Writer, store: &Store, day: i64) {
    for at in (day * DAY_MS..(day + 1) * DAY_MS).step_by(PACE_MS as usize) {
        if at % (TICKS_OF_AN_EVENT * PACE_MS) == 0 {
            writer.note(event(at));
        }
        record(writer, &tick("a", at, PARTITIONS)).expect("record");
    }
    seal_all(store, (day + 1) * DAY_MS);
}

fn sample(store: &Store) -> Sample {
    let sizes = store.size_bytes().expect("sizes");
    Sample {
        used: store.files.history.used_bytes().expect("stats"),
        history: sizes.history,
        head: sizes.head,
    }
}

/// A sample for each day.
fn simulate(writer: &mut Writer, store: &Store, days: i64, limits: Option<&Limits>) -> Vec<Sample> {
    let mut samples = Vec::new();
    for day in 0..days {
        live(writer, store, day);
        if let Some(limits) = limits {
            let now = TimestampMs((day + 1) * DAY_MS);
            store.retain(limits, now).expect("retention");
        }
        samples.push(sample(store));
    }
    samples
}

fn most(samples: &[Sample], of: fn(&Sample) -> u64) -> u64 {
    samples.iter().map(of).max().expect("samples")
}

#[test]
fn files_do_not_grow_over_a_year() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    record_earlier_events(&mut writer);
    let samples = simulate(&mut writer, &store, 365, Some(&LIMITS));
    let (first, last) = (&samples[65..165], &samples[265..]);
    let figures: [fn(&Sample) -> u64; 3] = [
        |sample| sample.used,
        |sample| sample.history,
        |sample| sample.head,
    ];
    for of in figures {
        let (first, last) = (most(first, of), most(last, of));
        assert!(last * 100 <= first * 110, "{last} after {first}");
    }
    let (used, length) = (
        most(last, |sample| sample.used),
        most(last, |sample| sample.history),
    );
    assert!(length <= 3 * used, "{used} of {length} in use");

    // The last ones are not due yet.
    let kept = store.level_sizes().expect("sizes").map(|size| size.chunks);
    assert_eq!(kept, [3 * 12 - 1, 15 * 12 - 1, 60 - 1]);
    let events = store.events(TimestampMs(i64::MIN), TimestampMs(i64::MAX));
    let expected = EVENT_DAYS * DAY_MS / (TICKS_OF_AN_EVENT * PACE_MS);
    assert_eq!(events.count() as i64, expected);
}

#[test]
fn without_retention_they_grow() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let samples = simulate(&mut writer, &store, 120, None);
    let (half, whole) = (samples[59], samples[119]);
    assert!(whole.used * 100 >= half.used * 180, "{half:?} {whole:?}");
}

#[test]
fn files_on_a_disk_do_not_grow_over_some_weeks() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let (mut writer, store) = open(data_dir.path()).expect("store");
    let limits = Limits {
        raw: days(1),
        minutes: days(2),
        hours: days(4),
        max_bytes: None,
    };
    let samples = simulate(&mut writer, &store, 24, Some(&limits));
    let total = |sample: &Sample| sample.history + sample.head;
    let (first, last) = (most(&samples[5..14], total), most(&samples[15..], total));
    assert!(last * 100 <= first * 110, "{last} after {first}");
}
