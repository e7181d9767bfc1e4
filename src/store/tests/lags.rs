//! Lags with their extremes, at each level, are those of the ticks as they were
//! recorded.

use std::sync::Arc;

use super::{
    sealing::{HOUR_MS, MINUTE_MS, seal_all},
    *,
};
use crate::{model::SeriesIndex, store::sealer::CHUNK_MS};

const DAY_MS: i64 = 24 * HOUR_MS;

/// Numbers without a pattern, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A topic's partitions, and what two groups have committed in them.
#[derive(Default)]
struct Log {
    start: i64,
    end: i64,
    commits: [Option<i64>; 2],
}

impl Log {
    fn go_on(&mut self, dice: &mut Dice) {
        self.end += dice.below(50) as i64;
        if dice.once_in(9) {
            self.start = self.end - dice.below(1 + self.end as u64) as i64;
        }
        for commit in &mut self.commits {
            match dice.below(30) {
                // Reset, back or forward, or never made.
                0 => *commit = Some(dice.below(1 + self.end as u64) as i64),
                1 => *commit = None,
                2..8 => *commit = Some(self.end),
                _ => {}
            }
        }
    }

    fn reading(&self, dice: &mut Dice) -> PartitionReading {
        PartitionReading {
            log_start_offset: (!dice.once_in(3)).then_some(self.start),
            log_end_offset: (!dice.once_in(12)).then_some(self.end),
        }
    }

    fn commit(&self, group: usize, dice: &mut Dice) -> Commit {
        match self.commits[group] {
            _ if dice.once_in(12) => Commit::Unread,
            Some(offset) => Commit::At(offset),
            None => Commit::None,
        }
    }
}

/// Two topics and two groups that live through all that topics and groups do.
struct World {
    dice: Dice,
    topics: [Vec<Log>; 2],
    /// Columns are there from the first tick on.
    has_begun: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let logs = |count| std::iter::repeat_with(Log::default).take(count).collect();
        Self {
            dice: Dice(seed),
            topics: [logs(2), logs(1)],
            has_begun: false,
        }
    }

    fn tick(&mut self, at: i64) -> Tick {
        let topics = [0, 1].map(|topic| self.topic(topic));
        let groups = [0, 1].map(|group| self.group(group));
        self.has_begun = true;
        Tick {
            cluster: "a".into(),
            at: TimestampMs(at),
            topics: topics.into_iter().flatten().collect(),
            groups: groups.into_iter().flatten().collect(),
            gaps: Vec::new(),
        }
    }

    /// `None`: it is not read.
    fn topic(&mut self, number: usize) -> Option<TopicReading> {
        let (dice, logs) = (&mut self.dice, &mut self.topics[number]);
        logs.iter_mut().for_each(|log| log.go_on(dice));
        let mut state = || match dice.below(60) {
            0..4 if self.has_begun => None,
            // Deleted, and made again, perhaps smaller.
            4 if self.has_begun => {
                logs.truncate(1 + dice.below(3) as usize);
                logs.iter_mut().for_each(|log| *log = Log::default());
                Some(TopicState::Missing)
            }
            5 if logs.len() < 4 => {
                logs.push(Log::default());
                Some(TopicState::Present(
                    logs.iter().map(|log| log.reading(dice)).collect(),
                ))
            }
            _ => Some(TopicState::Present(
                logs.iter().map(|log| log.reading(dice)).collect(),
            )),
        };
        let state = state()?;
        Some(TopicReading {
            topic: ["t", "u"][number].into(),
            id: None,
            state,
        })
    }

    fn group(&mut self, number: usize) -> Option<GroupReading> {
        if self.has_begun && self.dice.once_in(15) {
            return None;
        }
        let mut topics = Vec::new();
        for (name, logs) in ["t", "u"].into_iter().zip(&self.topics) {
            // It leaves a topic now and then.
            if self.has_begun && self.dice.once_in(20) {
                continue;
            }
            let commits = logs.iter().map(|log| log.commit(number, &mut self.dice));
            topics.push(GroupTopicReading {
                topic: name.into(),
                commits: commits.collect(),
            });
        }
        Some(GroupReading {
            group: ["g", "h"][number].into(),
            membership: None,
            topics,
            queue: None,
        })
    }
}

