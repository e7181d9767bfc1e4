//! Whatever is sealed when, the same is read.

use std::sync::Arc;

use super::*;

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;

#[derive(Debug, Clone)]
enum Step {
    Record {
        cluster: &'static str,
        ticks: u8,
        pace_s: i64,
        partitions: usize,
    },
    Seal {
        slices: u8,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let record = (
        prop::sample::select(vec!["a", "b"]),
        1_u8..90,
        prop::sample::select(vec![1_i64, 7, 10, 60, 400]),
        0_usize..5,
    );
    prop_oneof![
        4 => record.prop_map(|(cluster, ticks, pace_s, partitions)| {
            Step::Record { cluster, ticks, pace_s, partitions }
        }),
        4 => (0_u8..30).prop_map(|slices| Step::Seal { slices }),
        1 => Just(Step::Reopen),
    ]
}

fn seal_slices(sealer: &mut Sealer, now: i64, slices: usize) {
    for _ in 0..slices {
        if !sealer.step(TimestampMs(now)).expect("sealing") {
            return;
        }
    }
}

pub(super) fn seal_all(store: &Store, now: i64) {
    seal_slices(&mut store.sealer(), now, 100_000);
}

pub(super) fn narrow_frames(store: &Store, columns: &[u32], level: Level) -> Vec<Frame> {
    let selection = Selection::Columns(columns.into());
    let frames = store.frames_of(
        &"a".into(),
        selection,
        level,
        TimestampMs(i64::MIN),
        TimestampMs(i64::MAX),
    );
    let frames = frames.expect("frames");
    frames.collect::<Result<_, _>>().expect("whole ticks")
}

pub(super) fn narrowed(frame: &Frame, columns: &[u32]) -> Frame {
    let width = frame.cells().len() as u32;
    let had = columns.iter().take_while(|column| **column < width);
    Frame::new(frame.at, had.map(|column| frame.cell(*column)).collect())
}

/// Of each minute the time of its last tick, and each column's newest reading.
pub(super) fn rolled(frames: &[Frame], resolution_ms: i64) -> Vec<Frame> {
    let bucket = |frame: &Frame| frame.at.0.div_euclid(resolution_ms);
    let of_bucket = |frames: &[Frame]| {
        let last = frames.last().expect("a bucket has a tick");
        let newest = |column| {
            let mut cells = frames.iter().rev().map(|frame| frame.cell(column));
            cells
                .find(|cell| *cell != Cell::ABSENT)
                .unwrap_or(Cell::ABSENT)
        };
        Frame::new(
            last.at,
            (0..last.cells().len() as u32).map(newest).collect(),
        )
    };
    frames
        .chunk_by(|one, next| bucket(one) == bucket(next))
        .map(of_bucket)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_sealed_reads_like_what_is_not(
        steps in prop::collection::vec(step(), 1..24),
        ranges in prop::collection::vec((-100_i64..1100, -100_i64..1100), 8),
    ) {
        let disk = Disk::default();
        let (mut writer, mut store) = disk.open().expect("store");
        let mut sealer = store.sealer();
        let mut recorded: BTreeMap<&str, Vec<Frame>> = BTreeMap::new();
        let mut now = 5 * HOUR_MS;
        let began = now;
        for step in steps {
            match step {
                Step::Record { cluster, ticks, pace_s, partitions } => {
                    for _ in 0..ticks {
                        now += pace_s * 1000;
                        let frame = record(&mut writer, &tick(cluster, now, partitions));
                        recorded.entry(cluster).or_default().push(frame.expect("record"));
                    }
                }
                Step::Seal { slices } => seal_slices(&mut sealer, now, slices.into()),
                Step::Reopen => {
                    drop((writer, store, sealer));
                    (writer, store) = disk.open().expect("store");
                    sealer = store.sealer();
                }
            }
        }
        for (cluster, expected) in &recorded {
            prop_assert_eq!(&all_frames(&store, cluster), expected);
            let span = store.span(&(*cluster).into()).expect("span").expect("ticks");
            prop_assert_eq!(span, (expected[0].at, expected[expected.len() - 1].at));
            for (from, to) in &ranges {
                let of = |permille: &i64| began + (now - began) * permille / 1000;
                let found = frames(&store, cluster, of(from), of(to));
                let wanted = |frame: &&Frame| (of(from)..=of(to)).contains(&frame.at.0);
                let expected: Vec<_> = expected.iter().filter(wanted).cloned().collect();
                prop_assert_eq!(found, expected);
            }
        }
        if let Some(expected) = recorded.get("a") {
            let columns = [0, 3, 4, 7];
            let expected: Vec<_> = expected.iter().map(|frame| narrowed(frame, &columns)).collect();
            prop_assert_eq!(narrow_frames(&store, &columns, Level::Raw), expected);
        }
    }

    #[test]
    fn a_coarser_level_is_what_is_computed_from_raw(
        runs in prop::collection::vec(
            (1_u8..200, prop::sample::select(vec![7_i64, 10, 60, 400, 4_000]), 0_usize..4), 1..12,
        ),
    ) {
        let disk = Disk::default();
        let (mut writer, store) = disk.open().expect("store");
        let (mut now, mut recorded) = (22 * HOUR_MS, Vec::new());
        for (ticks, pace_s, partitions) in runs {
            for _ in 0..ticks {
                now += pace_s * 1000;
                let frame = record(&mut writer, &tick("a", now, partitions));
                recorded.push(frame.expect("record"));
            }
        }
        seal_all(&store, now);
        let head = store.files.head_segment(0, i64::MIN).expect("head").expect("segments");
        let (sealed, rest): (Vec<_>, Vec<_>) =
            recorded.into_iter().partition(|frame| frame.at.0 < head.first);
        let columns: Vec<u32> = (0..12).collect();
        let read = |level| narrow_frames(&store, &columns, level);
        let minutes: Vec<_> = rolled(&sealed, MINUTE_MS).into_iter().chain(rest.clone()).collect();
        prop_assert_eq!(read(Level::Minutes), minutes);

        // The hours of days that are over, then minutes, then the head.
        let hours = read(Level::Hours);
        let with_hours = store.files.history.read(|history| {
            history::newest_chunk(history, Level::Hours, 0)
        });
        let end = with_hours.expect("history").map_or(i64::MIN, |(_, header)| header.last());
        let (of_days, later): (Vec<_>, Vec<_>) =
            sealed.into_iter().partition(|frame| frame.at.0 <= end);
        let expected: Vec<_> = rolled(&of_days, HOUR_MS)
            .into_iter()
            .chain(rolled(&later, MINUTE_MS))
            .chain(rest)
            .collect();
        prop_assert_eq!(hours, expected);
    }
}

#[test]
fn the_head_is_cut_when_its_ticks_are_sealed() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let ticks = |hours: std::ops::Range<i64>| hours.start * 360..hours.end * 360;
    for number in ticks(0..5) {
        record(&mut writer, &tick("a", number * 10_000, 3)).expect("record");
    }
    seal_all(&store, 5 * HOUR_MS);
    let oldest = store.files.head_segment(0, i64::MIN).expect("head");
    assert_eq!(oldest.expect("a segment").first, 4 * HOUR_MS);
    assert_eq!(all_frames(&store, "a").len(), 5 * 360);
}

