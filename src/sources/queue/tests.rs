//! What any readings make of a queue's counts.

use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, option, prelude::*};

use crate::{
    estimator::{Reach, Window},
    model::{Commit, GroupId, QueueReading, SeriesIndex, Tick, TimestampMs, TopicState},
};

use super::{Ledger, MAX_TASKS, Task, counts::Counts};

const HOUR: Duration = Duration::from_hours(1);

fn task(name: &str, depth: i64, added: Option<i64>, done: Option<i64>) -> Task {
    Task {
        name: name.into(),
        depth,
        reading: QueueReading {
            oldest_age_ms: None,
            added,
            done,
        },
    }
}

fn counters() -> impl Strategy<Value = Option<i64>> {
    option::weighted(
        0.8,
        prop_oneof![9 => 0..200_i64, 1 => any::<i64>().prop_map(|it| it.max(0))],
    )
}

fn depths() -> impl Strategy<Value = i64> {
    prop_oneof![9 => 0..200_i64, 1 => any::<i64>().prop_map(|it| it.max(0))]
}

fn readings() -> impl Strategy<Value = Vec<Task>> {
    let reading = (depths(), counters(), counters());
    vec(
        reading.prop_map(|(depth, added, done)| task("t", depth, added, done)),
        1..40,
    )
}

/// `(come, gone)` from one reading to the next.
fn moved(before: &Task, now: &Task) -> (i64, i64) {
    let before = Counts::first(before);
    let now = before.next(now);
    (now.end - before.end, now.committed - before.committed)
}

#[test]
fn what_has_come_is_told_by_the_counter_that_there_is() {
    let with = |depth, added, done| task("t", depth, added, done);
    for (before, now, expected, why) in [
        (
            with(10, None, None),
            with(15, None, None),
            (5, 0),
            "the rise",
        ),
        (
            with(10, None, None),
            with(3, None, None),
            (0, 7),
            "the fall",
        ),
        (
            with(10, Some(50), None),
            with(8, Some(60), None),
            (10, 12),
            "what was added",
        ),
        (
            with(10, None, Some(50)),
            with(8, None, Some(62)),
            (10, 12),
            "what was done",
        ),
        (
            with(10, Some(50), Some(9)),
            with(8, Some(60), Some(9)),
            (10, 12),
            "added before done",
        ),
        (
            with(10, Some(50), None),
            with(14, Some(51), None),
            (4, 0),
            "rows that came back",
        ),
        (
            with(10, Some(50), None),
            with(12, Some(3), None),
            (2, 0),
            "a counter that went back",
        ),
        (
            with(10, Some(50), Some(7)),
            with(12, Some(3), Some(9)),
            (4, 2),
            "then the other",
        ),
        (
            with(10, Some(50), None),
            with(12, None, None),
            (2, 0),
            "a counter that is lost",
        ),
        (
            with(10, None, None),
            with(12, Some(99), None),
            (2, 0),
            "a counter that is new",
        ),
        (
            with(10, None, Some(5)),
            with(2, None, Some(6)),
            (0, 8),
            "rows that were deleted",
        ),
        (
            with(10, Some(50), None),
            with(0, None, None),
            (0, 10),
            "no row",
        ),
    ] {
        assert_eq!(moved(&before, &now), expected, "{why}");
    }
}

#[test]
fn what_came_while_there_was_no_row_is_told_by_the_counters_afterwards() {
    let with = |depth, added, done| task("t", depth, added, done);
    for (rows, expected, why) in [
        (
            [
                with(10, Some(50), None),
                with(0, None, None),
                with(3, Some(58), None),
            ],
            (18, 15),
            "8 were added",
        ),
        (
            [
                with(10, None, Some(50)),
                with(0, None, None),
                with(3, None, Some(65)),
            ],
            (18, 15),
            "15 were done",
        ),
        (
            [
                with(10, Some(50), None),
                with(4, None, None),
                with(9, Some(52), None),
            ],
            (15, 6),
            "the depth knows of more",
        ),
    ] {
        let counts = Counts::first(&rows[0]).next(&rows[1]).next(&rows[2]);
        assert_eq!((counts.end, counts.committed), expected, "{why}");
    }
}

proptest! {
    #[test]
    fn the_difference_is_always_the_depth_and_neither_count_falls(readings in readings()) {
        let mut counts = Counts::first(&readings[0]);
        for reading in &readings {
            let before = counts;
            counts = counts.next(reading);
            prop_assert_eq!(counts.end - counts.committed, reading.depth);
            prop_assert_eq!(counts.reading, reading.reading);
            let begun_anew = counts == Counts::first(reading);
            prop_assert!(begun_anew || counts.end >= before.end, "{:?} {:?}", before, counts);
            prop_assert!(begun_anew || counts.committed >= before.committed);
        }
    }

    #[test]
    fn small_counts_are_never_begun_anew(
        depths in vec(0..1_000_i64, 1..40),
        counters in vec(option::of(0..1_000_i64), 40),
    ) {
        let mut counts = Counts::first(&task("t", depths[0], None, None));
        for (depth, counter) in depths.iter().zip(&counters) {
            let before = counts;
            counts = counts.next(&task("t", *depth, *counter, None));
            prop_assert!(counts.end >= before.end && counts.committed >= before.committed);
        }
    }

    #[test]
    fn a_restart_in_between_changes_nothing(readings in readings(), at in 0..40_usize) {
        let (mut whole, mut restarted) = (Recorded::default(), Recorded::default());
        for (nth, reading) in readings.iter().enumerate() {
            if nth == at {
                restarted.gap();
                restarted.restart();
            }
            whole.take(std::slice::from_ref(reading), &[]);
            restarted.take(std::slice::from_ref(reading), &[]);
            prop_assert_eq!(whole.told(), restarted.told());
        }
    }
}

