use std::time::Duration;

use proptest::{collection::vec, prelude::*};

use super::{
    super::{
        sample::{Sample, testing::*},
        window::{Reach, Window},
    },
    *,
};
use crate::model::{Cell, SeriesKind, TimestampMs};

use PartitionVerdict::{Ok as Fine, Rewind, Stall, Stop, Warn};

/// Committed offset and log end.
type Row = (i64, i64);

/// One tick each 10 s.
fn each_10_s(rows: &[Row]) -> Vec<Sample> {
    let ticks = (0..).map(|tick| tick * 10).zip(rows);
    let rows: Vec<_> = ticks.map(|(at, (c, e))| (at, *c, *e)).collect();
    samples(&rows)
}

/// As of the last sample.
fn status(samples: &[Sample]) -> PartitionStatus {
    let now = samples.last().expect("a sample").at;
    status_at(samples, now).expect("it is there")
}

fn status_at(samples: &[Sample], now: TimestampMs) -> Option<PartitionStatus> {
    PartitionStatus::of((&"t".into(), 0), samples, None, &PARAMETERS, now)
}

/// The group begins to commit 10 s before these.
fn begun(rows: &[Row]) -> Vec<Sample> {
    let mut begun = each_10_s(rows);
    let before = Sample {
        at: at(-10),
        committed: Cell::NO_COMMIT,
        ..begun[0]
    };
    begun.insert(0, before);
    begun
}

/// Ten commits of 100 records, 10 s apart, of a consumer that is 50 behind,
/// and so many ticks without one, while 100 records come in each.
fn ten_commits_and(silent_ticks: i64) -> Vec<Row> {
    let rows = 1..=10 + silent_ticks;
    rows.map(|n| (100 * n.min(10), 100 * n + 50)).collect()
}

#[test]
fn each_rule_by_example() {
    let with_lags = |lags: &[i64]| {
        let rows = (1..).zip(lags);
        rows.map(|(n, lag)| (100 * n, 100 * n + lag)).collect()
    };
    let growing = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
    let table: &[(&str, Vec<Row>, PartitionVerdict)] = &[
        ("no lag now", vec![(500, 500), (100, 100)], Fine),
        (
            "no lag now, though it went back",
            vec![(9, 9), (5, 5)],
            Fine,
        ),
        ("offsets stopped", ten_commits_and(10), Stop),
        ("not longer than ten commits take", ten_commits_and(9), Warn),
        (
            "offsets stopped, lag was zero a short while ago",
            [
                ten_commits_and(0),
                vec![(1_050, 1_050); 20],
                vec![(1_050, 1_060); 9],
            ]
            .concat(),
            Fine,
        ),
        (
            "and then for longer",
            [
                ten_commits_and(0),
                vec![(1_050, 1_050); 20],
                vec![(1_050, 1_060); 10],
            ]
            .concat(),
            Stop,
        ),
        (
            "rewind",
            vec![(10, 20), (20, 30), (5, 40), (15, 50)],
            Rewind,
        ),
        (
            "rewind, and no lag before",
            vec![(20, 20), (30, 30), (0, 40), (10, 50)],
            Rewind,
        ),
        (
            "rewind that was regained",
            vec![(10, 90), (20, 90), (5, 90), (20, 90)],
            Fine,
        ),
        (
            "a second rewind that was not",
            vec![(10, 90), (20, 90), (5, 90), (30, 90), (29, 90)],
            Rewind,
        ),
        (
            "lag is not always more than zero",
            with_lags(&[0, 10, 20, 30]),
            Fine,
        ),
        ("offsets stalled", vec![(10, 20); 10], Stall),
        ("too few readings for that", vec![(10, 20); 9], Fine),
        ("lag grows", with_lags(&growing), Warn),
        ("lag stays", with_lags(&[50; 10]), Warn),
        (
            "lag shrinks once",
            with_lags(&[10, 20, 30, 29, 40, 50]),
            Fine,
        ),
        ("one commit alone", vec![(10, 20)], Fine),
    ];
    for (case, rows, expected) in table {
        let status = status(&begun(rows));
        assert_eq!(
            status.verdict(),
            Some(*expected),
            "{case}: {}",
            status.finding
        );
    }
}