#[test]
fn a_lost_head_gets_its_columns_back_from_history() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    for number in 0..1_000 {
        record(&mut writer, &tick("a", number * 10_000, 3)).expect("record");
    }
    seal_all(&store, 4 * HOUR_MS);
    let index = store.index(&"a".into()).expect("index").expect("ticks");
    let sealed = all_frames(&store, "a");
    drop((writer, store));

    let disk = disk.without_head();
    let (mut writer, store) = disk.open().expect("store");
    let found = store
        .index(&"a".into())
        .expect("index")
        .expect("from history");
    assert_eq!(found, index);
    let kept = all_frames(&store, "a");
    assert_eq!(kept, sealed[..720], "what was sealed");
    let next = record(&mut writer, &tick("a", 10_000_000, 5)).expect("record");
    assert_eq!(all_frames(&store, "a").last(), Some(&next));
}

#[test]
fn one_who_asks_for_packed_ticks_of_a_running_process_gets_them() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let mut sealer = store.sealer();
    let mut recorded = Vec::new();
    for number in 0..400 {
        let frame = record(&mut writer, &tick("a", number * 1_000, 3)).expect("record");
        recorded.push(frame);
        seal_slices(&mut sealer, number * 1_000, 1);
        if number % 37 == 0 {
            assert_eq!(all_frames(&store, "a"), recorded);
        }
    }
    let packed = store.files.recent.get(0, 0);
    assert!(
        matches!(packed, Some(recent::Segment::Packed(_))),
        "{packed:?}"
    );
    let narrow: Arc<[u32]> = [1, 2].into();
    let expected: Vec<_> = recorded
        .iter()
        .map(|frame| narrowed(frame, &narrow))
        .collect();
    assert_eq!(narrow_frames(&store, &narrow, Level::Raw), expected);
}
