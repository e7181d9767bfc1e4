use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::model::{Commit, GapScope, Tick, TimestampMs};

use super::super::testing::{self, Setting, gap, tick};

fn ago(seconds: u64) -> TimestampMs {
    TimestampMs::now().minus(Duration::from_secs(seconds))
}

/// The value at a JSON pointer.
fn at<'a>(json: &'a Value, pointer: &str) -> &'a Value {
    json.pointer(pointer)
        .unwrap_or_else(|| panic!("no {pointer} in {json}"))
}

fn draining() -> (Vec<Tick>, TimestampMs) {
    let newest = ago(1);
    let earlier = newest.minus(Duration::from_secs(10));
    let ticks = vec![
        tick(earlier, &[(0, 300), (40, 40)]),
        tick(newest, &[(100, 300), (40, 40)]),
    ];
    (ticks, newest)
}

/// All keys of all objects.
fn merged<const N: usize>(objects: [Value; N]) -> Value {
    let maps = objects.into_iter().map(|object| match object {
        Value::Object(map) => map,
        other => panic!("expected an object, found {other}"),
    });
    Value::Object(maps.flatten().collect())
}

#[tokio::test]
async fn a_group_is_told_by_topic_and_partition() {
    let (ticks, newest) = draining();
    let json = Setting::recorded(ticks)
        .get("/api/v1/groups/g")
        .await
        .json();

    let behind = json!({
        "lag": 200, "lost_records": 0, "arrival_rate": 0.0, "consumption_rate": 10.0,
        "time_lag_seconds": 10.0, "time_lag_at_least": true,
        "eta_seconds": 20.0, "drains": true,
        "as_of": newest.to_string(), "freshness": "fresh", "reason": null,
    });
    let done = json!({
        "lag": 0, "lost_records": 0, "arrival_rate": 0.0, "consumption_rate": 0.0,
        "time_lag_seconds": 0.0, "time_lag_at_least": false,
        "eta_seconds": 0.0, "drains": true,
        "as_of": newest.to_string(), "freshness": "fresh", "reason": null,
    });
    let offsets = |partition: i32, committed: i64, end: i64| {
        json!({
            "partition": partition, "committed_offset": committed,
            "log_start_offset": 0, "log_end_offset": end, "status": "OK",
        })
    };
    let partitions = [
        merged([offsets(0, 100, 300), behind.clone()]),
        merged([offsets(1, 40, 40), done]),
    ];
    let counts = json!({
        "partition_count": 2, "unknown_partition_count": 0,
        "partitions_without_commit": 0, "records_without_commit": 0,
    });
    let topic = json!({"topic": "t", "partitions": partitions});
    let topic = merged([topic, counts.clone(), behind.clone()]);
    let group = json!({
        "cluster": "main", "group": "g", "state": "Stable", "members": 2, "status": "OK",
        "max_partitions_by_member": 1, "partitions_by_member": [1, 0], "rebalances": 0,
        "last_rebalance": null, "topics": [topic], "kind": "group", "rates_from": "offsets",
        "depth": null, "oldest_age_seconds": null, "added": null, "done": null,
    });
    assert_eq!(json, merged([group, counts, behind]));
}

#[tokio::test]
async fn the_list_tells_groups_without_their_topics() {
    let (ticks, _) = draining();
    let setting = Setting::recorded(ticks);
    for uri in ["/api/v1/groups", "/api/v1/groups?cluster=main"] {
        let json = setting.get(uri).await.json();
        assert_eq!(json.as_array().map(Vec::len), Some(1));
        assert_eq!(at(&json, "/0/lag"), &json!(200));
        assert_eq!(json.pointer("/0/topics"), None);
    }
    let other = setting.get("/api/v1/groups?cluster=other").await;
    assert_eq!(other.json(), json!([]));
}

