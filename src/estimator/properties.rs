//! Whatever the ticks hold, what is told equals the slow reference; and what
//! must hold of it always.

use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*};

use crate::model::{
    Cell, Frame, Partition, SeriesIndex, SeriesKind, SeriesRun, TimestampMs, TopicName,
};

use super::{
    backlog::BacklogTerms,
    partition::{PartitionStanding, Wanted},
    reference,
    sample::{Parameters, Sample, testing},
    window::{Reach, Window},
};

/// Numbers that look random, by a seed.
struct Dice(u64);

impl Dice {
    /// From 0 to `sides - 1`. SplitMix64, by Steele, Lea and Flood.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn number(&mut self, sides: u64) -> i64 {
        i64::try_from(self.roll(sides)).expect("few sides")
    }
}

/// One series, as the ticks go by.
struct Counter {
    value: i64,
    /// How many in a hundred ticks are as they should be.
    calm: u64,
}

impl Counter {
    fn next(&mut self, dice: &mut Dice) -> Cell {
        if dice.roll(100) < self.calm {
            self.value = self.value.saturating_add(dice.number(3) * dice.number(40));
            return Cell::of(self.value);
        }
        match dice.roll(8) {
            0 => return Cell::NO_COMMIT,
            1 => return Cell::GONE,
            2 => self.value = dice.number(200),
            3 if dice.roll(10) == 0 => self.value = [i64::MIN, i64::MAX][dice.roll(2) as usize],
            _ => return Cell::ABSENT,
        }
        Cell::of(self.value)
    }
}

/// Ticks of groups `g` and `h` in topics `t` and `u` and of the task `q`, to which
/// partitions are added from time to time.
#[derive(Debug)]
struct Recorded {
    index: Arc<SeriesIndex>,
    frames: Vec<Arc<Frame>>,
}

const SERIES: [(SeriesKind, Option<&str>, Option<&str>); 14] = [
    (SeriesKind::LogEndOffset, None, Some("t")),
    (SeriesKind::CommittedOffset, Some("g"), Some("t")),
    (SeriesKind::TopicId, None, Some("t")),
    (SeriesKind::LogStartOffset, None, Some("t")),
    (SeriesKind::CommittedOffset, Some("h"), Some("t")),
    (SeriesKind::LogEndOffset, None, Some("u")),
    (SeriesKind::LogStartOffset, None, Some("u")),
    (SeriesKind::CommittedOffset, Some("g"), Some("u")),
    (SeriesKind::OldestAge, Some("q"), None),
    (SeriesKind::Added, Some("q"), None),
    (SeriesKind::Done, Some("q"), None),
    (SeriesKind::LogEndOffset, None, Some("q")),
    (SeriesKind::LogStartOffset, None, Some("q")),
    (SeriesKind::CommittedOffset, Some("q"), Some("q")),
];

fn recorded(seed: u64, ticks: usize, calm: u64) -> Recorded {
    let mut dice = Dice(seed);
    let mut index = SeriesIndex::default();
    let mut placed = [0_u32; SERIES.len()];
    let (mut counters, mut frames) = (Vec::new(), Vec::new());
    let mut at = dice.number(100_000);
    for tick in 0..ticks {
        if tick == 0 || dice.roll(8) == 0 {
            add_partitions(&mut dice, &mut index, &mut placed);
        }
        counters.resize_with(index.width() as usize, || Counter {
            value: dice.number(200),
            calm,
        });
        let mut cells: Vec<_> = counters.iter_mut().map(|it| it.next(&mut dice)).collect();
        if dice.roll(20) == 0 {
            cells.truncate(dice.roll(cells.len() as u64 + 1) as usize);
        }
        at += 1 + dice.number(20_000);
        frames.push(Arc::new(Frame::new(TimestampMs(at), cells)));
    }
    let index = Arc::new(index);
    Recorded { index, frames }
}

/// Of some series, so that commits and logs don't reach equally far.
fn add_partitions(dice: &mut Dice, index: &mut SeriesIndex, placed: &mut [u32]) {
    for ((kind, group, topic), placed) in SERIES.iter().zip(placed) {
        let count = match dice.roll(6) {
            0 => 0,
            1 if *placed == 0 => 140,
            few => u32::try_from(few).expect("few"),
        };
        let count = match kind {
            SeriesKind::TopicId | SeriesKind::OldestAge | SeriesKind::Added | SeriesKind::Done => {
                1 - *placed
            }
            _ => count,
        };
        let run = SeriesRun {
            base: index.width(),
            count,
            kind: *kind,
            group: group.map(Into::into),
            topic: topic.map(Into::into),
            watch: None,
            first_partition: Partition::try_from(*placed).expect("few"),
        };
        index.restore(&run).expect("runs follow each other");
        *placed += count;
    }
}