/// Each group's partitions, and its topics.
fn all_items(index: &SeriesIndex) -> Vec<LagOf> {
    let mut items = Vec::new();
    for series in index.groups().values() {
        for (topic, commits) in &series.topics {
            let logs = &index.topics()[topic];
            let partitions = (0..).zip(commits.iter());
            let partitions = partitions.map(|(partition, committed)| OffsetColumns {
                committed,
                log_start: logs.log_start.of(partition),
                log_end: logs.log_end.of(partition),
            });
            let partitions: Vec<_> = partitions.collect();
            items.extend(partitions.iter().map(|columns| LagOf::Partition(*columns)));
            items.push(LagOf::Total(partitions));
        }
    }
    items
}

fn read(store: &Store, items: &[LagOf], level: Level, from: i64, to: i64) -> Vec<(i64, Vec<Lags>)> {
    let selection = Selection::Lags(Arc::new(LagSelection::new(items.to_vec())));
    let (from, to) = (TimestampMs(from), TimestampMs(to));
    let frames = store.frames_of(&"a".into(), selection, level, from, to);
    let lags = |frame: Frame| {
        let items = 0..items.len();
        (
            frame.at.0,
            items.map(|item| Lags::of(&frame, item)).collect(),
        )
    };
    let frames = frames.expect("frames");
    frames
        .map(|frame| lags(frame.expect("a whole tick")))
        .collect()
}

/// The newest cell that was read, or absent.
fn newest(mut cells: impl DoubleEndedIterator<Item = Cell>) -> Cell {
    let read = cells.rfind(|cell| *cell != Cell::ABSENT);
    read.unwrap_or(Cell::ABSENT)
}

/// The lag by its definition, once all three are as they are.
fn lag(committed: Cell, start: Cell, end: Cell) -> Cell {
    if committed == Cell::GONE || end == Cell::GONE {
        return Cell::GONE;
    }
    match (committed.value(), start.value(), end.value()) {
        (Some(committed), Some(start), Some(end)) => {
            Cell::of((end - committed.max(start.min(end))).max(0))
        }
        (None, Some(_), Some(_)) => committed,
        _ => Cell::ABSENT,
    }
}

/// The recorded ticks, and how lags follow from them.
struct Recorded<'a>(&'a [Frame]);

