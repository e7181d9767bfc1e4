//! Events, and the configuration of the newest start.

use std::time::Duration;

use super::*;
use crate::model::{Event, EventKind};

const DAY_MS: i64 = 86_400_000;

fn event(at: i64, cluster: Option<&str>) -> Event {
    Event {
        at: TimestampMs(at),
        cluster: cluster.map(ClusterName::from),
        kind: EventKind::GapBegan(gap("timed_out")),
    }
}

fn events(store: &Store, from: i64, to: i64) -> Vec<Event> {
    let events = store.events(TimestampMs(from), TimestampMs(to));
    events.collect::<Result<_, _>>().expect("events")
}

#[test]
fn events_are_recorded_with_the_next_tick_and_read_newest_first() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    for event in [event(1, None), event(3, Some("a")), event(3, Some("b"))] {
        writer.note(event);
    }
    assert_eq!(events(&store, 0, 9), [], "not before a tick is");
    record(&mut writer, &tick("a", 3, 1)).expect("record");
    let all = [event(3, Some("b")), event(3, Some("a")), event(1, None)];
    assert_eq!(events(&store, 0, 9), all);
    assert_eq!(events(&store, 2, 3), all[..2]);
    assert_eq!(events(&store, 0, 2), all[2..]);
    assert_eq!(events(&store, 3, 2), []);

    record(&mut writer, &tick("a", 4, 1)).expect("record");
    assert_eq!(events(&store, 0, 9), all, "each is recorded once");
    writer.note(event(3, None));
    writer.flush().expect("recorded without a tick");
    assert_eq!(events(&store, 3, 3)[0], event(3, None));
    assert_eq!(events(&store, 3, 3).len(), 3);
}

#[test]
fn events_outlast_a_full_disk() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    disk.set_full(true);
    writer.note(event(1, None));
    record(&mut writer, &tick("a", 1, 1)).expect_err("full");
    writer.note(event(2, Some("a")));
    disk.set_full(false);
    record(&mut writer, &tick("a", 2, 1)).expect("record");
    assert_eq!(events(&store, 0, 9), [event(2, Some("a")), event(1, None)]);
}

#[test]
fn many_events_are_read_in_slices_and_deleted_by_age() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let times: Vec<_> = (0..3_000).map(|at| at * DAY_MS / 4).collect();
    for batch in times.chunks(200) {
        for at in batch {
            writer.note(event(*at, Some("a")));
        }
        writer.flush().expect("recorded");
    }
    let found: Vec<_> = events(&store, 0, i64::MAX);
    assert!(
        found
            .iter()
            .map(|event| event.at.0)
            .eq(times.iter().rev().copied())
    );

    let now = TimestampMs(500 * DAY_MS);
    let deleted = head::retain_events(&store.files.head, now).expect("retention");
    assert_eq!(deleted, 400);
    let oldest = events(&store, 0, i64::MAX).last().expect("some").at;
    assert_eq!(oldest, now.minus(Duration::from_hours(400 * 24)));
}

#[test]
fn the_configuration_of_the_newest_start_is_kept() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    assert_eq!(store.configuration().expect("readable"), BTreeMap::new());
    let first = BTreeMap::from([("poll".to_owned(), 1), ("log".to_owned(), u64::MAX)]);
    writer.note(event(1, None));
    writer.put_configuration(&first).expect("kept");
    assert_eq!(store.configuration().expect("readable"), first);
    assert_eq!(events(&store, 0, 9).len(), 1, "in the same transaction");
    let second = BTreeMap::from([("poll".to_owned(), 2)]);
    writer.put_configuration(&second).expect("kept");
    assert_eq!(store.configuration().expect("readable"), second);
}