impl Recorded {
    fn window(&self, dense: Duration, span: Duration) -> Window {
        let mut window = Window::new(Reach { dense, span });
        self.push_into(&mut window, 0..self.frames.len());
        window
    }

    fn push_into(&self, window: &mut Window, ticks: std::ops::Range<usize>) {
        for frame in &self.frames[ticks] {
            window.push(Arc::clone(&self.index), Arc::clone(frame));
        }
    }
}

type Standings = Vec<(Partition, PartitionStanding)>;

fn standings(
    window: &Window,
    group: &str,
    topic: &TopicName,
    wanted: Wanted,
    parameters: &Parameters,
    now: TimestampMs,
) -> Standings {
    let mut standings = Vec::new();
    window.each_standing(group, topic, wanted, parameters, now, |partition, found| {
        standings.push((partition, found));
    });
    standings
}

fn wanted() -> impl Strategy<Value = Wanted> {
    any::<[bool; 4]>().prop_map(|[rates, time_lag, mean_lag, unmoved]| Wanted {
        rates,
        time_lag,
        mean_lag,
        unmoved,
    })
}

fn parameters() -> impl Strategy<Value = Parameters> {
    (0..600_u64, 0..60_u64, 0..600_u64).prop_map(|(window_s, fresh_s, stale_s)| Parameters {
        window: Duration::from_secs(window_s),
        fresh_for: Duration::from_secs(fresh_s),
        max_staleness: Duration::from_secs(stale_s),
    })
}