impl Recorded<'_> {
    /// What was read of `column` by the tick `end`, not before the `span` of
    /// time that it is in.
    fn newest_in_span(&self, column: u32, end: usize, span: i64) -> Cell {
        let span_of = |frame: &Frame| frame.at.0.div_euclid(span);
        let own = span_of(&self.0[end]);
        let of_span = self.0[..=end].iter().rev();
        let of_span = of_span.take_while(|frame| span_of(frame) == own);
        let cells: Vec<_> = of_span.map(|frame| frame.cell(column)).collect();
        newest(cells.into_iter().rev())
    }

    fn of_partition(&self, columns: &OffsetColumns, tick: usize) -> Cell {
        let frame = &self.0[tick];
        let start = columns.log_start.expect("read at the first tick");
        let end = columns.log_end.expect("read at the first tick");
        let start = self.newest_in_span(start, tick, CHUNK_MS);
        lag(frame.cell(columns.committed), start, frame.cell(end))
    }

    fn has(&self, columns: &OffsetColumns, tick: usize) -> bool {
        (columns.committed as usize) < self.0[tick].cells().len()
    }

    /// An unknown term makes the sum unknown; those that are gone are no terms.
    fn of_total(&self, partitions: &[OffsetColumns], tick: usize) -> Cell {
        let had = partitions.iter().filter(|columns| self.has(columns, tick));
        let lags: Vec<_> = had
            .map(|columns| self.of_partition(columns, tick))
            .collect();
        if lags.contains(&Cell::ABSENT) {
            return Cell::ABSENT;
        }
        let values: Vec<_> = lags.iter().filter_map(|lag| lag.value()).collect();
        match (values.is_empty(), lags.contains(&Cell::NO_COMMIT)) {
            (false, _) => Cell::of(values.into_iter().sum()),
            (true, true) => Cell::NO_COMMIT,
            (true, false) => Cell::GONE,
        }
    }

    fn at_tick(&self, item: &LagOf, tick: usize) -> Lags {
        let lag = match item {
            LagOf::Partition(columns) if !self.has(columns, tick) => Cell::GONE,
            LagOf::Partition(columns) => self.of_partition(columns, tick),
            LagOf::Total(partitions) => self.of_total(partitions, tick),
        };
        Lags {
            first: lag,
            min: lag,
            max: lag,
            newest: lag,
        }
    }

    /// Over the ticks of one bucket, which is in a chunk that is `chunk` long.
    fn over(&self, item: &LagOf, ticks: std::ops::Range<usize>, chunk: i64) -> Lags {
        let last = ticks.end - 1;
        let (lags, newest_lag): (Vec<_>, _) = match item {
            LagOf::Partition(columns) => {
                if !self.has(columns, last) {
                    return self.at_tick(item, last);
                }
                let of_bucket =
                    |column| newest(self.0[ticks.clone()].iter().map(|f| f.cell(column)));
                let start = self.newest_in_span(columns.log_start.expect("read"), last, chunk);
                let end = of_bucket(columns.log_end.expect("read"));
                let newest_lag = lag(of_bucket(columns.committed), start, end);
                let lags = ticks.map(|tick| self.of_partition(columns, tick));
                (lags.collect(), newest_lag)
            }
            LagOf::Total(partitions) => {
                let lags = ticks.map(|tick| self.of_total(partitions, tick));
                let lags: Vec<_> = lags.collect();
                (lags.clone(), newest(lags.into_iter()))
            }
        };
        let none = newest(lags.iter().copied());
        let values = || lags.iter().filter_map(|lag| lag.value());
        Lags {
            first: values().next().map_or(none, Cell::of),
            min: values().min().map_or(none, Cell::of),
            max: values().max().map_or(none, Cell::of),
            newest: newest_lag,
        }
    }

    fn ticks(&self, items: &[LagOf], ticks: std::ops::Range<usize>) -> Vec<(i64, Vec<Lags>)> {
        let row = |tick: usize| {
            let lags = items.iter().map(|item| self.at_tick(item, tick));
            (self.0[tick].at.0, lags.collect())
        };
        ticks.map(row).collect()
    }

    fn buckets(
        &self,
        items: &[LagOf],
        ticks: std::ops::Range<usize>,
        (bucket, chunk): (i64, i64),
    ) -> Vec<(i64, Vec<Lags>)> {
        let bucket_of = |tick: usize| self.0[tick].at.0.div_euclid(bucket);
        let mut rows = Vec::new();
        let mut begin = ticks.start;
        for tick in ticks.clone() {
            if tick + 1 == ticks.end || bucket_of(tick + 1) != bucket_of(tick) {
                let of_bucket = begin..tick + 1;
                let lags = items
                    .iter()
                    .map(|item| self.over(item, of_bucket.clone(), chunk));
                rows.push((self.0[tick].at.0, lags.collect()));
                begin = tick + 1;
            }
        }
        rows
    }

    fn until(&self, at: i64) -> usize {
        self.0.partition_point(|frame| frame.at.0 < at)
    }
}

/// When the head's oldest tick is, and the first one that is in no chunk of hours.
fn seams(store: &Store) -> (i64, i64) {
    let head = store.files.head_segment(0, i64::MIN).expect("head");
    let hours = store
        .files
        .history
        .read(|history| history::newest_chunk(history, Level::Hours, 0))
        .expect("history");
    let after_hours = hours.map_or(i64::MIN, |(_, header)| header.last() + 1);
    (head.expect("a segment").first, after_hours)
}

