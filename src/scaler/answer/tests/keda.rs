//! KEDA's `kafka` trigger: the same results, and with `compatibility: keda` also
//! those in which KEDA is at fault. Expected values are what KEDA's
//! `getTotalLag` computes from the same offsets.

use super::*;

/// Commit, log start and log end of a partition.
type Offsets = (Commit, i64, i64);

const fn at(committed: i64, log_end: i64) -> Offsets {
    (Commit::At(committed), 0, log_end)
}

const fn none(log_start: i64, log_end: i64) -> Offsets {
    (Commit::None, log_start, log_end)
}

fn tick_of(seconds: i64, offsets: &[Offsets]) -> Tick {
    let commits: Vec<_> = offsets.iter().map(|(commit, ..)| *commit).collect();
    let mut tick = tick(seconds, &[("g", &commits)]);
    let partitions = offsets
        .iter()
        .map(|(_, log_start, log_end)| PartitionReading {
            log_start_offset: Some(*log_start),
            log_end_offset: Some(*log_end),
        });
    tick.topics[0].state = TopicState::Present(partitions.collect());
    tick
}

/// What is told after the last of these ticks, 10 s apart, of group `g` in
/// topic `t`.
fn told(ticks: &[&[Offsets]], flags: &[(&str, &str)]) -> (f64, bool) {
    let seconds = |place: usize| i64::try_from(place).expect("few") * 10;
    let recorded = ticks.iter().enumerate();
    let recorded: Vec<_> = recorded
        .map(|(place, offsets)| tick_of(seconds(place), offsets))
        .collect();
    let metadata = [&[GROUP, ("topic", "t")], flags].concat();
    let answer = ask(&board(&recorded), &metadata, seconds(ticks.len() - 1));
    let answer = answer.unwrap_or_else(|cause| panic!("{flags:?}: {cause}"));
    (answer.value, answer.active)
}

const KEDA: (&str, &str) = ("compatibility", "keda");
const EARLIEST: (&str, &str) = ("offsetResetPolicy", "earliest");
const TO_ZERO: (&str, &str) = ("scaleToZeroOnInvalidOffset", "true");
const IDLE: (&str, &str) = ("allowIdleConsumers", "true");
const BY_LAG: (&str, &str) = ("limitToPartitionsWithLag", "true");
const EVENLY: (&str, &str) = ("ensureEvenDistributionOfPartitions", "true");
const PERSISTENT: (&str, &str) = ("excludePersistentLag", "true");

/// Offsets, flags, what both tell.
type Row<'a> = (&'a [Offsets], &'a [(&'a str, &'a str)], (f64, bool));

#[test]
fn where_keda_is_right_both_tell_the_same() {
    let three: &[Offsets] = &[at(0, 5), at(0, 7), at(3, 3)];
    let far: &[Offsets] = &[at(0, 500), at(0, 0), at(0, 1)];
    let unread: &[Offsets] = &[at(10, 15), none(0, 40), none(0, 0)];
    let six: &[Offsets] = &[at(0, 21), at(0, 0), at(0, 0), at(0, 0), at(0, 0), at(0, 0)];
    let rows: &[Row<'_>] = &[
        (three, &[], (12.0, true)),
        (three, &[("activationLagThreshold", "11")], (12.0, true)),
        (three, &[("activationLagThreshold", "12")], (12.0, false)),
        (&[at(3, 3), at(0, 0)], &[], (0.0, false)),
        // Three partitions bear three thresholds; up to a fourth nothing is cut.
        (far, &[], (30.0, true)),
        (&[at(0, 39), at(0, 0), at(0, 0)], &[], (39.0, true)),
        (&[at(0, 40), at(0, 0), at(0, 0)], &[], (30.0, true)),
        (far, &[("lagThreshold", "200")], (501.0, true)),
        (far, &[IDLE], (501.0, true)),
        (far, &[BY_LAG], (20.0, true)),
        (&[at(0, 500), at(0, 0), at(0, 0)], &[BY_LAG], (10.0, true)),
        (&[at(0, 0), at(0, 0), at(0, 0)], &[BY_LAG], (0.0, false)),
        (far, &[("partitionLimitation", "0")], (10.0, true)),
        (far, &[("partitionLimitation", "1-2,9")], (1.0, true)),
        (far, &[IDLE, ("partitionLimitation", "0, 2")], (501.0, true)),
        // No commit: one record a partition, the whole log, or nothing.
        (unread, &[], (7.0, true)),
        (unread, &[EARLIEST], (30.0, true)),
        (unread, &[EARLIEST, IDLE], (45.0, true)),
        (unread, &[TO_ZERO], (5.0, true)),
        (unread, &[EARLIEST, TO_ZERO], (5.0, true)),
        (&[none(0, 9)], &[], (1.0, true)),
        (&[none(0, 9)], &[TO_ZERO], (0.0, false)),
        (&[none(0, 0)], &[EARLIEST], (0.0, false)),
        // The next divisor of six that bears it; without lag one threshold.
        (six, &[EVENLY], (30.0, true)),
        (six, &[EVENLY, ("lagThreshold", "5")], (30.0, true)),
        (six, &[EVENLY, ("lagThreshold", "100")], (100.0, true)),
        (six, &[EVENLY, ("lagThreshold", "1")], (6.0, true)),
        (six, &[EVENLY, IDLE, ("lagThreshold", "1")], (6.0, true)),
        (&[at(0, 0), at(0, 0)], &[EVENLY], (10.0, false)),
    ];
    for (offsets, flags, expected) in rows {
        assert_eq!(told(&[offsets], flags), *expected, "{offsets:?} {flags:?}");
        let as_keda = [flags, &[KEDA][..]].concat();
        assert_eq!(
            told(&[offsets], &as_keda),
            *expected,
            "{offsets:?} {as_keda:?}"
        );
    }
}