fn seconds(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

fn recordings() -> impl Strategy<Value = Recorded> {
    let calm = prop_oneof![0..100_u64, 90..100_u64, Just(100)];
    (any::<u64>(), 1..50_usize, calm).prop_map(|(seed, ticks, calm)| recorded(seed, ticks, calm))
}

fn times(window: &Window) -> Vec<TimestampMs> {
    window.frames().map(|frame| frame.at).collect()
}

fn backlog(window: &Window, span: Duration, now: TimestampMs) -> BacklogTerms {
    let mut terms = BacklogTerms::default();
    window.add_backlog("g", None, span, now, &mut terms);
    terms
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_told_equals_the_slow_reference(
        recorded in recordings(),
        dense in seconds(0..400),
        span in seconds(0..800),
        wanted in wanted(),
        parameters in parameters(),
        later_ms in -100_000..700_000_i64,
    ) {
        let window = recorded.window(dense, span);
        let now = TimestampMs(window.as_of().expect("ticks").0 + later_ms);
        let places = [("g", "t"), ("h", "t"), ("g", "u"), ("h", "u"), ("q", "q"), ("i", "t")];
        for (group, topic) in places {
            let topic = topic.into();
            let found = standings(&window, group, &topic, wanted, &parameters, now);
            let expected = reference::standings(&window, group, &topic, wanted, &parameters, now);
            prop_assert_eq!(found, expected);
        }
        let task = window.estimate_group("q", wanted, &parameters, now);
        prop_assert_eq!(task.map(|it| (it.task, it.totals.as_of)), reference::task(&window, "q", &parameters, now));
        for topic in [None, Some("t".into()), Some("x".into())] {
            let mut terms = BacklogTerms::default();
            let topic: Option<&TopicName> = topic.as_ref();
            window.add_backlog("g", topic, parameters.window, now, &mut terms);
            let expected = reference::backlog(&window, "g", topic, parameters.window, now);
            prop_assert_eq!(terms, expected);
        }
    }

    #[test]
    fn a_restart_in_the_middle_changes_nothing(
        recorded in recordings(),
        dense in seconds(1..300),
        span in seconds(0..800),
        parameters in parameters(),
        stop in 0..50_usize,
    ) {
        let stop = stop.min(recorded.frames.len() - 1);
        let live = recorded.window(dense, span);
        let mut before = Window::new(Reach { dense, span });
        recorded.push_into(&mut before, 0..stop + 1);
        let oldest = before.frames().next().expect("a tick").at;
        let first = recorded.frames.partition_point(|frame| frame.at < oldest);
        let mut rebuilt = Window::new(Reach { dense, span });
        recorded.push_into(&mut rebuilt, first..stop + 1);
        prop_assert_eq!(times(&rebuilt), times(&before));
        recorded.push_into(&mut rebuilt, stop + 1..recorded.frames.len());
        prop_assert_eq!(times(&rebuilt), times(&live));

        let (now, topic) = (live.as_of().expect("ticks"), "t".into());
        let judged = |window| standings(window, "g", &topic, Wanted::SHOWN, &parameters, now);
        prop_assert_eq!(judged(&rebuilt), judged(&live));
        let backlog = |window| backlog(window, parameters.window, now);
        prop_assert_eq!(backlog(&rebuilt), backlog(&live));
    }

    #[test]
    fn older_ticks_that_are_read_later_make_the_longer_window(
        recorded in recordings(),
        dense in seconds(1..300),
        short in seconds(0..300),
        more in seconds(0..600),
        read in 0..50_usize,
    ) {
        let long = short + more;
        let mut always = recorded.window(dense, long);
        let window = recorded.window(dense, short);
        // What is read ends at a tick that the window holds, or its newest.
        let oldest = window.frames().next().expect("a tick").at;
        let first = recorded.frames.partition_point(|frame| frame.at < oldest);
        let read = (first + read).min(recorded.frames.len());
        let mut earlier = Window::new(Reach { dense, span: long });
        recorded.push_into(&mut earlier, 0..read);
        let mut extended = window.after(earlier);
        prop_assert_eq!(times(&extended), times(&always));
        for after_s in [1, 30, 90] {
            let at = always.as_of().expect("ticks").plus(Duration::from_secs(after_s));
            let frame = Arc::new(Frame::new(at, Vec::new()));
            extended.push(Arc::clone(&recorded.index), Arc::clone(&frame));
            always.push(Arc::clone(&recorded.index), frame);
            prop_assert_eq!(times(&extended), times(&always));
        }
    }

    #[test]
    fn a_window_until_a_time_is_the_one_that_was(
        recorded in recordings(),
        span in seconds(0..800),
        stop in 0..50_usize,
    ) {
        let stop = stop.min(recorded.frames.len() - 1);
        let mut then = Window::new(Reach::all(span));
        recorded.push_into(&mut then, 0..stop + 1);
        let at = then.as_of().expect("ticks");
        let now = recorded.window(span, span);
        let held: Vec<_> = times(&now).into_iter().filter(|held| *held <= at).collect();
        let until = now.until(at);
        prop_assert_eq!(times(&until), held.clone());
        prop_assert!(times(&then).ends_with(&held));
    }

    #[test]
    fn the_order_of_partitions_does_not_matter(
        recorded in recordings(),
        parameters in parameters(),
        wanted in wanted(),
    ) {
        // Each column by itself, in a window of the one partition.
        let span = Duration::from_secs(100_000);
        let window = recorded.window(span, span);
        let (now, topic) = (window.as_of().expect("ticks"), "t".into());
        let whole = standings(&window, "g", &topic, wanted, &parameters, now);
        for (partition, expected) in whole.iter().rev().take(20) {
            let alone = alone(&window, &topic, *partition);
            let found = standings(&alone, "g", &topic, wanted, &parameters, now);
            prop_assert_eq!(&found, &vec![(0, expected.clone())]);
        }
    }

    #[test]
    fn lag_is_within_the_log_and_more_records_never_lower_it(
        recorded in recordings(),
        parameters in parameters(),
        more in vec(0..1_000_i64, 8),
    ) {
        let span = Duration::from_secs(100_000);
        let window = recorded.window(span, span);
        let (now, topic) = (window.as_of().expect("ticks"), "t".into());
        let fuller = with_more_records(&recorded, &more).window(span, span);
        let judged = |window| standings(window, "g", &topic, Wanted::OFFSETS, &parameters, now);
        for ((_, before), (_, after)) in judged(&window).iter().zip(&judged(&fuller)) {
            let (PartitionStanding::Known(before), PartitionStanding::Known(after)) = (before, after) else {
                continue;
            };
            prop_assert!(before.lag.is_none_or(|lag| lag <= before.retained_records()));
            prop_assert_eq!(before.lag.is_some(), before.committed_offset.is_some());
            prop_assert!(after.lag >= before.lag);
        }
    }
}

fn alone(window: &Window, topic: &TopicName, partition: Partition) -> Window {
    let logs = &window.index().topics()[topic];
    let commits = &window.index().groups()["g"].topics[topic];
    let sample = |frame: &Frame| Sample {
        at: frame.at,
        committed: frame.optional_cell(commits.of(partition)),
        log_start: frame.optional_cell(logs.log_start.of(partition)),
        log_end: frame.optional_cell(logs.log_end.of(partition)),
        topic_id: frame.optional_cell(logs.id.single()),
    };
    let samples: Vec<_> = window.frames().map(sample).collect();
    testing::window_of(&samples)
}

/// The same ticks, but for more records at the ends of the logs in the last.
fn with_more_records(recorded: &Recorded, more: &[i64]) -> Recorded {
    let mut frames = recorded.frames.clone();
    if let Some(last) = frames.last_mut() {
        let mut cells = last.cells().to_vec();
        let ends = recorded.index.topics()["t"].log_end.iter();
        for (column, more) in ends.zip(more.iter().cycle()) {
            if let Some(cell) = cells.get_mut(column as usize)
                && let Some(end) = cell.value()
            {
                *cell = Cell::of(end.saturating_add(*more));
            }
        }
        *last = Arc::new(Frame::new(last.at, cells));
    }
    Recorded {
        index: Arc::clone(&recorded.index),
        frames,
    }
}