#[test]
fn the_evidence_is_the_ten_newest_commits() {
    let found = status(&begun(&ten_commits_and(2)));
    assert_eq!(found.commits.len(), MAX_COMMITS);
    assert!((found.complete() - 1.0).abs() < 1e-9);
    let commit = |offset: i64, seconds: i64| Commit {
        offset,
        made_after: Some(at(seconds - 10)),
        observed_at: at(seconds),
        lag: Some(50),
    };
    assert_eq!(found.start(), Some(&commit(100, 0)));
    assert_eq!(found.end(), Some(&commit(1_000, 90)));
    assert_eq!(found.current_lag, Some(250));

    let eleven: Vec<_> = (1..=11).map(|n| (100 * n, 2_000)).collect();
    assert_eq!(status(&begun(&eleven)).start().expect("one").offset, 200);
    let three = status(&begun(&[(1, 9), (2, 9), (3, 9)]));
    assert!((three.complete() - 0.3).abs() < 1e-9);
}

#[test]
fn what_was_there_before_has_a_bound_in_place_of_its_time() {
    let found = status(&each_10_s(&[(100, 180), (100, 190), (150, 200)]));
    let there_before = Commit {
        offset: 100,
        made_after: None,
        observed_at: at(0),
        lag: None,
    };
    assert_eq!(found.start(), Some(&there_before), "part of 80 may be new");
    assert_eq!(found.finding, Finding::TooFewCommits);
    let caught_up = status(&each_10_s(&[(100, 100), (100, 190), (150, 200)]));
    assert_eq!(caught_up.start().expect("one").lag, Some(0));
    assert_eq!(caught_up.finding, Finding::WasCaughtUp);
}

#[test]
fn a_commit_may_have_been_made_in_any_part_of_a_gap() {
    let mut rows = each_10_s(&[(1, 9), (1, 9), (1, 9), (2, 9)]);
    rows[1].committed = Cell::ABSENT;
    rows[2].committed = Cell::ABSENT;
    let found = status(&rows);
    let newest = found.end().expect("a commit");
    assert_eq!(
        (newest.made_after, newest.observed_at),
        (Some(at(0)), at(30))
    );
    rows[3].log_end = Cell::ABSENT;
    assert_eq!(status(&rows).end().expect("a commit").lag, None);
}

#[test]
fn a_window_without_a_commit_is_stop_only_when_it_is_whole() {
    let silent = |ticks: usize| status(&each_10_s(&vec![(10, 20); ticks])).verdict();
    assert_eq!(silent(9), Some(Fine));
    assert_eq!(silent(30), Some(Stall), "290 s of 300");
    assert_eq!(silent(31), Some(Stop));
}

/// What a window of 300 s holds at this time.
fn held(samples: &[Sample], until: usize) -> &[Sample] {
    &samples[until.saturating_sub(31)..=until]
}

#[test]
fn a_slow_committer_has_not_stopped() {
    for period in [20, 60, 110, 140, 200, 260] {
        let row = |tick: i64| (tick * 10 / period * 100, tick * 200);
        let rows = each_10_s(&(0..200).map(row).collect::<Vec<_>>());
        for until in 40..rows.len() {
            let found = status(held(&rows, until));
            let is_well = matches!(found.verdict(), Some(Fine | Warn));
            assert!(is_well, "{period} s, {until}: {}", found.finding);
        }
    }
}

#[test]
fn who_has_stopped_stays_so_while_its_commits_leave_the_window() {
    for period in [10, 20, 30, 60, 140] {
        let row = |tick: i64| ((tick.min(100) * 10 / period) * 100, tick * 200);
        let rows = each_10_s(&(0..200).map(row).collect::<Vec<_>>());
        let verdicts = (100..rows.len()).map(|until| status(held(&rows, until)).verdict());
        let verdicts: Vec<_> = verdicts.collect();
        let since = verdicts.iter().position(|one| *one == Some(Stop));
        let since = since.expect("it is noticed");
        assert!((9..=31).contains(&since), "{period} s: after {since} ticks");
        assert!(
            verdicts[since..].iter().all(|one| *one == Some(Stop)),
            "{period} s"
        );
    }
}

