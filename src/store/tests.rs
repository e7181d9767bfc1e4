//! The store as its callers see it, against a plain list of frames.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{test_disk::Disk, *};
use crate::model::{
    Cell, ClusterName, Commit, Frame, Gap, GapReason, GapScope, GroupReading, GroupTopicReading,
    PartitionReading, PluginName, Tick, TimestampMs, TopicReading, TopicState, WatchRecord,
};

mod care;
mod compaction;
mod events;
mod lags;
mod older_formats;
mod power_cut;
mod retention;
mod sealing;
mod told;
mod year;

fn frames(store: &Store, cluster: &str, from: i64, to: i64) -> Vec<Frame> {
    store
        .frames(&cluster.into(), TimestampMs(from), TimestampMs(to))
        .expect("frames")
        .collect::<Result<_, _>>()
        .expect("whole ticks")
}

fn all_frames(store: &Store, cluster: &str) -> Vec<Frame> {
    frames(store, cluster, i64::MIN, i64::MAX)
}

/// A tick whose numbers all follow from its time.
fn tick(cluster: &str, at: i64, partitions: usize) -> Tick {
    let numbers = || (0..partitions as i64).map(move |partition| at.wrapping_mul(partition + 7));
    let commit = |number: i64| match number % 11 {
        0 => Commit::None,
        1 => Commit::Unread,
        _ => Commit::At(number),
    };
    let partition = |number| PartitionReading {
        log_start_offset: None,
        log_end_offset: Some(number),
    };
    Tick {
        cluster: cluster.into(),
        at: TimestampMs(at),
        topics: vec![TopicReading {
            topic: "t".into(),
            id: None,
            state: TopicState::Present(numbers().map(partition).collect()),
        }],
        groups: vec![GroupReading {
            group: "g".into(),
            membership: None,
            topics: vec![GroupTopicReading {
                topic: "t".into(),
                commits: numbers().map(commit).collect(),
            }],
            queue: None,
        }],
        gaps: Vec::new(),
    }
}

fn record(writer: &mut Writer, tick: &Tick) -> Result<Frame, RecordError> {
    let placed = writer.place(tick);
    writer.record(&placed, &tick.gaps)?;
    Ok(Frame::clone(&placed.frame))
}

fn cut_head(store: &Store, cutoff: i64) -> Cut {
    head::retain_since(&store.files.head, TimestampMs(cutoff)).expect("retention")
}

fn gap(code: &str) -> Gap {
    Gap {
        scope: GapScope::Commit("g".into(), "t".into(), 3),
        reason: GapReason {
            code: code.into(),
            message: format!("it {code}"),
        },
    }
}

#[derive(Debug, Clone)]
enum Step {
    Record {
        cluster: &'static str,
        ticks: u8,
        pace_ms: i64,
        partitions: usize,
    },
    Reopen,
    Retain {
        cutoff_permille: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let record = (
        prop::sample::select(vec!["a", "b"]),
        1_u8..90,
        1_i64..30,
        0_usize..5,
    );
    prop_oneof![
        6 => record.prop_map(|(cluster, ticks, pace_ms, partitions)| {
            Step::Record { cluster, ticks, pace_ms, partitions }
        }),
        1 => Just(Step::Reopen),
        2 => (0_i64..1100).prop_map(|cutoff_permille| Step::Retain { cutoff_permille }),
    ]
}

/// By cluster, its segments, and whether the newest is still open.
#[derive(Default)]
struct Model {
    now: i64,
    segments: BTreeMap<&'static str, Vec<Vec<Frame>>>,
    is_new_segment_due: BTreeMap<&'static str, bool>,
}

impl Model {
    fn record(&mut self, cluster: &'static str, frame: Frame) {
        let segments = self.segments.entry(cluster).or_default();
        let is_due = self.is_new_segment_due.insert(cluster, false);
        match segments.last_mut() {
            Some(newest) if newest.len() < 60 && is_due == Some(false) => newest.push(frame),
            _ => segments.push(vec![frame]),
        }
    }

    fn reopen(&mut self) {
        self.is_new_segment_due.clear();
    }

