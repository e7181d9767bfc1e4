use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    estimator::{GroupStatus, Reach, Window},
    model::{Commit, Tick, TimestampMs},
    store::Limits,
};

use super::{
    super::{
        gate::Allowance,
        narrow::Narrowing,
        testing::{Answer, PARAMETERS, Setting, t0_plus, tick},
    },
    past::Past,
};

async fn ask(setting: &Setting, query: &str) -> Answer {
    setting
        .get(&format!("/api/v1/groups/g/status{query}"))
        .await
}

async fn ask_at(setting: &Setting, seconds: i64) -> Value {
    let answer = ask(setting, &format!("?at={}", t0_plus(seconds))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Two partitions each 10 s: one moves on with a lag of 50, the other commits
/// 10 records each time until it stops after `last` ticks.
fn until_it_stops(last: i64, count: i64, begin: TimestampMs) -> Vec<Tick> {
    let tick = |n: i64| {
        let at = begin.plus(Duration::from_secs(10 * n.unsigned_abs()));
        tick(at, &[(n, n), (10 * n.min(last), 10 * n + 5)])
    };
    (0..count).map(tick).collect()
}

#[tokio::test]
async fn a_group_is_told_with_its_evidence() {
    let begin = TimestampMs::now().minus(Duration::from_secs(302));
    let setting = Setting::recorded(until_it_stops(15, 31, begin));
    let answer = ask(&setting, "").await;
    assert_eq!(answer.headers["tidegauge-levels"], "raw");
    let mut json = answer.json();
    let at = |seconds| begin.plus(Duration::from_secs(seconds)).to_string();
    let commit = |n: u64, offset: i64, lag: i64| {
        json!({
            "offset": offset, "lag": lag, "observed_at": at(10 * n),
            "made_after": at(10 * n - 10),
        })
    };
    json["at"].take();
    let why = "records wait and nothing was committed for 150 s, ten commits take 90 s at most";
    let expected = json!({
        "cluster": "main", "group": "g", "at": null, "as_of": at(300), "status": "ERR",
        "reason": format!("topic t partition 1: {why}"),
        "complete": 1.0, "partition_count": 2, "total_lag": 155,
        "max_lag": {"topic": "t", "partition": 1, "lag": 155},
        "partitions": [
            {
                "topic": "t", "partition": 0, "status": "OK", "reason": "no record waits",
                "complete": 1.0, "current_lag": 0,
                "start": commit(21, 21, 0), "end": commit(30, 30, 0),
            },
            {
                "topic": "t", "partition": 1, "status": "STOP", "reason": why,
                "complete": 1.0, "current_lag": 155,
                "start": commit(6, 60, 5), "end": commit(15, 150, 5),
            },
        ],
    });
    assert_eq!(json, expected);
}

#[tokio::test]
async fn the_past_is_judged_as_of_then() {
    let mut ticks = until_it_stops(15, 31, t0_plus(0));
    ticks[30].groups[0].topics[0].commits[1] = Commit::None;
    let setting = Setting::recorded(ticks);
    let json = ask_at(&setting, 200).await;
    assert_eq!(
        (&json["status"], &json["total_lag"]),
        (&json!("WARN"), &json!(55))
    );
    assert_eq!(json["as_of"], t0_plus(200).to_string());
    assert_eq!(ask_at(&setting, 250).await["status"], "ERR");
    let json = ask_at(&setting, 300).await;
    let second = &json["partitions"][1];
    assert_eq!(
        second["reason"],
        "records wait and nothing was ever committed"
    );
    assert_eq!(
        (&second["status"], &second["end"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(json["status"], "OK", "the worst of the known");
}

#[tokio::test]
async fn what_was_not_read_is_unknown() {
    let setting = Setting::recorded(until_it_stops(15, 31, t0_plus(0)));
    let json = ask_at(&setting, -1).await;
    assert_eq!(json["reason"], "nothing was recorded by then");
    let nothing = ["status", "as_of", "total_lag", "max_lag"];
    assert!(nothing.iter().all(|key| json[key].is_null()), "{json}");
    // A year later the partitions are still told, and since when.
    let json = ask_at(&setting, 365 * 86_400).await;
    let since = format!("no usable reading since {}", t0_plus(300));
    assert_eq!(json["partitions"][1]["reason"], since);
    assert_eq!(
        (&json["status"], &json["complete"]),
        (&Value::Null, &json!(0.0))
    );
    assert_eq!(json["partition_count"], 2);
    // The same from memory, for now.
    assert_eq!(
        ask(&setting, "").await.json()["partitions"],
        json["partitions"]
    );
}

#[tokio::test]
async fn where_there_are_minutes_only_they_are_looked_at() {
    // Three hours; the second partition stops after one.
    let setting = Setting::recorded(until_it_stops(360, 3 * 360 + 1, t0_plus(0)));
    let end = t0_plus(12 * 3_600);
    let mut sealer = setting.state.store.sealer();
    while sealer.step(end).expect("sealing") {}
    let limits = Limits {
        raw: Duration::from_secs(1),
        minutes: Duration::from_hours(100),
        hours: Duration::from_hours(100),
        max_bytes: None,
    };
    setting.state.store.retain(&limits, end).expect("retention");
    let at = |seconds: i64| format!("?at={}", t0_plus(seconds));
    let answer = ask(&setting, &at(4_500)).await;
    assert_eq!(answer.headers["tidegauge-levels"], "minutes");
    let json = answer.json();
    assert_eq!(
        (&json["status"], &json["complete"]),
        (&json!("ERR"), &json!(1.0))
    );
    let answer = ask(&setting, &at(3_000)).await;
    assert_eq!(answer.json()["status"], "WARN");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_by_name() {
    let setting = Setting::recorded(until_it_stops(1, 2, t0_plus(0)));
    for (path, status, message) in [
        ("x/status", 404, "there is no group \"x\""),
        ("x/status?at=1", 404, "there is no group \"x\""),
        ("g/status?cluster=moon", 404, "there is no cluster \"moon\""),
        (
            "g/status?cluster=other",
            404,
            "there is no group \"g\" in cluster \"other\"",
        ),
        (
            "g/status?at=soon",
            400,
            "at is \"soon\", accepted is RFC 3339, epoch seconds or epoch milliseconds, from 1970 to 9999",
        ),
        (
            "g/status?from=1",
            400,
            "\"from\" is no parameter of this endpoint, accepted are cluster, at",
        ),
    ] {
        let (found, _, text) = setting.get(&format!("/api/v1/groups/{path}")).await.error();
        assert_eq!((found, text.as_str()), (status, message), "{path}");
    }
}

/// What the newest window said after each tick.
fn live(setting: &Setting) -> Vec<(TimestampMs, GroupStatus)> {
    let store = &setting.state.store;
    let main = "main".into();
    let index = store.index(&main).expect("readable").expect("an index");
    let (index, mut window) = (Arc::new(index), Window::new(Reach::all(PARAMETERS.window)));
    let frames = store.frames(&main, TimestampMs(0), TimestampMs(i64::MAX));
    let frames = frames.expect("readable").map(|frame| {
        let frame = frame.expect("whole");
        let at = frame.at;
        window.push(Arc::clone(&index), Arc::new(frame));
        (at, window.status("g", &PARAMETERS, at).expect("known"))
    });
    frames.collect()
}

fn then(setting: &Setting, at: TimestampMs) -> GroupStatus {
    let store = &setting.state.store;
    let main = "main".into();
    let index = store.index(&main).expect("readable").expect("an index");
    let limit = Duration::from_secs(60);
    let past = Past {
        store,
        cluster: &main,
        allowance: &Allowance {
            stop: CancellationToken::new(),
            deadline: Instant::now() + limit,
            limit,
        },
        look_back: PARAMETERS.window,
        parameters: &PARAMETERS,
    };
    let narrowing = Narrowing::to(&index, &"g".into(), None).expect("known");
    let judged = past.judge(&"g".into(), narrowing, at).expect("readable");
    judged.status.expect("known")
}

fn commit() -> impl Strategy<Value = Commit> {
    prop_oneof![
        12 => (0_i64..60).prop_map(Commit::At),
        1 => Just(Commit::Unread),
        1 => Just(Commit::None),
    ]
}

/// Ticks that are mostly 10 s apart, sometimes an hour.
fn any_ticks() -> impl Strategy<Value = Vec<Tick>> {
    let step = prop_oneof![30 => 5_i64..15, 1 => 200_i64..4_000];
    vec((step, commit(), commit(), 30_i64..60), 1..90).prop_map(|rows| {
        let mut seconds = 0;
        let ticks = rows.into_iter().map(|(step, one, other, end)| {
            seconds += step;
            let mut tick = tick(t0_plus(seconds), &[(0, end), (0, end)]);
            tick.groups[0].topics[0].commits = vec![one, other];
            tick
        });
        ticks.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_past_is_what_was_said_live(ticks in any_ticks()) {
        let setting = Setting::recorded(ticks);
        let live = live(&setting);
        for (at, expected) in &live {
            prop_assert_eq!(&then(&setting, *at), expected, "{}", at);
        }
        let mut sealer = setting.state.store.sealer();
        while sealer.step(t0_plus(3_000_000)).expect("sealing") {}
        for (at, expected) in live.iter().step_by(7) {
            prop_assert_eq!(&then(&setting, *at), expected, "{} sealed", at);
        }
    }
}