#[test]
fn a_topic_made_anew_and_commits_deleted_begin_another_list() {
    let mut rows = each_10_s(&[(900, 1_000), (950, 1_100), (7, 20), (9, 30)]);
    let found = status(&rows);
    assert_eq!(found.start().expect("one").offset, 7, "the log is another");
    assert_ne!(found.verdict(), Some(Rewind));
    rows[2].log_end = Cell::of(1_200);
    rows[3].log_end = Cell::of(1_300);
    assert_eq!(status(&rows).verdict(), Some(Rewind), "the log is the same");
    rows[1].committed = Cell::NO_COMMIT;
    let found = status(&rows);
    assert_eq!(found.start().expect("one").offset, 7);
    assert_eq!(found.start().expect("one").made_after, Some(at(10)));
}

#[test]
fn silence_counts_while_it_is_heard() {
    let mut rows = each_10_s(&ten_commits_and(20));
    rows.truncate(11);
    let then = status_at(&rows, at(290)).expect("there");
    assert_eq!(
        then.verdict(),
        Some(Warn),
        "read for 10 s after the last commit"
    );
    let unread = status_at(&rows, at(401)).expect("there");
    assert_eq!(
        unread.finding,
        Finding::Unread {
            since: Some(at(100))
        }
    );
    assert_eq!((unread.current_lag, unread.end()), (None, None));
    assert!(unread.complete() < 1.0);
}

#[test]
fn nothing_committed_is_known_to_be_well_only_where_nothing_waits() {
    let mut rows = each_10_s(&[(0, 20)]);
    rows[0].committed = Cell::NO_COMMIT;
    assert_eq!(status(&rows).finding, Finding::NothingCommitted);
    assert_eq!(status(&rows).verdict(), None);
    rows[0].log_end = Cell::of(0);
    assert_eq!(status(&rows).finding, Finding::NothingToRead);
    rows[0].log_end = Cell::GONE;
    assert_eq!(status_at(&rows, at(0)), None);
}

/// Of `g` in two partitions of `t`: log starts, log ends, commits and state.
fn window_of(ticks: &[[Cell; 7]]) -> Window {
    let kinds = [
        (SeriesKind::LogStartOffset, 2),
        (SeriesKind::LogEndOffset, 2),
        (SeriesKind::CommittedOffset, 2),
        (SeriesKind::State, 1),
    ];
    window_of_rows(&kinds, ticks)
}

fn group_of(ticks: &[[Cell; 7]]) -> GroupStatus {
    let window = window_of(ticks);
    let now = window.as_of().expect("ticks");
    window.status("g", &PARAMETERS, now).expect("known")
}

/// Log starts 0.
fn cells(ends: [Cell; 2], commits: [Cell; 2], state: Cell) -> [Cell; 7] {
    let zero = Cell::of(0);
    [zero, zero, ends[0], ends[1], commits[0], commits[1], state]
}

#[test]
fn a_group_is_the_worst_of_its_partitions() {
    let tick = |n: i64| {
        let ends = [Cell::of(10 * n), Cell::of(100 + 20 * n)];
        cells(ends, [Cell::of(10 * n), Cell::of(10 * n)], Cell::of(3))
    };
    let mut ticks: Vec<_> = (0..11).map(tick).collect();
    let group = group_of(&ticks);
    assert_eq!(group.verdict, Some(GroupVerdict::Warn));
    assert!((group.complete() - 1.0).abs() < 1e-9);
    assert_eq!((group.total_lag(), group.partitions.len()), (Some(200), 2));
    assert_eq!(group.max_lag().expect("one").partition, 1);
    assert_eq!(group.worst().expect("one").partition, 1);

    for tick in &mut ticks {
        tick[5] = Cell::ABSENT;
    }
    let group = group_of(&ticks);
    assert_eq!(
        group.verdict,
        Some(GroupVerdict::Ok),
        "the worst of the known"
    );
    assert!((group.complete() - 0.5).abs() < 1e-9);
    assert_eq!(group.total_lag(), None);
    for tick in &mut ticks {
        tick[4] = Cell::ABSENT;
    }
    assert_eq!(group_of(&ticks).verdict, None);
}