    fn retain_since(&mut self, cutoff: i64) {
        for segments in self.segments.values_mut() {
            let newest = segments.pop();
            segments.retain(|segment| segment.last().is_some_and(|last| last.at.0 >= cutoff));
            segments.extend(newest);
        }
    }

    fn frames(&self, cluster: &str, from: i64, to: i64) -> Vec<Frame> {
        let segments = self.segments.get(cluster).into_iter().flatten().flatten();
        segments
            .filter(|frame| (from..=to).contains(&frame.at.0))
            .cloned()
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_range_reads_what_was_recorded_and_kept(
        steps in prop::collection::vec(step(), 1..12),
        ranges in prop::collection::vec((-100_i64..1100, -100_i64..1100), 12),
    ) {
        let disk = Disk::default();
        let (mut writer, mut store) = disk.open().expect("store");
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Record { cluster, ticks, pace_ms, partitions } => {
                    for _ in 0..ticks {
                        model.now += pace_ms;
                        let tick = tick(cluster, model.now, partitions);
                        model.record(cluster, record(&mut writer, &tick).expect("record"));
                    }
                }
                Step::Reopen => {
                    drop((writer, store));
                    (writer, store) = disk.open().expect("store");
                    model.reopen();
                }
                Step::Retain { cutoff_permille } => {
                    let cutoff = model.now * cutoff_permille / 1000;
                    cut_head(&store, cutoff);
                    model.retain_since(cutoff);
                }
            }
        }
        for (from, to) in ranges {
            let (from, to) = (model.now * from / 1000, model.now * to / 1000);
            for cluster in ["a", "b"] {
                let found = frames(&store, cluster, from, to);
                prop_assert_eq!(found, model.frames(cluster, from, to));
            }
        }
        for cluster in ["a", "b"] {
            let all = model.frames(cluster, i64::MIN, i64::MAX);
            prop_assert_eq!(&all_frames(&store, cluster), &all);
            let span = all.first().zip(all.last()).map(|(first, last)| (first.at, last.at));
            prop_assert_eq!(store.span(&cluster.into()).expect("span"), span);
        }
    }
}

#[test]
fn the_catalogue_outlives_the_process() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let cluster = ClusterName::from("a");
    assert_eq!(store.index(&cluster).expect("index"), None);
    record(&mut writer, &tick("a", 1, 2)).expect("record");
    record(&mut writer, &tick("b", 1, 1)).expect("record");
    let placed = writer.place(&tick("a", 2, 5));
    writer.record(&placed, &[]).expect("record");
    drop((writer, store));

    let (mut writer, store) = disk.open().expect("store");
    let index = store.index(&cluster).expect("index");
    assert_eq!(index.as_ref(), Some(&*placed.index));
    assert_eq!(*writer.place(&tick("a", 3, 5)).index, *placed.index);
    assert_eq!(
        store.clusters().expect("clusters"),
        ["a".into(), "b".into()]
    );
    assert!(all_frames(&store, "unknown").is_empty());
}

#[test]
fn time_only_goes_forward() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    record(&mut writer, &tick("a", 10, 1)).expect("record");
    for at in [10, 9] {
        let error = record(&mut writer, &tick("a", at, 1)).expect_err("not after");
        assert!(matches!(error, RecordError::NotAfter { .. }), "{error:?}");
    }
    record(&mut writer, &tick("b", 9, 1)).expect("each cluster has its own time");
    drop((writer, store));
    let (mut writer, _store) = disk.open().expect("store");
    record(&mut writer, &tick("a", 10, 1)).expect_err("remembered");
    record(&mut writer, &tick("a", 11, 1)).expect("after");
}

#[test]
fn a_full_disk_stops_recording_only_while_it_is_full() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let before = record(&mut writer, &tick("a", 1, 1)).expect("record");

    disk.set_full(true);
    for at in 2..5 {
        let tick = tick("a", at, at as usize);
        let placed = writer.place(&tick);
        let seen = placed.index.topics()["t"].log_end.len();
        assert_eq!(seen, at as u32, "memory goes on");
        let error = writer.record(&placed, &[gap("lost")]).expect_err("full");
        assert!(matches!(error, RecordError::Database { .. }), "{error:?}");
    }
    record(&mut writer, &tick("b", 4, 1)).expect_err("full");

    disk.set_full(false);
    let after = record(&mut writer, &tick("a", 5, 3)).expect("record");
    let other = record(&mut writer, &tick("b", 5, 1)).expect("record");
    assert_eq!(all_frames(&store, "a"), [before, after]);
    assert_eq!(all_frames(&store, "b"), [other]);
    let index = store.index(&"a".into()).expect("index").expect("some");
    assert_eq!(index, *writer.place(&tick("a", 6, 1)).index);
}

