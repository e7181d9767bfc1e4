//! Time series.

use std::collections::BTreeMap;

use super::*;

#[tokio::test]
async fn a_series_is_what_history_tells() {
    let mut ticks: Vec<_> = (0..30).map(|n| three(n * 10)).collect();
    // A gap of some steps, and one reading that failed.
    ticks.drain(10..15);
    ticks[20].groups[0].topics[0].commits[0] = Commit::Unread;
    let setting = Setting::recorded(ticks);
    for metric in [
        "lag",
        "lag_max",
        "time_lag_seconds",
        "arrival_rate",
        "members",
        "status",
    ] {
        for (from, to, points, step) in [
            (0, 290, 1_000, "10s"),
            (-50, 400, 10, "1m"),
            (3, 97, 3, "1m"),
        ] {
            let mut body = panel(from, to, json!([target(metric, json!({"group": "g"}))]));
            body["maxDataPoints"] = json!(points);
            let answered = ask(&setting, "/grafana/query", body).await;
            let series = answered.rows();
            assert_eq!(series.len(), 1, "{metric}");
            let datapoints = series[0]["datapoints"].as_array().expect("points");
            assert!(datapoints.len() <= points, "{metric}: {}", datapoints.len());

            let (from, to) = (t0_plus(from), t0_plus(to));
            let path =
                format!("/api/v1/history?group=g&metric={metric}&from={from}&to={to}&step={step}");
            let history = setting.get(&path).await.json();
            let history = history.as_array().expect("rows");
            let expected: Vec<_> = history.iter().map(|row| point(row, metric)).collect();
            assert_eq!(*datapoints, expected, "{metric} {from} {to}");
        }
    }
}

/// How far most points are apart.
fn step_of(datapoints: &[Value]) -> i64 {
    let time = |point: &Value| point[1].as_i64().expect("a time");
    let apart = datapoints
        .windows(2)
        .map(|two| time(&two[1]) - time(&two[0]));
    let mut counted = BTreeMap::new();
    apart.for_each(|apart| *counted.entry(apart).or_insert(0) += 1);
    let most = counted.into_iter().max_by_key(|(_, count)| *count);
    most.expect("two points").0
}

/// A row of history as a point of a series.
fn point(row: &Value, metric: &str) -> Value {
    let time = row["time"].as_str().expect("a time");
    let time = chrono::DateTime::parse_from_rfc3339(time).expect("a time");
    let value = match &row[metric] {
        Value::String(word) => match word.as_str() {
            "OK" => json!(1.0),
            "WARN" => json!(2.0),
            "ERR" => json!(3.0),
            other => panic!("{other}"),
        },
        value => value.as_f64().map_or(Value::Null, |number| json!(number)),
    };
    json!([value, time.timestamp_millis()])
}

#[tokio::test]
async fn a_gap_is_null() {
    let setting = Setting::recorded(vec![three(0), three(10), three(40)]);
    let answered = query(&setting, 40, "lag", json!({"group": "g"})).await;
    let expected = [
        json!(110.0),
        json!(110.0),
        Value::Null,
        Value::Null,
        json!(110.0),
    ];
    assert_eq!(values(&answered)[0].1, expected);
}

#[tokio::test]
async fn a_series_has_labels_and_its_target() {
    let setting = three_groups();
    let answered = query(
        &setting,
        20,
        "lag",
        json!({"group": "h.1", "partition": "*"}),
    )
    .await;
    let series = &answered.rows()[1];
    let expected = json!({"cluster": "main", "group": "h.1", "topic": "u", "partition": "1"});
    assert_eq!(series["tags"], expected);
    assert_eq!(
        series["target"], "lag main h.1 u-1",
        "two clusters are configured"
    );
    assert_eq!(series["refId"], "A");
    assert_eq!(series["datapoints"][2], json!([10.0, T0_MS + 20_000]));
}