#[tokio::test]
async fn clusters_are_told_whether_read_or_not() {
    let (ticks, newest) = draining();
    let json = Setting::recorded(ticks)
        .get("/api/v1/clusters")
        .await
        .json();
    let expected = json!([
        {
            "cluster": "main", "kind": "kafka", "as_of": newest.to_string(), "freshness": "fresh",
            "group_count": 1, "topic_count": 1, "gap_count": 0,
        },
        {
            "cluster": "other", "kind": "kafka", "as_of": null, "freshness": "unknown",
            "group_count": null, "topic_count": null, "gap_count": null,
        },
    ]);
    assert_eq!(json, expected);
}

#[tokio::test]
async fn a_backlog_that_grows_has_no_eta() {
    let newest = ago(1);
    let earlier = newest.minus(Duration::from_secs(10));
    let ticks = vec![tick(earlier, &[(0, 100)]), tick(newest, &[(1, 200)])];
    let json = Setting::recorded(ticks)
        .get("/api/v1/groups/g")
        .await
        .json();
    assert_eq!(at(&json, "/eta_seconds"), &Value::Null);
    assert_eq!(at(&json, "/drains"), &json!(false));
}

#[tokio::test]
async fn an_unknown_partition_makes_sums_null_and_says_why() {
    let mut tick = tick(ago(1), &[(5, 10), (5, 10)]);
    tick.topics = vec![testing::topic("t", [Some(10), None].into_iter())];
    tick.gaps = vec![gap(
        GapScope::Partition("t".into(), 1),
        "leader not available",
    )];
    let json = Setting::recorded(vec![tick])
        .get("/api/v1/groups/g")
        .await
        .json();

    for scope in ["", "/topics/0", "/topics/0/partitions/1"] {
        for key in [
            "lag",
            "arrival_rate",
            "time_lag_seconds",
            "eta_seconds",
            "drains",
        ] {
            assert_eq!(
                at(&json, &format!("{scope}/{key}")),
                &Value::Null,
                "{scope}"
            );
        }
        assert_eq!(at(&json, &format!("{scope}/freshness")), "unknown");
        let reason = at(&json, &format!("{scope}/reason"));
        assert_eq!(reason, "partition t-1: leader not available");
    }
    assert_eq!(at(&json, "/topics/0/partitions/0/lag"), &json!(5));
    assert_eq!(at(&json, "/topics/0/partitions/0/reason"), &Value::Null);
}

#[tokio::test]
async fn what_is_old_is_stale_and_then_unknown() {
    let stale = Setting::recorded(vec![tick(ago(100), &[(5, 10)])]);
    let json = stale.get("/api/v1/groups/g").await.json();
    assert_eq!(
        (at(&json, "/lag"), at(&json, "/freshness")),
        (&json!(5), &json!("stale"))
    );

    let since = ago(4_000);
    let unknown = Setting::recorded(vec![tick(since, &[(5, 10)])]);
    let json = unknown.get("/api/v1/groups/g").await.json();
    assert_eq!(at(&json, "/lag"), &Value::Null);
    assert_eq!(at(&json, "/members"), &Value::Null);
    assert_eq!(at(&json, "/freshness"), "unknown");
    assert_eq!(
        at(&json, "/reason"),
        &json!(format!("no usable reading since {since}"))
    );
}

#[tokio::test]
async fn a_group_without_a_commit_has_no_lag_but_records_to_read() {
    let mut tick = tick(ago(1), &[(0, 10)]);
    tick.groups[0].topics[0].commits = vec![Commit::None];
    let json = Setting::recorded(vec![tick])
        .get("/api/v1/groups/g")
        .await
        .json();
    assert_eq!(at(&json, "/lag"), &Value::Null);
    assert_eq!(at(&json, "/eta_seconds"), &Value::Null);
    assert_eq!(at(&json, "/partitions_without_commit"), &json!(1));
    assert_eq!(at(&json, "/records_without_commit"), &json!(10));
    assert_eq!(at(&json, "/freshness"), "fresh");
}