#[test]
fn where_keda_is_at_fault_ours_is_right() {
    let deleted: &[Offsets] = &[(Commit::At(10), 90, 100), at(0, 0)];
    let beyond: &[Offsets] = &[at(50, 20), at(0, 25)];
    let only_beyond: &[Offsets] = &[at(50, 20)];
    let retained: &[Offsets] = &[none(90, 100)];
    // Offsets, flags, ours, KEDA's.
    type Differing<'a> = (
        &'a [Offsets],
        &'a [(&'a str, &'a str)],
        (f64, bool),
        (f64, bool),
    );
    let rows: &[Differing<'_>] = &[
        // Records that retention deleted are not lag.
        (deleted, &[IDLE], (10.0, true), (90.0, true)),
        (
            deleted,
            &[IDLE, ("activationLagThreshold", "50")],
            (10.0, false),
            (90.0, true),
        ),
        // A commit beyond the end takes nothing from other partitions' lag.
        (beyond, &[IDLE], (25.0, true), (-5.0, false)),
        (only_beyond, &[], (0.0, false), (-30.0, false)),
        // The whole retained log, not what was ever written.
        (retained, &[IDLE, EARLIEST], (10.0, true), (100.0, true)),
    ];
    for (offsets, flags, ours, kedas) in rows {
        assert_eq!(told(&[offsets], flags), *ours, "{offsets:?} {flags:?}");
        let as_keda = [flags, &[KEDA][..]].concat();
        assert_eq!(told(&[offsets], &as_keda), *kedas, "{offsets:?} {flags:?}");
    }
}

#[test]
fn persistent_lag_is_judged_over_a_time() {
    let stuck: &[Offsets] = &[at(0, 8), at(0, 5)];
    let moved: &[Offsets] = &[at(0, 8), at(2, 5)];
    // KEDA counts what has not moved since its last call, ours for 5 minutes.
    assert_eq!(told(&[stuck, moved], &[PERSISTENT]), (11.0, true));
    assert_eq!(told(&[stuck, moved], &[PERSISTENT, KEDA]), (3.0, true));
    assert_eq!(told(&[stuck, stuck], &[PERSISTENT, KEDA]), (0.0, true));
    assert_eq!(
        told(&[stuck], &[PERSISTENT, KEDA]),
        (13.0, true),
        "nothing to compare with"
    );

    let mut ticks = vec![stuck; 31];
    assert_eq!(told(&ticks, &[PERSISTENT]), (0.0, true), "300 s");
    assert_eq!(told(&ticks[1..], &[PERSISTENT]), (13.0, true), "290 s");
    let minute = [PERSISTENT, ("persistentLagPeriod", "1m")];
    assert_eq!(told(&ticks[..7], &minute), (0.0, true));
    assert_eq!(told(&ticks[..6], &minute), (13.0, true));
    ticks.push(moved);
    assert_eq!(
        told(&ticks, &[PERSISTENT]),
        (3.0, true),
        "only the one that stands"
    );
    // Nor does it count where replicas are bounded by partitions with lag.
    assert_eq!(
        told(&ticks, &[PERSISTENT, BY_LAG, ("lagThreshold", "1")]),
        (1.0, true)
    );
}

#[test]
fn partitions_that_do_not_exist_are_an_error_not_a_zero() {
    let metadata = [GROUP, ("topic", "t"), ("partitionLimitation", "7-9")];
    let board = board(&[tick_of(0, &[at(0, 5)])]);
    let message = ask(&board, &metadata, 0).expect_err("no partition");
    assert!(
        message.contains("topic \"t\" has none of the partitions 7-9"),
        "{message}"
    );
}