#[tokio::test]
async fn payloads_pick_groups_topics_and_partitions() {
    let setting = three_groups();
    let (g, h) = ("main/g/t", "main/h.1/u");
    for (payload, expected) in [
        (json!({}), vec![g, h]),
        (json!(""), vec![g, h]),
        (json!({"group": "*"}), vec![g, h]),
        (json!({"group": "All"}), vec![g, h]),
        (json!({"group": ""}), vec![g, h]),
        (json!({"group": "g"}), vec![g]),
        (json!({"group": ["g", "h.1"]}), vec![g, h]),
        (json!({"group": r"(g|h\.1)"}), vec![g, h]),
        (json!({"group": r"h\.1"}), vec![h]),
        (json!({"group": "(g|gone)"}), vec![g]),
        (json!({"topic": "u"}), vec![h]),
        (json!({"topic": ["t", "u"]}), vec![g, h]),
        (json!({"cluster": "other"}), vec![]),
        (json!({"cluster": "main", "group": "g"}), vec![g]),
        (json!({"group": "g", "partition": 1}), vec!["main/g/t/1"]),
        (
            json!({"group": "g", "partition": "*"}),
            vec!["main/g/t/0", "main/g/t/1"],
        ),
        (
            json!({"group": "g", "partition": "(0|1)"}),
            vec!["main/g/t/0", "main/g/t/1"],
        ),
        (json!({"group": "g-historic"}), vec!["main/g-historic/t"]),
        (
            json!({"group": "g", "includeHistoric": "true"}),
            vec![g, "main/g-historic/t"],
        ),
    ] {
        let answered = query(&setting, 20, "lag", payload.clone()).await;
        assert_eq!(labels(&answered), expected, "{payload}");
    }
}

#[tokio::test]
async fn filters_narrow_what_payloads_pick() {
    let setting = three_groups();
    let (g, h) = ("main/g/t", "main/h.1/u");
    for (key, operator, value, expected) in [
        ("group", "=", "g", vec![g]),
        ("group", "!=", "g", vec![h]),
        ("group", "=~", "h.*", vec![h]),
        ("group", "=~", "h", vec![]),
        ("group", "!~", "h.*", vec![g]),
        ("topic", "=~", "t|u", vec![g, h]),
        ("topic", "!=", "t", vec![h]),
        ("cluster", "=", "main", vec![g, h]),
        ("cluster", "=~", "oth.*", vec![]),
        ("group", "=", "g-historic", vec!["main/g-historic/t"]),
        ("partition", "=", "1", vec!["main/g/t/1", "main/h.1/u/1"]),
        (
            "partition",
            "!~",
            "[1-9]",
            vec!["main/g/t/0", "main/h.1/u/0"],
        ),
    ] {
        let filter = json!({"key": key, "operator": operator, "value": value});
        for name in ["filters", "adhocFilters"] {
            let mut body = panel(0, 20, json!([target("lag", json!({}))]));
            body[name] = json!([filter]);
            let answered = ask(&setting, "/grafana/query", body).await;
            assert_eq!(labels(&answered), expected, "{filter}");
        }
    }
}

#[tokio::test]
async fn variables_that_grafana_left_are_filled_in() {
    let setting = three_groups();
    for (text, expected) in [
        ("$group", vec!["main/g/t", "main/h.1/u"]),
        ("${group}", vec!["main/g/t", "main/h.1/u"]),
        ("[[group:regex]]", vec!["main/g/t", "main/h.1/u"]),
        ("${one}-historic", vec!["main/g-historic/t"]),
        ("$every", vec!["main/g/t", "main/h.1/u"]),
    ] {
        let mut body = panel(0, 20, json!([target("$metric", json!({"group": text}))]));
        body["scopedVars"] = json!({
            "group": {"text": "g + h.1", "value": ["g", "h.1"], "selected": true},
            "one": {"text": "g", "value": "g"},
            "every": {"text": "All", "value": "$__all"},
            "metric": {"text": "lag", "value": "lag"},
        });
        let answered = ask(&setting, "/grafana/query", body).await;
        assert_eq!(labels(&answered), expected, "{text}");
    }
}

#[tokio::test]
async fn several_series_are_put_together() {
    let setting = three_groups();
    for (aggregation, historic, expected) in [
        ("sum", "false", 140.0),
        ("sum", "true", 200.0),
        ("max", "true", 110.0),
        ("min", "true", 30.0),
        ("avg", "false", 70.0),
    ] {
        let payload = json!({"aggregation": aggregation, "includeHistoric": historic});
        let answered = query(&setting, 20, "lag", payload).await;
        let values = values(&answered);
        assert_eq!(values.len(), 1, "{aggregation}");
        assert_eq!(
            values[0].1,
            [json!(expected), json!(expected), json!(expected)]
        );
    }
    let nothing = json!({"aggregation": "sum", "cluster": "other"});
    assert!(query(&setting, 20, "lag", nothing).await.rows().is_empty());
}