#[test]
fn readers_recover_from_a_failed_write_too() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let frame = record(&mut writer, &tick("a", 1, 1)).expect("record");
    let begun = store.frames(&"a".into(), TimestampMs(0), TimestampMs(9));
    disk.set_full(true);
    record(&mut writer, &tick("a", 2, 1)).expect_err("full");
    disk.set_full(false);
    let rest: Result<Vec<_>, _> = begun.expect("frames").collect();
    assert_eq!(rest.expect("whole ticks"), [frame]);
}

#[test]
fn damage_that_shows_later_is_an_error_and_no_panic() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let wide = |at: i64| tick("a", at, 1_500);
    for at in 1..200 {
        record(&mut writer, &wide(at)).expect("record");
    }
    disk.damage();
    // What is in memory is told all the same.
    store.files.recent.forget_before(0, i64::MAX);
    for at in 200..203 {
        let frames = store.frames(&"a".into(), TimestampMs(0), TimestampMs(999));
        let found: Result<Vec<_>, _> = frames.and_then(Iterator::collect);
        assert!(found.is_err(), "damaged");
        let placed = writer.place(&wide(at));
        assert_eq!(placed.frame.at.0, at, "memory goes on");
        writer.record(&placed, &[]).expect_err("damaged");
    }
}

#[test]
fn gaps_are_kept_when_they_change() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let late = vec![gap("timed_out")];
    let both = vec![gap("refused"), gap("timed_out")];
    let sets = [&vec![], &late, &late, &both, &vec![], &vec![], &late];
    for (at, gaps) in (1..).zip(sets) {
        let placed = writer.place(&tick("a", at, 1));
        writer.record(&placed, gaps).expect("record");
    }
    let read = |store: &Store, from, to| {
        let sets = store.gaps(&"a".into(), TimestampMs(from), TimestampMs(to));
        let sets = sets.expect("gaps").into_iter();
        sets.map(|(at, set)| (at.0, set)).collect::<Vec<_>>()
    };
    let all = [(2, late.clone()), (4, both), (5, vec![]), (7, late)];
    assert_eq!(read(&store, i64::MIN, i64::MAX), all);
    assert_eq!(read(&store, 3, 4), all[..2]);
    assert_eq!(read(&store, 6, 6), all[2..3]);
    assert_eq!(read(&store, 1, 1), []);
    assert_eq!(read(&store, 7, 3), []);

    drop((writer, store));
    let (mut writer, store) = disk.open().expect("store");
    let placed = writer.place(&tick("a", 8, 1));
    writer.record(&placed, &all[3].1).expect("record");
    assert_eq!(read(&store, i64::MIN, i64::MAX), all, "no change, no row");
}

#[test]
fn retention_keeps_the_gaps_in_force() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    for at in 1..=200 {
        let placed = writer.place(&tick("a", at, 1));
        let gaps: &[Gap] = if at < 50 { &[] } else { &[gap("timed_out")] };
        let flapping = [gap(&at.to_string())];
        let gaps = if at < 20 { &flapping } else { gaps };
        writer.record(&placed, gaps).expect("record");
    }
    let retained = cut_head(&store, 130);
    assert_eq!((retained.segments, retained.gap_sets), (2, 20));
    let sets = store.gaps(&"a".into(), TimestampMs(0), TimestampMs(200));
    let times: Vec<_> = sets.expect("gaps").iter().map(|(at, _)| at.0).collect();
    assert_eq!(times, [50]);
    assert_eq!(cut_head(&store, 130), Cut::default());
}

