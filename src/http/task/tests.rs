//! A queue's task, at each place where groups are told.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};

use super::super::testing::{Setting, gap, queue_tick, t0_plus, tick};
use crate::model::{GapScope, QueueReading, Tick, TimestampMs};

fn begin() -> TimestampMs {
    TimestampMs::now().minus(Duration::from_secs(401))
}

fn at(begin: TimestampMs, n: i64) -> TimestampMs {
    begin.plus(Duration::from_secs(10 * n.unsigned_abs()))
}

/// 400 s of ticks, up to now: of group `g`, and of the task `ingest` of queue
/// `work`, of which 2 items/s come and 1 goes.
fn recorded(queue: fn(i64) -> QueueReading) -> (Setting, TimestampMs) {
    let begin = begin();
    let ticks = (0..41).flat_map(|n| {
        let task = queue_tick(at(begin, n), (20 * n, 10 * n), queue(n));
        [tick(at(begin, n), &[(10 * n, 10 * n)]), task]
    });
    (Setting::recorded(ticks.collect()), begin)
}

fn counted(n: i64) -> QueueReading {
    QueueReading {
        oldest_age_ms: Some(n * 1_000),
        added: Some(1_000 + 20 * n),
        done: None,
    }
}

fn depth_alone(_: i64) -> QueueReading {
    QueueReading::default()
}

fn assert_has(json: &Value, expected: Value) {
    for (key, value) in expected.as_object().expect("keys") {
        assert_eq!(&json[key], value, "{key} of {json}");
    }
}

const NO_TASK: [&str; 4] = ["depth", "oldest_age_seconds", "added", "done"];

#[tokio::test]
async fn a_task_has_a_depth_and_says_what_its_rates_are_made_of() {
    let (setting, _) = recorded(counted);
    let told = setting.get("/api/v1/groups/ingest").await.json();
    assert_has(
        &told,
        json!({
            "cluster": "work", "kind": "task", "depth": 400, "lag": 400,
            "oldest_age_seconds": 40.0, "time_lag_seconds": 40.0, "time_lag_at_least": false,
            "added": 1_800, "done": null, "rates_from": "counters",
            "arrival_rate": 2.0, "consumption_rate": 1.0, "drains": false,
            "freshness": "fresh", "reason": null,
        }),
    );
    for unknown in ["state", "members", "rebalances", "lost_records"] {
        assert_eq!(told[unknown], Value::Null, "{unknown}");
    }
    for level in [&told, &told["topics"][0]] {
        assert_eq!(level["partitions_without_commit"], Value::Null);
        assert_eq!(level["records_without_commit"], Value::Null);
    }
    let group = setting.get("/api/v1/groups/g").await.json();
    assert_has(&group, json!({"kind": "group", "rates_from": "offsets"}));
    for key in NO_TASK {
        assert_eq!(group.get(key), Some(&Value::Null), "{key}");
    }

    let clusters = setting.get("/api/v1/clusters").await.json();
    let kinds = ["main", "other", "work"].map(|name| {
        let mut clusters = clusters.as_array().expect("clusters").iter();
        clusters
            .find(|it| it["cluster"] == name)
            .expect("it is there")["kind"]
            .clone()
    });
    assert_eq!(kinds, ["kafka", "kafka", "queue"]);

    let (setting, _) = recorded(depth_alone);
    let groups = setting.get("/api/v1/groups?cluster=work").await.json();
    let expected = json!({
        "kind": "task", "depth": 400, "rates_from": "depth", "oldest_age_seconds": null,
        "added": null, "done": null,
    });
    assert_has(&groups[0], expected);
}

