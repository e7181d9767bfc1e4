use std::{sync::Arc, time::Duration};

use super::{
    super::{
        GroupEstimate, PartitionVerdict,
        eta::Eta,
        sample::testing::{PARAMETERS, at},
        window::Reach,
    },
    *,
};
use crate::model::{
    Commit, GroupReading, GroupTopicReading, PartitionReading, QueueReading, SeriesIndex, Tick,
    TopicReading, TopicState,
};

/// When, what has come and gone by then, and what the queue says beside that.
type Row = (i64, i64, i64, QueueReading);

const NOTHING_ELSE: QueueReading = QueueReading {
    oldest_age_ms: None,
    added: None,
    done: None,
};

fn tick(&(seconds, come, gone, queue): &Row) -> Tick {
    let log = PartitionReading {
        log_start_offset: Some(0),
        log_end_offset: Some(come),
    };
    Tick {
        cluster: "work".into(),
        at: at(seconds),
        topics: vec![TopicReading {
            topic: "ingest".into(),
            id: None,
            state: TopicState::Present(vec![log]),
        }],
        groups: vec![GroupReading {
            group: "ingest".into(),
            membership: None,
            topics: vec![GroupTopicReading {
                topic: "ingest".into(),
                commits: vec![Commit::At(gone)],
            }],
            queue: Some(queue),
        }],
        gaps: Vec::new(),
    }
}

fn window(rows: &[Row]) -> Window {
    let ticks: Vec<_> = rows.iter().map(tick).collect();
    window_of(&ticks)
}

fn window_of(ticks: &[Tick]) -> Window {
    let mut index = SeriesIndex::default();
    for tick in ticks {
        for run in index.missing_runs(tick) {
            index.restore(&run).expect("a run just made fits");
        }
    }
    let index = Arc::new(index);
    let mut window = Window::new(Reach::all(Duration::from_secs(3_600)));
    for tick in ticks {
        window.push(Arc::clone(&index), Arc::new(index.place(tick)));
    }
    window
}

fn estimate_at(rows: &[Row], now: i64) -> GroupEstimate {
    let window = window(rows);
    let found = window.estimate_group("ingest", Wanted::SHOWN, &PARAMETERS, at(now));
    found.expect("it was read")
}

fn estimate(rows: &[Row]) -> GroupEstimate {
    estimate_at(rows, rows.last().expect("a row").0)
}

fn aged(seconds: i64) -> QueueReading {
    QueueReading {
        oldest_age_ms: Some(seconds * 1000),
        ..NOTHING_ELSE
    }
}

#[test]
fn the_time_lag_is_the_age_that_was_recorded() {
    let rows = [(0, 100, 50, aged(7)), (10, 200, 60, aged(600))];
    let found = estimate(&rows).totals.time_lag;
    let exact = |seconds| {
        Some(TimeLag {
            seconds,
            at_least: false,
        })
    };
    assert_eq!(found, exact(600.0));
    // Of a reading that gets old it is told as of that reading.
    assert_eq!(estimate_at(&rows, 200).totals.time_lag, exact(600.0));
    // A clock that is ahead makes nothing negative.
    assert_eq!(estimate(&[(0, 2, 1, aged(-5))]).totals.time_lag, exact(0.0));
}

#[test]
fn without_an_age_the_time_lag_is_interpolated() {
    let rows = [
        (0, 0, 0, NOTHING_ELSE),
        (10, 100, 0, NOTHING_ELSE),
        (20, 200, 100, aged(1)),
    ];
    let found = estimate(&rows[..2]).totals.time_lag.expect("known");
    assert!((found.seconds - 9.95).abs() < 1e-9, "{found:?}");
    assert_eq!(
        estimate(&rows).totals.time_lag.map(|it| it.seconds),
        Some(1.0)
    );
}

#[test]
fn in_an_empty_queue_nothing_waits() {
    let found = estimate(&[(0, 10, 0, aged(3)), (10, 10, 10, aged(900))]);
    assert_eq!(found.depth(), Some(0));
    assert_eq!(found.totals.time_lag.map(|it| it.seconds), Some(0.0));
    assert_eq!(found.totals.eta(), Some(Eta::In(0.0)));
}

#[test]
fn a_task_that_is_gone_has_no_depth() {
    let mut gone = tick(&(10, 10, 0, NOTHING_ELSE));
    gone.topics[0].state = TopicState::Missing;
    let window = window_of(&[tick(&(0, 10, 0, NOTHING_ELSE)), gone]);
    let found = window.estimate_group("ingest", Wanted::SHOWN, &PARAMETERS, at(10));
    let found = found.expect("it was read");
    assert_eq!((found.depth(), found.rates_from()), (None, None));
}

#[test]
fn all_of_the_depth_is_yet_to_be_done() {
    // Each reading sees 100 items go: of a group of Kafka's they could be those
    // of the lag, read and not committed yet.
    let rows: Vec<_> = (0..6)
        .map(|n| (n * 10, 600, n * 100, NOTHING_ELSE))
        .collect();
    let found = estimate(&rows).totals;
    assert_eq!(
        (found.lag, found.uncommitted_records),
        (Some(100), Some(0.0))
    );
    assert_eq!(found.eta(), Some(Eta::In(10.0)));
    assert_eq!(found.lost_records, None);
}

#[test]
fn it_says_what_the_rates_are_made_of() {
    let counted = |added, done| QueueReading {
        added,
        done,
        ..NOTHING_ELSE
    };
    for (queue, expected) in [
        (NOTHING_ELSE, RatesFrom::Depth),
        (aged(3), RatesFrom::Depth),
        (counted(Some(7), None), RatesFrom::Counters),
        (counted(None, Some(0)), RatesFrom::Counters),
    ] {
        let rows = [(0, 5, 1, counted(Some(1), Some(1))), (10, 5, 1, queue)];
        let found = estimate(&rows);
        assert_eq!(found.rates_from(), Some(expected), "{queue:?}");
        let task = found.task.expect("a task");
        assert_eq!((task.added, task.done), (queue.added, queue.done));
    }
    let too_old = estimate_at(&[(0, 5, 1, counted(Some(7), None))], 400);
    assert_eq!((too_old.rates_from(), too_old.depth()), (None, None));
    assert_eq!(too_old.task, Some(TaskEstimate::default()));
}

#[test]
fn who_only_sees_the_depth_does_not_say_that_work_has_stopped() {
    let verdict = |queue: fn(i64) -> QueueReading, depth: fn(i64) -> i64| {
        let rows: Vec<_> = (0..60).map(|n| (n * 10, depth(n), 0, queue(n))).collect();
        let window = window(&rows);
        let status = window
            .status("ingest", &PARAMETERS, at(590))
            .expect("known");
        status.partition_verdict(&"ingest".into(), 0)
    };
    let by_depth = |_| NOTHING_ELSE;
    let counted = |_| QueueReading {
        done: Some(7),
        ..NOTHING_ELSE
    };
    for depth in [|_| 5, |n| 5 + n] as [fn(i64) -> i64; 2] {
        assert_eq!(verdict(by_depth, depth), Some(PartitionVerdict::Warn));
        assert_eq!(verdict(counted, depth), Some(PartitionVerdict::Stop));
    }
    assert_eq!(verdict(by_depth, |_| 0), Some(PartitionVerdict::Ok));
}
