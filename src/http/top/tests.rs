use serde_json::{Value, json};

use super::super::testing::{Answer, Setting, group, t0_plus, topic};
use crate::model::{Commit, Tick};

/// Lags of groups `a`, `b` and `c`, one a tick, each in a topic of its own.
fn tick_of(seconds: i64, lags: [Commit; 3]) -> Tick {
    let names = ["a", "b", "c"];
    let end = 1_000;
    let group = |(name, lag): (&str, Commit)| {
        let commit = match lag {
            Commit::At(lag) => Commit::At(end - lag),
            other => other,
        };
        group(name, &format!("of-{name}"), [commit].into_iter())
    };
    Tick {
        cluster: "main".into(),
        at: t0_plus(seconds),
        topics: names
            .map(|name| topic(&format!("of-{name}"), [Some(end)].into_iter()))
            .into(),
        groups: names.into_iter().zip(lags).map(group).collect(),
        gaps: Vec::new(),
    }
}

fn setting() -> Setting {
    let at = Commit::At;
    Setting::recorded(vec![
        tick_of(0, [at(5), at(900), Commit::Unread]),
        tick_of(10, [at(70), at(20), Commit::Unread]),
        tick_of(20, [at(30), Commit::Unread, Commit::Unread]),
    ])
}

async fn ask(setting: &Setting, query: &str) -> Answer {
    let range = format!("from={}&to={}", t0_plus(0), t0_plus(20));
    setting.get(&format!("/api/v1/top?{range}&{query}")).await
}

async fn groups(setting: &Setting, query: &str) -> Vec<Value> {
    let answer = ask(setting, query).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows = answer.json();
    let rows = rows.as_array().expect("rows").iter();
    rows.map(|row| json!([row["group"], row["lag"], row["max_lag"]]))
        .collect()
}

#[tokio::test]
async fn groups_come_by_their_newest_or_their_greatest_lag_and_unknown_ones_last() {
    let setting = setting();
    let (a, b) = (json!(["a", 30, 70]), json!(["b", 20, 900]));
    let c = json!(["c", null, null]);
    let by_lag = [a.clone(), b.clone(), c.clone()];
    assert_eq!(groups(&setting, "").await, by_lag);
    assert_eq!(groups(&setting, "by=lag&cluster=main").await, by_lag);
    assert_eq!(groups(&setting, "by=max_lag").await, [b, a.clone(), c]);
    assert_eq!(groups(&setting, "limit=1").await, [a]);

    let rows = ask(&setting, "by=max_lag&limit=1").await.json();
    let expected = json!([{
        "cluster": "main", "group": "b", "kind": "group", "topic": "of-b",
        "lag": 20, "lag_at": t0_plus(10).to_string(),
        "max_lag": 900, "max_lag_at": t0_plus(0).to_string(),
    }]);
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn a_group_that_has_left_has_had_a_lag_and_has_none() {
    let mut left = tick_of(10, [Commit::At(1); 3]);
    left.groups[1].topics.clear();
    let before = tick_of(0, [Commit::At(5), Commit::At(7), Commit::None]);
    let setting = Setting::recorded(vec![before, left]);
    let range = format!("from={}&to={}", t0_plus(0), t0_plus(20));
    let expected = [
        json!(["a", 1, 5]),
        json!(["c", 1, 1]),
        json!(["b", null, 7]),
    ];
    assert_eq!(groups(&setting, "").await, expected);
    let later = format!("/api/v1/top?from={}&to={}", t0_plus(5), t0_plus(20));
    let rows = setting.get(&later).await.json();
    assert_eq!(rows.as_array().expect("rows").len(), 2, "{range}");
}

#[tokio::test]
async fn long_ranges_are_told_from_rollups_and_say_the_same() {
    let lag = |n: i64, group: i64| Commit::At((n * n * (3 + group) + 11 * group) % 997);
    let ticks = (0..5 * 360).map(|n| tick_of(10 * n, [0, 1, 2].map(|group| lag(n, group))));
    let setting = Setting::recorded(ticks.collect());
    let (from, to) = (t0_plus(15), t0_plus(5 * 3_600 - 15));
    let path = format!("/api/v1/top?by=max_lag&from={from}&to={to}");
    let unsealed = setting.get(&path).await;
    assert_eq!(unsealed.headers["tidegauge-levels"], "raw");
    let mut sealer = setting.state.store.sealer();
    while sealer.step(t0_plus(5 * 3_600)).expect("sealing") {}
    let sealed = setting.get(&path).await;
    assert_eq!(sealed.headers["tidegauge-levels"], "raw, minutes");
    let values = |answer: &Answer| {
        let rows = answer.json();
        let rows = rows.as_array().expect("rows").iter();
        let value = |row: &Value| json!([row["group"], row["lag"], row["lag_at"], row["max_lag"]]);
        rows.map(value).collect::<Vec<_>>()
    };
    assert_eq!(values(&sealed), values(&unsealed));
    assert_eq!(values(&sealed).len(), 3);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_by_name() {
    let setting = setting();
    for (query, status, code, message) in [
        (
            "by=rate",
            400,
            "bad_parameter",
            "by is \"rate\", accepted is lag or max_lag",
        ),
        (
            "limit=0",
            400,
            "bad_parameter",
            "limit is \"0\", accepted is a number from 1 to 1000",
        ),
        (
            "limit=1001",
            400,
            "bad_parameter",
            "limit is \"1001\", accepted is a number from 1 to 1000",
        ),
        ("cluster=x", 404, "not_found", "there is no cluster \"x\""),
        (
            "group=a",
            400,
            "unknown_parameter",
            "\"group\" is no parameter of this endpoint, accepted are by, limit, cluster, from, to",
        ),
    ] {
        let expected = (status, code.to_owned(), message.to_owned());
        assert_eq!(ask(&setting, query).await.error(), expected, "{query}");
    }
}
