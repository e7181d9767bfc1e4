//! What KEDA is told of recorded ticks.

mod keda;
mod measures;
mod steady;

use super::*;
use crate::{
    board::Board,
    estimator::Freshness,
    model::{Commit, Gap, GapReason, GapScope, PartitionReading, Tick, TopicState},
    scaler::{
        testing::{Commits, PARAMETERS, Recorded, tick},
        trigger::testing::{parse, rules},
        watch::Watch,
    },
};

fn board(ticks: &[Tick]) -> Board {
    let mut recorded = Recorded::default();
    ticks.iter().for_each(|tick| recorded.publish(tick));
    recorded.board()
}

/// What KEDA is told of the first metric.
#[derive(Debug, PartialEq)]
struct Answer {
    value: f64,
    active: bool,
    freshness: Freshness,
}

fn ask(board: &Board, metadata: &[(&str, &str)], seconds: i64) -> Result<Answer, String> {
    let trigger = parse(metadata, &rules(&["main"])).expect("valid");
    let watch = Watch::new(trigger, TimestampMs(0), false);
    let judged = watch.judge_first(board, &PARAMETERS);
    let now = TimestampMs(seconds * 1_000);
    let value = judged.metric(0, &PARAMETERS, now);
    let value = value.map_err(|missing| watch.reason(missing, board, &PARAMETERS, now))?;
    let active = judged.is_active(&PARAMETERS, now);
    let active = active.map_err(|missing| watch.reason(missing, board, &PARAMETERS, now))?;
    Ok(Answer {
        value: value.told,
        active: active.told,
        freshness: value.age.freshness,
    })
}

const GROUP: (&str, &str) = ("consumerGroup", "g");
const COARSE: (&str, &str) = ("lagThreshold", "1000");

#[test]
fn lag_is_summed_capped_and_activated_as_keda_does() {
    let board = board(&[tick(0, &[("g", &[Commit::At(40), Commit::At(90)])])]);
    let row = |more: &[(&str, &str)]| {
        let answer = ask(&board, &[&[GROUP], more].concat(), 1).expect("known");
        (answer.value, answer.active)
    };
    assert_eq!(row(&[COARSE]), (70.0, true));
    assert_eq!(
        row(&[("lagThreshold", "10")]),
        (20.0, true),
        "two partitions, two replicas"
    );
    assert_eq!(
        row(&[("lagThreshold", "10"), ("allowIdleConsumers", "true")]),
        (70.0, true)
    );
    assert_eq!(
        row(&[COARSE, ("activationLagThreshold", "70")]),
        (70.0, false)
    );
    assert_eq!(
        row(&[COARSE, ("activationLagThreshold", "69")]),
        (70.0, true)
    );
    assert_eq!(row(&[COARSE, ("topic", "t")]), (70.0, true));
}

#[test]
fn partitions_without_a_commit_count_by_the_reset_policy() {
    let board = board(&[tick(0, &[("g", &[Commit::At(40), Commit::None])])]);
    let value = |policy| {
        let metadata = [GROUP, COARSE, ("offsetResetPolicy", policy)];
        ask(&board, &metadata, 1).expect("known").value
    };
    assert_eq!(value("latest"), 61.0);
    assert_eq!(value("earliest"), 160.0);
}

#[test]
fn historic_groups_count_only_when_asked_for() {
    let commits: &[Commit] = &[Commit::At(40)];
    let groups = [
        ("azul-g", commits),
        ("azul-g-historic", commits),
        ("g", commits),
        ("g-historic", commits),
    ];
    let board = board(&[tick(0, &groups), tick(10, &groups)]);
    let plain = |historic| {
        let metadata = [GROUP, COARSE, ("includeHistoric", historic)];
        ask(&board, &metadata, 11).expect("known").value
    };
    assert_eq!((plain("false"), plain("true")), (60.0, 120.0));
    let azul = |historic| {
        let metadata = [
            ("entityName", "plugin"),
            ("pluginName", "g"),
            ("targetSize", "10"),
            ("includeHistoric", historic),
        ];
        ask(&board, &metadata, 11).expect("known").value
    };
    assert_eq!((azul("false"), azul("true")), (60.0, 120.0));
}