#[tokio::test]
async fn tasks_stand_among_the_groups_that_need_attention() {
    let (setting, _) = recorded(counted);
    let overview = setting.get("/api/v1/overview").await.json();
    let names = ["ingest", "g"].map(Value::from);
    let groups = overview["groups"].as_array().expect("groups");
    assert_eq!(
        groups
            .iter()
            .map(|it| it["group"].clone())
            .collect::<Vec<_>>(),
        names
    );
    let expected = json!({
        "kind": "task", "attention": "warning", "status": "WARN", "depth": 400,
        "oldest_age_seconds": 40.0, "rates_from": "counters", "members": null,
        "lost_records": null,
    });
    assert_has(&groups[0], expected);
    assert_has(&groups[1], json!({"kind": "group", "depth": null}));

    let top = setting.get("/api/v1/top").await.json();
    assert_has(
        &top[0],
        json!({"group": "ingest", "kind": "task", "lag": 400}),
    );
    assert_has(&top[1], json!({"group": "g", "kind": "group"}));
}

#[tokio::test]
async fn while_the_queue_can_not_be_read_its_task_is_unknown_and_no_zero() {
    let now = TimestampMs::now();
    let read = queue_tick(now.minus(Duration::from_secs(1_000)), (20, 10), counted(1));
    let failed = Tick {
        topics: Vec::new(),
        groups: Vec::new(),
        gaps: vec![gap(GapScope::Cluster, "no connection")],
        ..queue_tick(now, (0, 0), counted(1))
    };
    let told = Setting::recorded(vec![read, failed])
        .get("/api/v1/groups/ingest")
        .await
        .json();
    assert_has(
        &told,
        json!({
            "kind": "task", "depth": null, "lag": null, "oldest_age_seconds": null, "added": null,
            "rates_from": null, "arrival_rate": null, "freshness": "unknown", "status": null,
        }),
    );
    let reason = told["reason"].as_str().expect("a reason");
    assert!(reason.contains("no connection"), "{reason}");
}

async fn history(setting: &Setting, group: &str, metric: &str, query: &str) -> Vec<Value> {
    let uri = format!("/api/v1/history?group={group}&metric={metric}&{query}");
    let answer = setting.get(&uri).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().as_array().expect("rows").clone()
}

#[tokio::test]
async fn depth_age_and_counters_are_history() {
    let (setting, begin) = recorded(counted);
    let metrics = "lag,depth,oldest_age_seconds,added,done,rates_from,time_lag_seconds";
    let rows = history(
        &setting,
        "ingest",
        metrics,
        &format!("from={begin}&step=raw"),
    )
    .await;
    assert_eq!(rows.len(), 41);
    for (n, row) in (0..).zip(&rows) {
        let expected = json!({
            "lag": 10 * n, "depth": 10 * n, "oldest_age_seconds": n as f64,
            "added": 1_000 + 20 * n, "done": null, "rates_from": "counters",
            "time_lag_seconds": n as f64,
        });
        assert_has(row, expected);
    }
    let extremes = "depth,depth_first,depth_min,depth_max";
    let range = format!("from={begin}&to={}&step=100s", at(begin, 40));
    let steps = history(&setting, "ingest", extremes, &range).await;
    for row in &steps[1..steps.len() - 1] {
        let [depth, first, min, max] =
            ["depth", "depth_first", "depth_min", "depth_max"].map(|key| row[key].as_i64());
        assert_eq!((first, max), (min, depth), "it only grows");
        assert_eq!(
            depth.zip(first).map(|(depth, first)| depth - first),
            Some(90)
        );
    }
    let metrics = format!("{extremes},added,oldest_age_seconds");
    for row in history(&setting, "g", &metrics, &range).await {
        for key in [
            "depth",
            "depth_first",
            "depth_min",
            "depth_max",
            "added",
            "oldest_age_seconds",
        ] {
            assert_eq!(row.get(key), Some(&Value::Null), "{key}");
        }
    }
}

const LABELS: &str = r#"queue="work",task="ingest""#;