#[test]
fn a_group_without_partitions_is_there_or_not() {
    let gone = [Cell::GONE; 2];
    for (state, expected) in [
        (Cell::of(3), Some(GroupVerdict::Ok)),
        (Cell::of(4), Some(GroupVerdict::NotFound)),
        (Cell::ABSENT, Some(GroupVerdict::NotFound)),
    ] {
        let group = group_of(&[cells([Cell::of(9); 2], gone, state)]);
        assert_eq!((group.verdict, group.partitions.len()), (expected, 0));
        assert!(group.complete() < 1e-9);
    }
    let window = window_of(&[cells(gone, gone, Cell::of(3))]);
    assert_eq!(window.status("other", &PARAMETERS, at(0)), None);
    assert_eq!(
        Window::new(Reach::all(Duration::ZERO)).status("g", &PARAMETERS, at(0)),
        None
    );
}

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        8 => (0_i64..60).prop_map(Cell::of),
        1 => any::<i64>().prop_map(Cell::of),
        1 => Just(Cell::ABSENT),
        1 => Just(Cell::NO_COMMIT),
        1 => Just(Cell::GONE),
    ]
}

fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
    vec((1..60_000_i64, cell(), cell(), cell(), cell()), 1..40).prop_map(|rows| {
        let mut at = 0;
        let sample = |(step_ms, committed, log_start, log_end, topic_id)| {
            at += step_ms;
            Sample {
                at: TimestampMs(at),
                committed,
                log_start,
                log_end,
                topic_id,
            }
        };
        rows.into_iter().map(sample).collect()
    })
}

fn rank(verdict: Option<PartitionVerdict>) -> Option<GroupVerdict> {
    verdict.map(GroupVerdict::from)
}

proptest! {
    #[test]
    fn any_cells_survive_and_unknown_is_never_ok(
        samples in any_samples(), later_ms in 0..400_000_u64,
    ) {
        let newest = samples[samples.len() - 1].at;
        let now = newest.plus(Duration::from_millis(later_ms));
        let Some(status) = status_at(&samples, now) else { return Ok(()) };
        prop_assert!((0.0..=1.0).contains(&status.complete()));
        prop_assert!(!status.finding.to_string().is_empty());
        for pair in status.commits.windows(2) {
            prop_assert!(pair[0].observed_at < pair[1].observed_at);
            prop_assert!(pair[0].offset != pair[1].offset);
        }
        if now.since(newest) > PARAMETERS.max_staleness {
            prop_assert_eq!(status.verdict(), None);
        }
        if status.current_lag.is_none() {
            let nothing = status.finding == Finding::NothingToRead;
            prop_assert!(nothing || status.verdict().is_none(), "{:?}", status);
        }
    }

    #[test]
    fn more_silence_never_makes_stop_better(
        steps in vec((1..60_i64, 0..20_i64, 0..40_i64), 2..25),
        more in vec((1..60_i64, 0..40_i64), 1..10),
    ) {
        let (mut at, mut committed, mut end) = (0, 0, 0);
        let mut rows = Vec::new();
        for (step, commit, arrived) in steps {
            at += step;
            end += arrived;
            committed = (committed + commit).min(end);
            rows.push((at, committed, end));
        }
        let mut had_stopped = false;
        for (step, arrived) in more {
            let verdict = status(&samples(&rows)).verdict();
            prop_assert!(!had_stopped || verdict == Some(Stop), "{:?} {:?}", verdict, rows);
            had_stopped = verdict == Some(Stop);
            at += step;
            end += arrived;
            rows.push((at, committed, end));
        }
    }

    #[test]
    fn the_order_of_partitions_does_not_matter(
        ticks in vec(proptest::array::uniform7(cell()), 1..40),
    ) {
        let swap = |[a, b, c, d, e, f, state]: [Cell; 7]| [b, a, d, c, f, e, state];
        let swapped: Vec<_> = ticks.iter().copied().map(swap).collect();
        let (one, other) = (group_of(&ticks), group_of(&swapped));
        prop_assert_eq!(one.verdict, other.verdict);
        prop_assert_eq!(one.total_lag(), other.total_lag());
        prop_assert!((one.complete() - other.complete()).abs() < 1e-9);
        let most = |group: &GroupStatus| group.max_lag().map(|most| most.current_lag);
        prop_assert_eq!(most(&one), most(&other));
    }

    #[test]
    fn no_partition_is_worse_than_its_group(
        ticks in vec(proptest::array::uniform7(cell()), 1..40),
    ) {
        let group = group_of(&ticks);
        let worst = group.partitions.iter().map(|one| rank(one.verdict())).max();
        prop_assert!(worst.is_none_or(|worst| worst == group.verdict));
        prop_assert_eq!(group.worst().is_some(), !group.partitions.is_empty());
    }
}