#[tokio::test]
async fn a_group_that_can_not_be_read_says_why() {
    let mut tick = tick(ago(1), &[(0, 10)]);
    tick.gaps = vec![gap(
        GapScope::Group("h".into()),
        "coordinator not available",
    )];
    let json = Setting::recorded(vec![tick])
        .get("/api/v1/groups/h")
        .await
        .json();
    assert_eq!(at(&json, "/lag"), &Value::Null);
    assert_eq!(at(&json, "/freshness"), "unknown");
    assert_eq!(
        at(&json, "/reason"),
        "group \"h\": coordinator not available"
    );
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let mut elsewhere = tick(ago(1), &[(0, 10)]);
    elsewhere.cluster = "other".into();
    let setting = Setting::recorded(vec![tick(ago(1), &[(0, 10)]), elsewhere]);
    for (uri, expected) in [
        (
            "/api/v1/groups/h",
            (404, "not_found", "there is no group \"h\""),
        ),
        (
            "/api/v1/groups/%3Cscript%3E",
            (404, "not_found", "there is no group \"<script>\""),
        ),
        (
            "/api/v1/groups/h?cluster=main",
            (
                404,
                "not_found",
                "there is no group \"h\" in cluster \"main\"",
            ),
        ),
        (
            "/api/v1/groups?cluster=west",
            (404, "not_found", "there is no cluster \"west\""),
        ),
        (
            "/api/v1/groups/g",
            (
                400,
                "ambiguous_group",
                "accepted for cluster is \"main\" or \"other\"",
            ),
        ),
        (
            "/api/v1/groups?topic=t",
            (400, "unknown_parameter", "accepted are cluster"),
        ),
        ("/api/v1/groups/%FF", (404, "not_found", "nothing at")),
        (
            "/api/v2",
            (404, "not_found", "there is nothing at \"/api/v2\""),
        ),
    ] {
        let (status, code, message) = setting.get(uri).await.error();
        assert_eq!(
            (status, code.as_str()),
            (expected.0, expected.1),
            "{uri}: {message}"
        );
        assert!(message.contains(expected.2), "{uri}: {message}");
    }
    let answer = setting.get("/api/v1/groups/g?cluster=other").await;
    assert_eq!(at(&answer.json(), "/cluster"), "other");
}

#[tokio::test]
async fn every_answer_is_typed_and_not_kept() {
    let setting = Setting::recorded(Vec::new());
    for (method, uri, status, content_type) in [
        (Method::GET, "/healthz", 200, "application/json"),
        (Method::GET, "/nowhere", 404, "application/json"),
        (Method::POST, "/api/v1/groups", 405, "application/json"),
        (
            Method::GET,
            "/metrics",
            200,
            "text/plain; version=0.0.4; charset=utf-8",
        ),
    ] {
        let answer = setting.ask(method, uri).await;
        assert_eq!(answer.status, status, "{uri}");
        assert_eq!(answer.headers["content-type"], content_type);
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cache-control"], "no-store");
        if status == 405 {
            assert_eq!(answer.headers["allow"], "GET,HEAD");
            assert_eq!(answer.error().1, "method_not_allowed");
        }
    }
}

#[tokio::test]
async fn a_partition_that_stopped_is_told_with_the_group() {
    let begin = ago(301);
    let tick_at = |n: u64| {
        let (at, n) = (begin.plus(Duration::from_secs(10 * n)), 10 * n as i64);
        tick(at, &[(n.min(100), n + 5), (7, 7)])
    };
    let setting = Setting::recorded((0..=30).map(tick_at).collect());
    let json = setting.get("/api/v1/groups/g").await.json();
    assert_eq!(at(&json, "/status"), "ERR");
    assert_eq!(at(&json, "/topics/0/partitions/0/status"), "STOP");
    assert_eq!(at(&json, "/topics/0/partitions/1/status"), "OK");
    let list = setting.get("/api/v1/groups").await.json();
    assert!(list[0].get("status").is_none(), "{list}");
}