#[tokio::test]
async fn tasks_have_metrics_of_their_own_and_are_in_none_of_kafkas() {
    let (setting, _) = recorded(counted);
    let page = setting.get("/metrics").await.body;
    for expected in [
        format!("tidegauge_queue_depth{{{LABELS}}} 400"),
        format!("tidegauge_queue_oldest_age_seconds{{{LABELS}}} 40.0"),
        format!("tidegauge_queue_time_lag_seconds{{{LABELS}}} 40.0"),
        format!("tidegauge_queue_arrival_items_per_second{{{LABELS}}} 2.0"),
        format!("tidegauge_queue_consumption_items_per_second{{{LABELS}}} 1.0"),
        format!("tidegauge_queue_rates_from{{{LABELS},rates_from=\"counters\"}} 1"),
        format!("tidegauge_queue_status{{{LABELS},status=\"WARN\"}} 1"),
        "kafka_consumergroup_group_sum_lag{cluster_name=\"main\",group=\"g\"} 0".to_owned(),
    ] {
        assert!(
            page.lines().any(|line| line == expected),
            "{expected} is not in {page}"
        );
    }
    let of_groups = ["kafka_", "tidegauge_group_"];
    let mut strays = page
        .lines()
        .filter(|line| of_groups.iter().any(|of| line.starts_with(of)));
    assert!(
        !strays.any(|line| line.contains("work") || line.contains("ingest")),
        "{page}"
    );
    assert!(
        !page.contains("tidegauge_queue_eta_seconds{"),
        "it does not drain"
    );

    let (setting, _) = recorded(depth_alone);
    let page = setting.get("/metrics").await.body;
    let expected = format!("tidegauge_queue_rates_from{{{LABELS},rates_from=\"depth\"}} 1");
    assert!(page.lines().any(|line| line == expected), "{page}");
    assert!(
        !page.contains("tidegauge_queue_oldest_age_seconds{"),
        "{page}"
    );
}

async fn query(setting: &Setting, query: &str, time: TimestampMs) -> Vec<Value> {
    let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let time = time.0 as f64 / 1000.0;
    let answer = setting
        .get(&format!(
            "/prometheus/api/v1/query?query={query}&time={time}"
        ))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["data"]["result"]
        .as_array()
        .expect("a vector")
        .clone()
}

#[tokio::test]
async fn promql_says_what_the_page_says() {
    let (setting, begin) = recorded(counted);
    let newest = at(begin, 40);
    let page = setting.get("/metrics").await.body;
    let told = page
        .lines()
        .filter(|line| line.starts_with("tidegauge_queue_"));
    let mut count = 0;
    for line in told {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let found = query(&setting, series, newest).await;
        let found: Vec<f64> = found
            .iter()
            .map(|it| {
                it["value"][1]
                    .as_str()
                    .expect("text")
                    .parse()
                    .expect("a number")
            })
            .collect();
        assert_eq!(found, [value.parse::<f64>().expect("a number")], "{series}");
        count += 1;
    }
    assert_eq!(count, 7);
    assert_eq!(query(&setting, "{queue=\"work\"}", newest).await.len(), 7);
    assert_eq!(query(&setting, "{queue=\"main\"}", newest).await.len(), 0);
    let of_kafka = query(&setting, "{__name__=~\"kafka_.*\"}", newest).await;
    assert!(
        of_kafka
            .iter()
            .all(|it| it["metric"]["cluster_name"] == "main"),
        "{of_kafka:?}"
    );
    let at_work = query(&setting, "{cluster_name=\"work\"}", newest).await;
    assert_eq!(at_work, [] as [Value; 0]);
    let mean = query(
        &setting,
        "avg_over_time(tidegauge_queue_depth[100s])",
        newest,
    )
    .await;
    assert_eq!(mean[0]["value"][1], "350");
}