fn check(store: &Store, recorded: &Recorded<'_>, items: &[LagOf]) {
    let all = 0..recorded.0.len();
    let (head, after_hours) = seams(store);
    let (head, after_hours) = (recorded.until(head), recorded.until(after_hours));
    let everything = |level| read(store, items, level, i64::MIN, i64::MAX);

    let raw = recorded.ticks(items, all.clone());
    assert_eq!(everything(Level::Raw), raw);

    let minutes = (MINUTE_MS, CHUNK_MS);
    let rest = recorded.ticks(items, head..all.end);
    let mut expected = recorded.buckets(items, 0..head, minutes);
    expected.extend(rest.clone());
    assert_eq!(everything(Level::Minutes), expected);

    let mut expected = recorded.buckets(items, 0..after_hours, (HOUR_MS, DAY_MS));
    expected.extend(recorded.buckets(items, after_hours..head, minutes));
    expected.extend(rest);
    assert_eq!(everything(Level::Hours), expected);

    // From the start of any chunk's span on.
    let middle = recorded.0[all.end / 2].at.0;
    let from = middle.div_euclid(CHUNK_MS) * CHUNK_MS;
    let found = read(store, items, Level::Raw, from, middle);
    let wanted = |row: &&(i64, Vec<Lags>)| (from..=middle).contains(&row.0);
    assert_eq!(
        found,
        raw.iter().filter(wanted).cloned().collect::<Vec<_>>()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn extremes_at_each_level_are_those_of_the_recorded_ticks(
        seed in any::<u64>(),
        runs in prop::collection::vec(
            (1_u8..120, prop::sample::select(vec![7_i64, 10, 60, 400, 4_000]), any::<bool>()), 1..8,
        ),
    ) {
        let disk = Disk::default();
        let (mut writer, store) = disk.open().expect("store");
        let (mut now, mut recorded, mut world) = (22 * HOUR_MS, Vec::new(), World::new(seed));
        for (ticks, pace_s, is_sealed) in runs {
            for _ in 0..ticks {
                now += pace_s * 1000;
                recorded.push(record(&mut writer, &world.tick(now)).expect("record"));
            }
            if is_sealed {
                seal_all(&store, now);
            }
        }
        let items = all_items(&store.index(&"a".into()).expect("index").expect("ticks"));
        let recorded = Recorded(&recorded);
        check(&store, &recorded, &items);
        // What is in memory by then is read from the disk now.
        drop((writer, store));
        let (_writer, store) = disk.open().expect("store");
        check(&store, &recorded, &items);
        seal_all(&store, now);
        check(&store, &recorded, &items);
    }
}

#[test]
fn a_partition_that_came_after_a_chunk_takes_nothing_from_it() {
    let disk = Disk::default();
    let (mut writer, store) = disk.open().expect("store");
    let tick = |number: i64| {
        let partition = |end| PartitionReading {
            log_start_offset: Some(0),
            log_end_offset: Some(end),
        };
        let commits = [Commit::At(number), Commit::At(7)];
        // The group's columns end where its first partition does, until then.
        let count = if number < 800 { 1 } else { 2 };
        Tick {
            topics: vec![TopicReading {
                topic: "t".into(),
                id: None,
                state: TopicState::Present(vec![partition(3 * number), partition(100)]),
            }],
            groups: vec![GroupReading {
                group: "g".into(),
                membership: None,
                topics: vec![GroupTopicReading {
                    topic: "t".into(),
                    commits: commits[..count].to_vec(),
                }],
                queue: None,
            }],
            ..tick("a", number * 10_000, 0)
        }
    };
    let recorded = (0..1_000).map(|number| record(&mut writer, &tick(number)).expect("record"));
    let recorded: Vec<_> = recorded.collect();
    seal_all(&store, 3 * HOUR_MS);
    let items = all_items(&store.index(&"a".into()).expect("index").expect("ticks"));
    check(&store, &Recorded(&recorded), &items);
    let minutes = read(&store, &items, Level::Minutes, 0, MINUTE_MS - 1);
    let total = minutes[0].1.last().expect("the total");
    let [first, newest] = [0, 10].map(Cell::of);
    assert_eq!(
        (total.first, total.max, total.newest),
        (first, newest, newest)
    );
}