#[tokio::test]
async fn with_one_that_is_unknown_all_of_it_is() {
    let failed = many(10, &[("g", "t", None), ("h.1", "u", Some(80))]);
    let setting = Setting::recorded(vec![three(0), failed, three(20)]);
    for aggregation in ["sum", "max", "min", "avg"] {
        let payload = json!({"aggregation": aggregation});
        let answered = query(&setting, 20, "lag", payload).await;
        let values = &values(&answered)[0].1;
        assert!(values[0].is_number() && values[2].is_number(), "{values:?}");
        assert_eq!(values[1], Value::Null, "{aggregation}");
    }
}

#[tokio::test]
async fn a_sum_does_not_fall_while_a_cluster_has_not_come_to_the_newest_step() {
    let mut ticks = Vec::new();
    for n in 0..3 {
        ticks.push(three(n * 10));
        let mut other = three(n * 10);
        other.cluster = "other".into();
        ticks.push(other);
    }
    ticks.pop();
    let setting = Setting::recorded(ticks);
    let answered = query(&setting, 20, "lag", json!({"aggregation": "sum"})).await;
    assert_eq!(values(&answered)[0].1, [json!(280.0), json!(280.0)]);
}

#[tokio::test]
async fn the_step_is_round_and_gives_no_more_points_than_asked_for() {
    let setting = Setting::recorded((0..400).map(|n| three(n * 10)).collect());
    for (interval_ms, points, expected_step, to) in [
        (json!(1_000), json!(10_000), 10_000, 600),
        (json!(20_000), json!(10_000), 30_000, 600),
        (json!(1), json!(100), 60_000, 3_990),
        (json!(1), json!(99.5), 60_000, 3_990),
        (json!(null), json!(null), 10_000, 3_990),
        (json!(1e300), json!(5), 86_400_000, 600),
    ] {
        let mut body = panel(0, to, json!([target("lag", json!({"group": "g"}))]));
        body["intervalMs"] = interval_ms.clone();
        body["maxDataPoints"] = points.clone();
        let answered = ask(&setting, "/grafana/query", body).await;
        let datapoints = answered.rows()[0]["datapoints"].as_array().expect("points");
        if let Some(points) = points.as_f64() {
            assert!(
                datapoints.len() as f64 <= points,
                "{} points",
                datapoints.len()
            );
        }
        if datapoints.len() > 1 {
            assert_eq!(step_of(datapoints), expected_step, "{interval_ms} {points}");
        }
    }
}

#[tokio::test]
async fn targets_are_answered_in_their_order() {
    let setting = three_groups();
    let mut targets = vec![
        target("members", json!({"group": "h.1"})),
        target("lag", json!({"group": "g"})),
        target("lag", json!({"group": "h.1"})),
        target("groups", json!({})),
        target("", json!({})),
        json!({"refId": "F", "payload": {}}),
    ];
    for (target, letter) in targets.iter_mut().zip(["C", "A", "B", "D", "E", "F"]) {
        target["refId"] = json!(letter);
    }
    targets[1]["hide"] = json!(true);
    let answered = ask(&setting, "/grafana/query", panel(0, 20, json!(targets))).await;
    let ids: Vec<_> = answered.rows().iter().map(|item| &item["refId"]).collect();
    assert_eq!(ids, ["C", "B", "D"]);
}

#[tokio::test]
async fn what_keda_was_told_is_a_series_too() {
    let told = |seconds, value: i64| {
        told_change(seconds, "g", [Some(value * 1_000), Some(100_000), Some(1)])
    };
    let ticks = vec![three(0), three(10), three(20)];
    let setting = Setting::recorded_and_told(ticks, vec![told(0, 100), told(20, 101)]);
    for (metric, expected) in [
        ("metric_value", [100.0, 100.0, 101.0]),
        ("target", [100.0, 100.0, 100.0]),
        ("active", [1.0, 1.0, 1.0]),
        ("implied_replicas", [1.0, 1.0, 2.0]),
    ] {
        let answered = query(&setting, 20, metric, json!({"group": "g"})).await;
        assert_eq!(
            values(&answered)[0].1,
            expected.map(|value| json!(value)),
            "{metric}"
        );
    }
}
