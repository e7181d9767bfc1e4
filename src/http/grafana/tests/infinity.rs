//! What the Infinity data source reads without any transformation: a flat array
//! of objects, sorted by time, one type a key.

use std::{collections::BTreeMap, time::Duration};

use super::super::super::testing::gap;
use super::*;
use crate::model::{Cell, GapScope, TimestampMs, Told, ToldChange, WatchName};

/// Ticks until now, with a gap, a rebalance and something told to KEDA.
fn setting(begin: TimestampMs) -> Setting {
    let mut ticks: Vec<_> = (0..6).map(|n| three(n * 10)).collect();
    for (n, tick) in (0..).zip(&mut ticks) {
        tick.at = begin.plus(Duration::from_secs(n * 10));
    }
    ticks[2].gaps = vec![gap(GapScope::Group("g".into()), "no answer")];
    let told = |value: Option<i64>, at: TimestampMs| ToldChange {
        at,
        watch: Arc::new(WatchName {
            cluster: "main".into(),
            group: Some("g".into()),
            topic: None,
            metric_name: "kafka".into(),
            key: "watch ".to_owned(),
        }),
        told: Told {
            metric_value: value.map(|value| value * 1_000).into(),
            target: Cell::of(100_000),
            active: Cell::of(1),
        },
    };
    let changes = vec![
        told(Some(5), ticks[0].at),
        told(None, ticks[1].at),
        told(Some(250), ticks[3].at),
    ];
    Setting::recorded_and_told(ticks, changes)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "flag",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Null | Value::Array(_) | Value::Object(_) => panic!("{value} is not flat"),
    }
}

/// Holds the rows to the contract; gives back how many there are.
fn flat(path: &str, rows: &Value) -> usize {
    let rows = rows
        .as_array()
        .unwrap_or_else(|| panic!("{path}: no array"));
    let mut kinds = BTreeMap::new();
    for row in rows {
        let row = row
            .as_object()
            .unwrap_or_else(|| panic!("{path}: no object"));
        for (key, value) in row.iter().filter(|(_, value)| !value.is_null()) {
            let known = *kinds.entry(key).or_insert_with(|| kind(value));
            assert_eq!(known, kind(value), "{path}: {key} has two types");
        }
        let (first, own) = (rows[0].as_object(), row);
        let keys = first.map(|first| first.keys().eq(own.keys()));
        assert_eq!(keys, Some(true), "{path}: rows have different keys");
    }
    let times: Vec<_> = rows.iter().filter_map(|row| row["time"].as_str()).collect();
    assert!(times.is_sorted(), "{path}: not sorted by time");
    rows.len()
}

#[tokio::test]
async fn each_list_is_a_flat_array() {
    let now = TimestampMs::now();
    let begin = now.minus(Duration::from_secs(60));
    let setting = setting(begin);
    let metrics: Vec<_> = history::Asked::names().collect();
    let metrics = metrics.join(",");
    let (from, to) = (begin.minus(Duration::from_secs(10)), now);
    for path in [
        "/api/v1/clusters".to_owned(),
        "/api/v1/groups".to_owned(),
        "/api/v1/series".to_owned(),
        format!("/api/v1/history?group=g&metric={metrics}"),
        format!("/api/v1/history?group=g&partition=*&metric={metrics}"),
        "/api/v1/last?group=g&topic=t".to_owned(),
        "/api/v1/told".to_owned(),
        "/api/v1/top".to_owned(),
        "/api/v1/events".to_owned(),
    ] {
        let answer = setting.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(flat(&path, &answer.json()) > 0, "{path} has rows");

        // As Infinity's macros write a range.
        if ["/history", "/told", "/top", "/events"]
            .iter()
            .any(|name| path.contains(name))
        {
            let joined = if path.contains('?') { "&" } else { "?" };
            let mut answers = Vec::new();
            for [from, to] in [
                [from.to_string(), to.to_string()],
                [from.0.to_string(), to.0.to_string()],
                [from.0, to.0].map(|ms| (ms as f64 / 1_000.0).to_string()),
            ] {
                let path = format!("{path}{joined}from={from}&to={to}");
                let answer = setting.get(&path).await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.body);
                assert!(flat(&path, &answer.json()) > 0, "{path} has rows");
                answers.push(answer.body);
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{path}");
            let early = format!("{path}{joined}from=1000&to=2000");
            let answer = setting.get(&early).await;
            let is_top = path.contains("/top");
            assert!(answer.body == "[]" || is_top, "{early}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn no_data_is_an_empty_array() {
    let setting = Setting::recorded(Vec::new());
    for path in ["groups", "series", "told", "top", "events?kind=gap_began"] {
        let answer = setting.get(&format!("/api/v1/{path}")).await;
        assert_eq!(answer.body, "[]", "{path}");
    }
}