#[test]
fn what_is_not_known_is_an_error_with_its_reason() {
    let cases: [(&[Commits<'_>], &str); 3] = [
        (&[], "group \"g\""),
        (&[("other", &[Commit::At(1)])], "group \"g\""),
        (
            &[("g", &[Commit::At(1), Commit::Unread])],
            "1 of 2 partitions of group \"g\"",
        ),
    ];
    for (groups, expected) in cases {
        let mut tick = tick(0, groups);
        tick.gaps.push(Gap {
            scope: GapScope::Group("g".into()),
            reason: GapReason {
                code: "not_authorized".to_owned(),
                message: "the broker refused it".to_owned(),
            },
        });
        let message = ask(&board(&[tick]), &[GROUP], 1)
            .expect_err("unknown")
            .to_string();
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("the broker refused it"), "{message}");
    }
    assert!(ask(&Board::default(), &[GROUP], 1).is_err());
    let another_topic = [GROUP, ("topic", "u")];
    assert!(
        ask(
            &board(&[tick(0, &[("g", &[Commit::At(1)])])]),
            &another_topic,
            1
        )
        .is_err()
    );
}

#[test]
fn a_group_that_is_gone_does_not_keep_its_plugin_unknown() {
    let metadata = [
        ("entityName", "plugin"),
        ("pluginName", "g"),
        ("targetSize", "10"),
    ];
    let live: Commits<'_> = ("azul-g", &[Commit::At(40)]);
    let left: Commits<'_> = ("azul-g-2", &[Commit::At(10)]);
    let ticks: Vec<_> = (0..60)
        .map(|n| match n {
            0..2 => tick(n * 10, &[live, left]),
            _ => tick(n * 10, &[live]),
        })
        .collect();
    let told = |seconds: i64| {
        let until = usize::try_from(seconds / 10).expect("not negative");
        ask(&board(&ticks[..=until]), &metadata, seconds).map(|answer| answer.value)
    };
    assert_eq!(told(10), Ok(150.0));
    // Neither read nor a gap: it is not polled any more.
    assert_eq!(told(20), Ok(60.0));
    assert_eq!(told(590), Ok(60.0));
}

#[test]
fn a_matching_group_that_was_never_readable_is_unknown() {
    let metadata = [
        ("entityName", "plugin"),
        ("pluginName", "g"),
        ("targetSize", "10"),
    ];
    let with_gap = |id: &str| {
        let mut first = tick(0, &[("azul-g", &[Commit::At(40)])]);
        first.gaps.push(Gap {
            scope: GapScope::Group(id.into()),
            reason: GapReason {
                code: "not_authorized".to_owned(),
                message: "the broker refused it".to_owned(),
            },
        });
        let mut second = first.clone();
        second.at = TimestampMs(10_000);
        ask(&board(&[first, second]), &metadata, 11)
    };
    let message = with_gap("azul-g-2").expect_err("unknown").to_string();
    assert!(message.contains("the broker refused it"), "{message}");
    assert!(with_gap("another").is_ok());
}

#[test]
fn a_historic_companion_that_does_not_exist_counts_nothing() {
    let groups: &[Commits<'_>] = &[("g", &[Commit::At(40)]), ("g-historic", &[Commit::None])];
    let metadata = [GROUP, COARSE, ("topic", "t"), ("includeHistoric", "true")];
    let answer = ask(&board(&[tick(0, groups)]), &metadata, 1).expect("known");
    assert_eq!(answer.value, 60.0);
}

#[test]
fn a_historic_companion_that_cannot_be_read_is_unknown_not_absent() {
    let historic = |commit| [("g", &[Commit::At(40)][..]), ("g-historic", commit)];
    let metadata = [GROUP, COARSE, ("includeHistoric", "true")];
    let told =
        |ticks: &[Tick], seconds| ask(&board(ticks), &metadata, seconds).map(|answer| answer.value);
    let (read, unread) = ([Commit::At(10)], [Commit::Unread]);
    let ticks = [tick(0, &historic(&read)), tick(10, &historic(&unread))];
    assert_eq!(told(&ticks, 11), Ok(150.0), "its last reading");
    let later = [tick(0, &historic(&read)), tick(400, &historic(&unread))];
    let message = told(&later, 400).expect_err("too old");
    assert!(message.contains("group \"g-historic\""), "{message}");
}

#[test]
fn a_plugins_last_reading_holds_while_the_cluster_is_away() {
    let metadata = [
        ("entityName", "plugin"),
        ("pluginName", "g"),
        ("targetSize", "10"),
    ];
    let mut away = tick(20, &[]);
    away.gaps.push(Gap {
        scope: GapScope::Cluster,
        reason: GapReason {
            code: "broker_down".to_owned(),
            message: "all brokers are down".to_owned(),
        },
    });
    let live: &[Commits<'_>] = &[("azul-g", &[Commit::At(40)])];
    let board = board(&[tick(0, live), tick(10, live), away]);
    assert_eq!(ask(&board, &metadata, 30).map(|told| told.value), Ok(60.0));
    let message = ask(&board, &metadata, 400)
        .expect_err("too old")
        .to_string();
    assert!(message.contains("all brokers are down"), "{message}");
}

#[test]
fn answers_age_visibly_and_then_end() {
    let board = board(&[tick(0, &[("g", &[Commit::At(40)])])]);
    let freshness = |seconds| ask(&board, &[GROUP], seconds).map(|answer| answer.freshness);
    assert_eq!(freshness(30), Ok(Freshness::Fresh));
    assert_eq!(freshness(300), Ok(Freshness::Stale));
    let message = freshness(301).expect_err("too old").to_string();
    assert!(message.contains("1970-01-01T00:00:00.000Z"), "{message}");
}

#[test]
fn a_backlog_of_one_sample_is_not_zero() {
    let metadata = [
        ("entityName", "plugin"),
        ("pluginName", "g"),
        ("targetSize", "10"),
    ];
    let groups: &[Commits<'_>] = &[("azul-g", &[Commit::At(40)])];
    assert!(ask(&board(&[tick(0, groups)]), &metadata, 1).is_err());
    let answer = ask(&board(&[tick(0, groups), tick(10, groups)]), &metadata, 11);
    assert_eq!(
        answer.map(|answer| (answer.value, answer.active)),
        Ok((60.0, true))
    );
}

#[test]
fn a_plugin_without_any_group_has_no_backlog_once_groups_were_listed() {
    let metadata = [
        ("entityName", "plugin"),
        ("pluginName", "none"),
        ("targetSize", "10"),
    ];
    let listed = tick(0, &[("azul-g", &[Commit::At(40)])]);
    let answer = ask(&board(std::slice::from_ref(&listed)), &metadata, 1).expect("known");
    assert_eq!(answer.value, 0.0);
    let mut unlisted = listed;
    unlisted.gaps.push(Gap {
        scope: GapScope::Discovery,
        reason: GapReason {
            code: "timed_out".to_owned(),
            message: "no list".to_owned(),
        },
    });
    assert!(ask(&board(&[unlisted]), &metadata, 1).is_err());
}