/// A ledger whose ticks are recorded, one a minute.
struct Recorded {
    ledger: Ledger,
    index: SeriesIndex,
    window: Window,
    now: TimestampMs,
}

impl Default for Recorded {
    fn default() -> Self {
        Self {
            ledger: Ledger::default(),
            index: SeriesIndex::default(),
            window: Window::new(Reach::all(100 * HOUR)),
            now: TimestampMs(1_000_000),
        }
    }
}

impl Recorded {
    fn take(&mut self, tasks: &[Task], watched: &[&str]) {
        self.pass(Duration::from_mins(1));
        let watched = watched.iter().map(|&name| GroupId::from(name));
        self.ledger.take(tasks, watched, self.now);
        self.record();
    }

    fn pass(&mut self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).expect("small");
        self.now = TimestampMs(self.now.0 + ms);
    }

    fn record(&mut self) {
        let (topics, groups) = self.ledger.readings();
        self.push(Tick {
            cluster: "work".into(),
            at: self.now,
            topics,
            groups,
            gaps: Vec::new(),
        });
    }

    /// A tick in which nothing could be read.
    fn gap(&mut self) {
        self.pass(Duration::from_secs(1));
        self.push(Tick {
            cluster: "work".into(),
            at: self.now,
            topics: Vec::new(),
            groups: Vec::new(),
            gaps: Vec::new(),
        });
        self.now = TimestampMs(self.now.0 - 1_000);
    }

    fn push(&mut self, tick: Tick) {
        for run in self.index.missing_runs(&tick) {
            self.index.restore(&run).expect("a run just made fits");
        }
        let frame = Arc::new(self.index.place(&tick));
        self.window.push(Arc::new(self.index.clone()), frame);
    }

    fn restart(&mut self) {
        self.ledger = Ledger::recorded(&self.window);
    }

    /// Each task with what has come and what has gone.
    fn told(&self) -> Vec<(String, i64, i64)> {
        let (topics, groups) = self.ledger.readings();
        let both = topics.iter().zip(&groups);
        both.map(|(topic, group)| {
            assert_eq!(topic.topic.as_str(), group.group.as_str());
            let TopicState::Present(partitions) = &topic.state else {
                panic!("a task is there");
            };
            let Commit::At(committed) = group.topics[0].commits[0] else {
                panic!("a task has a commit");
            };
            let end = partitions[0].log_end_offset.expect("it was read");
            (topic.topic.to_string(), end, committed)
        })
        .collect()
    }
}

fn told(expected: &[(&str, i64, i64)]) -> Vec<(String, i64, i64)> {
    let owned = |&(name, end, committed): &(&str, i64, i64)| (name.to_owned(), end, committed);
    expected.iter().map(owned).collect()
}

#[test]
fn no_row_is_depth_0_of_what_is_known_or_asked_for() {
    let mut recorded = Recorded::default();
    recorded.take(&[], &["asked"]);
    assert_eq!(recorded.told(), told(&[("asked", 0, 0)]));
    recorded.take(&[task("known", 5, None, None)], &[]);
    assert_eq!(recorded.told(), told(&[("asked", 0, 0), ("known", 5, 0)]));
    recorded.take(&[], &[]);
    assert_eq!(recorded.told(), told(&[("asked", 0, 0), ("known", 5, 5)]));
}

#[test]
fn a_task_is_forgotten_a_day_after_its_last_row_unless_it_is_asked_for() {
    let mut recorded = Recorded::default();
    recorded.take(&[task("a", 5, None, None), task("b", 1, None, None)], &[]);
    recorded.pass(23 * HOUR);
    recorded.take(&[], &["b"]);
    assert_eq!(recorded.told().len(), 2);
    recorded.pass(HOUR);
    recorded.take(&[], &["b"]);
    assert_eq!(recorded.told(), told(&[("b", 1, 1)]));
}

#[test]
fn names_that_never_come_back_fill_no_memory() {
    let mut recorded = Ledger::default();
    for round in 0..3 {
        let name = |nth| task(&format!("{round}-{nth}"), 1, None, None);
        let tasks: Vec<_> = (0..MAX_TASKS / 2 + 1).map(name).collect();
        recorded.take(&tasks, [], TimestampMs(round));
    }
    let (_, groups) = recorded.readings();
    assert_eq!(groups.len(), MAX_TASKS);
    let newest = groups
        .iter()
        .filter(|group| group.group.as_str().starts_with("2-"));
    assert_eq!(newest.count(), MAX_TASKS / 2 + 1);
}