#[tokio::test]
async fn an_age_that_is_not_told_any_more_ends_at_once() {
    let begin = begin();
    let none = QueueReading::default();
    let ticks = [(0, counted(5)), (1, none)];
    let ticks = ticks.map(|(n, queue)| queue_tick(at(begin, 39 + n), (9, 5), queue));
    let setting = Setting::recorded(ticks.into());
    let age = "tidegauge_queue_oldest_age_seconds";
    assert_eq!(
        query(&setting, age, at(begin, 39)).await[0]["value"][1],
        "5"
    );
    assert_eq!(query(&setting, age, at(begin, 40)).await, [] as [Value; 0]);
    assert_eq!(
        query(&setting, "tidegauge_queue_depth", at(begin, 40))
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn burrow_knows_no_queue() {
    let (setting, _) = recorded(counted);
    let clusters = setting.get("/v3/kafka").await.json();
    assert_eq!(clusters["clusters"], json!(["main", "other"]));
    for path in [
        "",
        "/consumer",
        "/topic",
        "/consumer/ingest/status",
        "/topic/ingest",
    ] {
        let answer = setting.get(&format!("/v3/kafka/work{path}")).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    }
}

async fn grafana(setting: &Setting, path: &str, body: Value) -> Value {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/grafana/{path}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .expect("a request");
    let answer = setting.read(request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[tokio::test]
async fn grafana_shows_tasks_in_series_tables_and_variables() {
    let (setting, begin) = recorded(depth_alone);
    let newest = at(begin, 40);
    let of_query = |target: &str, payload: Value| {
        json!({
            "range": {"from": begin.to_string(), "to": newest.to_string()}, "intervalMs": 10_000,
            "maxDataPoints": 1_000,
            "targets": [{"refId": "A", "target": target, "payload": payload}],
        })
    };
    let last = async |metric: &str| {
        let asked = of_query(metric, json!({"cluster": "work", "group": "ingest"}));
        let series = grafana(&setting, "query", asked).await;
        let points = series[0]["datapoints"].as_array().expect("points").clone();
        points.last().expect("a point")[0].clone()
    };
    assert_eq!(last("depth").await, json!(400.0));
    assert_eq!(last("depth_max").await, json!(400.0));
    assert_eq!(last("rates_from").await, json!(2.0));
    assert_eq!(last("oldest_age_seconds").await, Value::Null);

    let table = grafana(
        &setting,
        "query",
        of_query("groups", json!({"cluster": "work"})),
    )
    .await;
    let columns = table[0]["columns"].as_array().expect("columns");
    let value = |name: &str| {
        let place = columns.iter().position(|it| it["text"] == name);
        table[0]["rows"][0][place.expect("a column")].clone()
    };
    let told = ["group", "kind", "depth", "rates_from", "members"].map(value);
    assert_eq!(
        told,
        [
            json!("ingest"),
            json!("task"),
            json!(400),
            json!("depth"),
            Value::Null
        ]
    );

    let lists = [
        ("clusters", "work"),
        ("queues", "work"),
        ("groups(work)", "ingest"),
    ];
    for (target, expected) in lists {
        let values = grafana(&setting, "variable", json!({"payload": {"target": target}})).await;
        let values = values.as_array().expect("values");
        assert!(
            values.iter().any(|it| it["__value"] == expected),
            "{values:?}"
        );
    }
}

/// From minutes: the lag's extremes are the depth's, and of age and counters there
/// is the newest of each minute.
#[tokio::test]
async fn over_minutes_a_depth_has_its_extremes_and_an_age_its_newest() {
    let depth = |n: i64| (n * n) % 97;
    let ticks =
        (0..3 * 360).map(|n| queue_tick(t0_plus(10 * n), (5_000 + depth(n), 5_000), counted(n)));
    let setting = Setting::recorded(ticks.collect());
    let mut sealer = setting.state.store.sealer();
    while sealer.step(t0_plus(3 * 3_600)).expect("sealing") {}
    let metrics = "depth,depth_first,depth_min,depth_max,oldest_age_seconds,added,rates_from";
    let (from, to) = (t0_plus(0), t0_plus(7_199));
    let uri = format!("/api/v1/history?group=ingest&metric={metrics}&from={from}&to={to}&step=60s");
    let answer = setting.get(&uri).await;
    assert_eq!(
        answer.headers["tidegauge-levels"], "raw, minutes",
        "raw is what comes after"
    );
    let rows = answer.json();
    let rows = rows.as_array().expect("rows");
    assert_eq!(rows.len(), 120);
    for (minute, row) in (0..).zip(rows) {
        let of_minute = || (6 * minute..6 * minute + 6).map(depth);
        let last = 6 * minute + 5;
        let expected = json!({
            "depth": depth(last), "depth_first": depth(6 * minute), "depth_min": of_minute().min(),
            "depth_max": of_minute().max(), "oldest_age_seconds": last as f64,
            "added": 1_000 + 20 * last, "rates_from": "counters",
        });
        assert_has(row, expected);
    }
}
