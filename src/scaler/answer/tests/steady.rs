//! What is told changes more slowly than what is read, before and after a
//! restart.

use super::*;
use crate::model::{Assignment, GroupState, Members, Membership};

/// Ticks 10 s apart of a partition that ends at 100.
fn ticks(commits: &[i64]) -> Vec<Tick> {
    let ticks = (0..).zip(commits);
    let ticks = ticks.map(|(place, commit)| tick(place * 10, &[("g", &[Commit::At(*commit)])]));
    ticks.collect()
}

/// What one process tells after each tick, and what one tells that starts
/// between the last two ticks.
fn told(ticks: &[Tick], metadata: &[(&str, &str)]) -> Vec<(f64, bool)> {
    let metadata = [&[GROUP, COARSE][..], metadata].concat();
    let watch = || {
        let trigger = parse(&metadata, &rules(&["main"])).expect("valid");
        Watch::new(trigger, TimestampMs(0), false)
    };
    let told_by = |watch: &Watch, until: usize| {
        watch.judge(&board(&ticks[..until]), &PARAMETERS);
        let judged = watch.judged().expect("judged");
        let now = ticks[until - 1].at;
        let value = judged.metric(0, &PARAMETERS, now).expect("known");
        (
            value.told,
            judged.is_active(&PARAMETERS, now).expect("known").told,
        )
    };
    let running = watch();
    let told: Vec<_> = (1..=ticks.len())
        .map(|until| told_by(&running, until))
        .collect();
    for (until, told) in (1..).zip(&told) {
        assert_eq!(
            told_by(&watch(), until),
            *told,
            "a restart before tick {until}"
        );
    }
    told
}

fn values(told: &[(f64, bool)]) -> Vec<f64> {
    told.iter().map(|(value, _)| *value).collect()
}

#[test]
fn a_scale_down_waits_for_its_window() {
    let ticks = ticks(&[90, 20, 60, 70, 95, 95, 30]);
    let told = told(&ticks, &[("scaleDownWindow", "30s")]);
    assert_eq!(values(&told), [10.0, 80.0, 80.0, 80.0, 80.0, 40.0, 70.0]);
    // Whether there is anything to do is told as it is.
    assert!(told.iter().all(|(_, active)| *active));
}

#[test]
fn a_clock_that_is_put_back_holds_nothing_for_longer() {
    let metadata = [GROUP, COARSE, ("scaleDownWindow", "30s")];
    let trigger = parse(&metadata, &rules(&["main"])).expect("valid");
    let watch = Watch::new(trigger, TimestampMs(0), false);
    let value_at = |seconds, commit| {
        watch.judge(
            &board(&[tick(seconds, &[("g", &[Commit::At(commit)])])]),
            &PARAMETERS,
        );
        let judged = watch.judged().expect("judged");
        let value = judged.metric(0, &PARAMETERS, TimestampMs(seconds * 1_000));
        value.expect("known").told
    };
    assert_eq!(value_at(5_000, 10), 90.0);
    assert_eq!(value_at(5_010, 70), 90.0);
    assert_eq!(value_at(100, 80), 20.0);
    assert_eq!(value_at(110, 95), 20.0);
}

#[test]
fn activity_has_two_thresholds() {
    let ticks = ticks(&[95, 80, 79, 85, 91, 85, 75]);
    let told = told(
        &ticks,
        &[
            ("activationLagThreshold", "20"),
            ("deactivationLagThreshold", "10"),
        ],
    );
    let active: Vec<_> = told.iter().map(|(_, active)| *active).collect();
    assert_eq!(active, [false, false, true, true, false, false, true]);
    let one = super::steady::told(&ticks, &[("activationLagThreshold", "20")]);
    let active: Vec<_> = one.iter().map(|(_, active)| *active).collect();
    assert_eq!(active, [false, false, true, false, false, false, true]);
}

fn member_count(tick: &mut Tick, members: u32, state: GroupState) {
    let partitions = ("a".to_owned(), vec![("t".into(), 0)]);
    let others = (1..members).map(|n| (format!("b{n}"), Vec::new()));
    let assignment = [partitions].into_iter().chain(others).collect();
    tick.groups[0].membership = Some(Membership {
        state,
        members: Some(Members {
            count: members,
            assignment: (state == GroupState::Stable).then(|| Assignment::of(assignment)),
        }),
    });
}

#[test]
fn readings_are_held_while_a_rebalance_settles() {
    let mut ticks = ticks(&[90, 80, 70, 60, 50, 95, 95]);
    for (place, tick) in ticks.iter_mut().enumerate() {
        let members = if place >= 2 { 2 } else { 1 };
        member_count(tick, members, GroupState::Stable);
    }
    // The rebalance was seen at 20 s.
    let held = told(&ticks, &[("rebalanceGracePeriod", "30s")]);
    assert_eq!(values(&held), [10.0, 20.0, 20.0, 20.0, 20.0, 5.0, 5.0]);
    let without = told(&ticks, &[]);
    assert_eq!(values(&without), [10.0, 20.0, 30.0, 40.0, 50.0, 5.0, 5.0]);

    // One that follows within the grace goes on with what was before the first.
    member_count(&mut ticks[4], 3, GroupState::PreparingRebalance);
    let held = told(&ticks, &[("rebalanceGracePeriod", "30s")]);
    assert_eq!(values(&held), [10.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0]);
}

#[test]
fn a_partition_that_is_missing_in_one_answer_keeps_its_last_reading() {
    let seconds = [Commit::At(70), Commit::Unread, Commit::At(90)];
    let ticks = (0..).zip(seconds);
    let ticks = ticks.map(|(place, second)| tick(place * 10, &[("g", &[Commit::At(40), second])]));
    let told = told(&ticks.collect::<Vec<_>>(), &[]);
    assert_eq!(values(&told), [90.0, 90.0, 70.0]);
}

#[test]
fn activity_that_hangs_between_its_thresholds_outlives_a_restart() {
    let metadata = [
        GROUP,
        COARSE,
        ("activationLagThreshold", "20"),
        ("deactivationLagThreshold", "10"),
    ];
    let ticks = board(&ticks(&[85, 85, 85]));
    for was_active in [true, false] {
        let trigger = parse(&metadata, &rules(&["main"])).expect("valid");
        let watch = Watch::new(trigger, TimestampMs(0), was_active);
        let judged = watch.judge_first(&ticks, &PARAMETERS);
        let active = judged.is_active(&PARAMETERS, TimestampMs(20_000));
        assert_eq!(active.expect("known").told, was_active);
    }
}
