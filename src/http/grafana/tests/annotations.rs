//! What happened, as annotations.

use super::super::super::testing::gap;
use super::*;
use crate::model::{GapScope, ToldChange};

fn told(seconds: i64, group: &str, value: Option<i64>) -> ToldChange {
    let value = value.map(|value| value * 1_000);
    told_change(seconds, group, [value, Some(100_000), Some(1)])
}

/// A gap from 10 s to 30 s, one from 20 s on, a rebalance at 30 s, and another
/// number of replicas at 20 s.
fn setting() -> Setting {
    let mut ticks: Vec<_> = (0..5).map(|n| three(n * 10)).collect();
    let of_group = || gap(GapScope::Group("g".into()), "no answer");
    let of_partition = || gap(GapScope::Partition("u".into(), 1), "no leader");
    ticks[1].gaps = vec![of_group()];
    ticks[2].gaps = vec![of_group(), of_partition()];
    ticks[3].gaps = vec![of_partition()];
    ticks[4].gaps = vec![of_partition()];
    for tick in &mut ticks[3..] {
        let membership = tick.groups[2].membership.as_mut();
        let members = membership.and_then(|membership| membership.members.as_mut());
        let members = members.expect("members");
        members.count = 3;
        members.assignment.as_mut().expect("assignment").fingerprint = 8;
    }
    let changes = vec![
        told(0, "g", Some(100)),
        told(10, "g", None),
        told(15, "g", Some(90)),
        told(20, "g", Some(101)),
    ];
    Setting::recorded_and_told(ticks, changes)
}

/// `(kind, seconds of begin and end, what it is about)`, by the older name.
async fn marks(payload: Value) -> Vec<(String, i64, i64, String)> {
    let body = json!({
        "range": panel(0, 60, json!([]))["range"],
        "annotation": {"name": "events", "query": payload.to_string()},
    });
    let answered = ask(&setting(), "/grafana/annotations", body).await;
    let mark = |row: &Value| {
        let seconds = |key: &str| (row[key].as_i64().expect("ms") - T0_MS) / 1_000;
        let text = |key: &str| row[key].as_str().expect("a text").to_owned();
        assert_eq!(row["tags"][0], row["kind"]);
        assert_eq!(row["isRegion"], row["time"] != row["timeEnd"]);
        assert!(!text("text").is_empty());
        (
            text("kind"),
            seconds("time"),
            seconds("timeEnd"),
            text("title"),
        )
    };
    answered.rows().iter().map(mark).collect()
}

fn mark(kind: &str, begin: i64, end: i64, title: &str) -> (String, i64, i64, String) {
    (kind.to_owned(), begin, end, title.to_owned())
}

#[tokio::test]
async fn what_happened_is_marked_and_what_lasted_is_a_region() {
    let expected = [
        mark("gap", 10, 30, "gap: group \"g\""),
        mark("gap", 20, 60, "gap: partition u-1"),
        mark("scaling", 20, 20, "scaling: g, 1 to 2 replicas"),
        mark("rebalance", 30, 30, "rebalance: h.1"),
    ];
    assert_eq!(marks(json!({})).await, expected);
}

#[tokio::test]
async fn annotations_are_picked_by_kind_group_and_topic() {
    for (payload, expected) in [
        (json!({"kind": "gap"}), vec!["gap", "gap"]),
        (
            json!({"kind": ["rebalance", "scaling"]}),
            vec!["scaling", "rebalance"],
        ),
        (json!({"kind": "restart"}), vec![]),
        (json!({"group": "g"}), vec!["gap", "scaling"]),
        (json!({"group": "h.1"}), vec!["gap", "rebalance"]),
        (json!({"topic": "t", "kind": "gap"}), vec!["gap"]),
        (json!({"cluster": "other"}), vec![]),
    ] {
        let kinds: Vec<_> = marks(payload.clone())
            .await
            .into_iter()
            .map(|mark| mark.0)
            .collect();
        assert_eq!(kinds, expected, "{payload}");
    }
}

#[tokio::test]
async fn a_gap_that_began_before_the_range_begins_with_it() {
    let body = panel(
        25,
        60,
        json!([target("events", json!({"group": "g", "kind": "gap"}))]),
    );
    let answered = ask(&setting(), "/grafana/query", body).await;
    let table = &answered.rows()[0];
    let columns: Vec<_> = table["columns"]
        .as_array()
        .expect("columns")
        .iter()
        .collect();
    for (place, name) in ["time", "timeEnd", "title", "text", "tags"]
        .iter()
        .enumerate()
    {
        assert_eq!(columns[place]["text"], *name);
    }
    let row = &table["rows"][0];
    assert_eq!(row[0], T0_MS + 25_000);
    assert_eq!(row[1], T0_MS + 30_000);
    assert_eq!(row[4], "gap,main,g");
    assert_eq!(table["rows"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn starts_and_ends_are_about_every_group() {
    let now = crate::model::TimestampMs::now();
    let setting = setting();
    let body = json!({
        "range": {"from": now.minus(std::time::Duration::from_hours(1)).0, "to": now.0 + 60_000},
        "targets": [target("events", json!({"group": "g", "kind": "restart"}))],
    });
    let answered = ask(&setting, "/grafana/query", body).await;
    let row = &answered.rows()[0]["rows"][0];
    assert_eq!(row[2], "stopped", "the recorder's end in this test");
}