#[test]
fn many_gaps_and_long_reasons_are_cut() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let mut long = gap("long");
    long.reason.message = "é".repeat(1_000);
    let placed = writer.place(&tick("a", 1, 1));
    writer.record(&placed, &vec![long; 10_000]).expect("record");
    let sets = store.gaps(&"a".into(), TimestampMs(0), TimestampMs(9));
    let set = sets.expect("gaps").remove(0).1;
    assert!((100..10_000).contains(&set.len()), "{}", set.len());
    assert_eq!(set[0].reason.message, "é".repeat(256));
}

#[test]
fn watches_are_put_replaced_and_removed() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let watch = |key: &str, asked| WatchRecord {
        key: key.into(),
        metadata: BTreeMap::from([("topic".into(), key.into())]),
        last_asked: TimestampMs(asked),
    };
    writer
        .put_watches(&[watch("b", 1), watch("a", 2)])
        .expect("put");
    writer.put_watches(&[watch("b", 3)]).expect("put");
    let expected = [watch("a", 2), watch("b", 3)];
    assert_eq!(store.watches().expect("watches"), expected);
    drop((writer, store));

    let (mut writer, store) = disk.open().expect("store");
    assert_eq!(store.watches().expect("watches"), expected);
    let keys = ["a".to_owned(), "unknown".to_owned()];
    writer.remove_watches(&keys).expect("remove");
    assert_eq!(store.watches().expect("watches"), expected[1..]);

    let mut huge = watch("huge", 1);
    huge.metadata.insert("m".into(), "x".repeat(1 << 20));
    let error = writer.put_watches(&[huge]).expect_err("too large");
    assert!(matches!(error, RecordError::TooLarge { .. }), "{error:?}");
}

fn plugin_name(plugin: &str, kafka_prefix: &str, read_at: i64) -> PluginName {
    PluginName {
        plugin: plugin.into(),
        kafka_prefix: kafka_prefix.into(),
        read_at: TimestampMs(read_at),
    }
}

#[test]
fn names_of_plugins_are_put_replaced_and_removed() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    assert_eq!(store.plugin_names().expect("names"), []);
    let name = plugin_name;
    let names = [name("b", "live-b", 1), name("a", "live-a", 2)];
    writer.put_plugin_names(&names).expect("put");
    writer
        .put_plugin_names(&[name("b", "moved-b", 3)])
        .expect("put");
    drop((writer, store));

    let (mut writer, store) = disk.open().expect("store");
    let expected = [name("a", "live-a", 2), name("b", "moved-b", 3)];
    assert_eq!(store.plugin_names().expect("names"), expected);
    let plugins = ["a".to_owned(), "unknown".to_owned()];
    writer.remove_plugin_names(&plugins).expect("remove");
    assert_eq!(store.plugin_names().expect("names"), expected[1..]);
}

#[test]
fn retention_between_two_segments_of_a_reader_loses_whole_segments() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    for at in 1..=240 {
        record(&mut writer, &tick("a", at, 1)).expect("record");
    }
    let mut reader = store
        .frames(&"a".into(), TimestampMs(0), TimestampMs(999))
        .expect("frames");
    let first = reader.next().expect("some").expect("frame");
    cut_head(&store, 181);
    let rest = reader.map(|frame| frame.expect("whole ticks").at.0);
    let expected: Vec<_> = (2..=60).chain(181..=240).collect();
    assert_eq!((first.at.0, rest.collect::<Vec<_>>()), (1, expected));
}

#[test]
fn a_reader_follows_the_newest_segment_as_it_grows() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    record(&mut writer, &tick("a", 1, 1)).expect("record");
    let mut reader = store
        .frames(&"a".into(), TimestampMs(0), TimestampMs(999))
        .expect("frames");
    let mut next = || reader.next().map(|frame| frame.expect("whole ticks").at.0);
    assert_eq!(next(), Some(1));
    record(&mut writer, &tick("a", 2, 1)).expect("record");
    assert_eq!(next(), Some(2));
    assert_eq!(next(), None);
}

#[test]
fn a_range_between_two_ticks_is_empty() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    for at in [10, 20] {
        record(&mut writer, &tick("a", at, 1)).expect("record");
    }
    assert_eq!(frames(&store, "a", 13, 14), []);
}
