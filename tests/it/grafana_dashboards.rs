//! Each query of each dashboard is answered by a running scaler, as Grafana
//! would send it.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};
use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    eventually,
    queue::{record_task, unreachable},
    scaler::{Scaler, configuration, named_groups, scaled_object},
};

const GROUP: &str = "orders-service";
const METADATA: &[(&str, &str)] = &[
    ("consumerGroup", GROUP),
    ("topic", "orders"),
    ("lagThreshold", "100"),
    ("allowIdleConsumers", "true"),
];

/// Panels without a value here, and why.
const EMPTY_HERE: [(&str, &str); 9] = [
    // KEDA asks for no task.
    ("tidegauge-prometheus-queue", "Replicas implied"),
    // Nothing is deleted.
    (
        "tidegauge-prometheus-overview",
        "Records deleted before they were read",
    ),
    // Scraped from /metrics, not recorded.
    (
        "tidegauge-prometheus-overview",
        "Gaps in the newest reading",
    ),
    // The embedded brokers know no members.
    (
        "tidegauge-prometheus-overview",
        "Groups, what needs attention first G",
    ),
    ("tidegauge-prometheus-group", "Members"),
    ("tidegauge-json-group", "Members"),
    ("tidegauge-prometheus-group", "Members changed"),
    (
        "tidegauge-prometheus-group",
        "Replicas implied, and members B",
    ),
    ("tidegauge-json-group", "Replicas implied, and members B"),
];

/// What stands in /metrics once there is any: nothing is sealed here yet, and
/// nothing is missing.
const NOT_YET: [&str; 3] = [
    "tidegauge_store_level_bytes",
    "tidegauge_store_dropped_chunks_total",
    "tidegauge_gaps",
];

/// Its metrics are scraped from /metrics, and in no history.
const SCRAPED: &str = "tidegauge-prometheus-scaler";

/// The queue that has a history, and can't be read now.
const QUEUE: &str = "work";

/// A group that catches up, of which KEDA is told, one that stands still, and a
/// queue's task.
async fn recorded() -> (EmbeddedCluster, tempfile::TempDir, Scaler) {
    let cluster = EmbeddedCluster::start(1).unwrap();
    let producer = cluster.producer().unwrap();
    for topic in ["orders", "audit"] {
        cluster.create_topic(topic, 2).unwrap();
        for partition in 0..2 {
            producer.send(topic, Some(partition), 500).unwrap();
        }
    }
    producer.flush().unwrap();
    let standing = [("audit", 0, 100), ("audit", 1, 100)];
    cluster
        .commit_offsets("audit-service", &standing)
        .await
        .unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    record_task(data_dir.path(), QUEUE, "ingest");
    let groups = named_groups(&[(GROUP, "orders"), ("audit-service", "audit")]);
    let queue = unreachable(QUEUE);
    let rest = format!("{groups}{queue}[estimator]\nwindow = \"30s\"\n");
    let text = configuration(data_dir.path(), &cluster.bootstrap_servers(), &rest);
    let scaler = Scaler::start(&text);

    // The target is told with the spec.
    let mut client = scaler.client().await;
    let object = scaled_object(METADATA);
    client.get_metric_spec(object).await.unwrap();
    let mut read = 0;
    eventually("the group catches up, and KEDA is told so", async || {
        read = (read + 1).min(450);
        let commits = [("orders", 0, read), ("orders", 1, read)];
        cluster.commit_offsets(GROUP, &commits).await.unwrap();
        scaler.told(METADATA).await.ok()?;
        let metrics = "eta_seconds,implied_replicas,time_lag_seconds";
        let path = format!("/api/v1/history?group={GROUP}&metric={metrics}&step=raw");
        let rows = scaler.json(&path).await;
        let newest = rows.as_array()?.last()?.clone();
        let replicas = rows.as_array()?.iter().map(|row| &row["implied_replicas"]);
        let replicas: BTreeSet<_> = replicas.filter_map(Value::as_i64).collect();
        (newest["eta_seconds"].is_f64() && replicas.len() > 1).then_some(())
    })
    .await;
    (cluster, data_dir, scaler)
}

fn dashboards(folder: &str) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    let files = fs::read_dir(root.join(folder)).unwrap();
    let read = |path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let found: Vec<_> = files.map(|file| read(file.unwrap().path())).collect();
    assert!(found.len() >= 2, "{folder}");
    found
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {value}"))
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).unwrap()
}

/// Variables and macros with their values, as Grafana puts them in. All there
/// are is the variable's own word for that, which is not escaped.
fn interpolated(dashboard: &Value, query: &str) -> String {
    let mut query = query.to_owned();
    let macros = [
        ("$__rate_interval", "60s"),
        ("$__interval", "10s"),
        ("$__range", "3600s"),
    ];
    for (name, value) in macros {
        query = query.replace(name, value);
    }
    for variable in list(dashboard, "/templating/list") {
        let value = match variable["allValue"].as_str() {
            Some(all) => all,
            None if variable["name"] == "group" => GROUP,
            None if variable["name"] == "queue" => QUEUE,
            None => continue,
        };
        query = query.replace(&format!("${}", text(variable, "name")), value);
    }
    assert!(!query.contains('$'), "a variable is left in {query}");
    query
}

/// Of each panel, its title and its queries, the first without its letter; of
/// annotations, too.
fn queries(dashboard: &Value) -> Vec<(String, Value)> {
    let mut queries = Vec::new();
    for panel in list(dashboard, "/panels") {
        for (place, target) in list(panel, "/targets").iter().enumerate() {
            let letter = match place {
                0 => String::new(),
                _ => format!(" {}", text(target, "refId")),
            };
            queries.push((format!("{}{letter}", text(panel, "title")), target.clone()));
        }
    }
    for annotation in list(dashboard, "/annotations/list") {
        let mut query = annotation.get("target").unwrap_or(annotation).clone();
        query["datasource"] = annotation["datasource"].clone();
        queries.push((text(annotation, "name").to_owned(), query));
    }
    queries
}

fn may_be_empty(dashboard: &Value, title: &str) -> bool {
    let uid = text(dashboard, "uid");
    uid == SCRAPED || EMPTY_HERE.contains(&(uid, title))
}

fn hour() -> (String, String) {
    let now = chrono::Utc::now();
    let text = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339();
    (text(now - chrono::Duration::hours(1)), text(now))
}

/// Sends one request of a panel, and gives back the answer.
async fn send(request: reqwest::RequestBuilder, what: &str) -> Value {
    let response = request.send().await.unwrap();
    let status = response.status();
    let body = response.text().await.unwrap();
    assert_eq!(status, 200, "{what}: {body}");
    serde_json::from_str(&body).unwrap()
}

async fn prometheus(scaler: &Scaler, path: &str, query: &[(&str, &str)]) -> Value {
    let url = format!("http://{}/prometheus/api/v1/{path}", scaler.http_address());
    let answer = send(
        reqwest::Client::new().get(url).query(query),
        &format!("{query:?}"),
    )
    .await;
    assert_eq!(answer["status"], "success", "{query:?}");
    answer["data"].clone()
}

async fn grafana(scaler: &Scaler, path: &str, body: Value) -> Vec<Value> {
    let url = format!("http://{}/grafana/{path}", scaler.http_address());
    let answer = send(
        reqwest::Client::new().post(url).json(&body),
        &body.to_string(),
    )
    .await;
    answer.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_query_for_prometheus_is_answered() {
    let (_cluster, _data_dir, scaler) = recorded().await;
    let (from, to) = hour();
    let (_, page) = scaler.get("/metrics").await;
    for dashboard in dashboards("prometheus") {
        for (title, query) in queries(&dashboard) {
            let expr = interpolated(&dashboard, text(&query, "expr"));
            let data = if query["instant"] == true {
                prometheus(&scaler, "query", &[("query", &expr), ("time", &to)]).await
            } else {
                let range = [
                    ("query", &*expr),
                    ("start", &from),
                    ("end", &to),
                    ("step", "10"),
                ];
                prometheus(&scaler, "query_range", &range).await
            };
            let found = data["result"].as_array().unwrap();
            let is_found = !found.is_empty() || may_be_empty(&dashboard, &title);
            assert!(
                is_found,
                "{}: {title} has nothing: {expr}",
                dashboard["uid"]
            );
            names_what_is_scraped(&page, &expr);
        }
        for variable in list(&dashboard, "/templating/list") {
            let Some(query) = variable["query"]["query"].as_str() else {
                continue;
            };
            let query = interpolated(&dashboard, query);
            let inside = query
                .strip_prefix("label_values(")
                .unwrap()
                .strip_suffix(')');
            let (series, label) = inside.unwrap().rsplit_once(", ").unwrap();
            let path = format!("label/{label}/values");
            let values = prometheus(&scaler, &path, &[("match[]", series)]).await;
            if values.as_array().is_some_and(Vec::is_empty) {
                assert_eq!(text(&dashboard, "uid"), SCRAPED, "{query}");
                names_what_is_scraped(&page, series);
            }
        }
    }
}

/// Each metric in it stands in /metrics.
fn names_what_is_scraped(page: &str, expr: &str) {
    let words = expr.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'));
    for name in words.filter(|word| word.starts_with("tidegauge_") || word.starts_with("kafka_")) {
        let is_scraped = page.contains(&format!("# TYPE {name} "));
        assert!(
            is_scraped || NOT_YET.contains(&name),
            "no {name} in /metrics"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_query_for_the_json_plugin_is_answered() {
    let (_cluster, _data_dir, scaler) = recorded().await;
    let (from, to) = hour();
    let range = json!({"from": from, "to": to});
    for dashboard in dashboards("json") {
        for (title, query) in queries(&dashboard) {
            let mut query = query.clone();
            for value in query["payload"].as_object_mut().unwrap().values_mut() {
                *value = interpolated(&dashboard, value.as_str().unwrap()).into();
            }
            let body = json!({
                "range": range, "intervalMs": 10_000, "maxDataPoints": 500, "targets": [query],
            });
            let items = grafana(&scaler, "query", body).await;
            let is_found = items.iter().any(says_something) || may_be_empty(&dashboard, &title);
            assert!(
                is_found,
                "{}: {title} has nothing: {query}",
                dashboard["uid"]
            );
        }
        for variable in list(&dashboard, "/templating/list") {
            let Some(query) = variable["query"]["query"].as_str() else {
                continue;
            };
            let target = interpolated(&dashboard, query);
            let body = json!({"payload": {"target": target}, "range": range});
            assert!(
                !grafana(&scaler, "variable", body).await.is_empty(),
                "{target}"
            );
        }
    }
}

/// A series with a value, or a table with a row.
fn says_something(item: &Value) -> bool {
    let points = item["datapoints"].as_array().into_iter().flatten();
    let mut values = points.map(|point| &point[0]);
    let rows = item["rows"].as_array();
    rows.is_some_and(|rows| !rows.is_empty()) || values.any(|value| !value.is_null())
}

#[test]
fn dashboards_find_each_other_and_take_their_data_source_from_a_variable() {
    let all: Vec<_> = ["prometheus", "json"]
        .into_iter()
        .flat_map(dashboards)
        .collect();
    let uids: BTreeSet<_> = all.iter().map(|dashboard| text(dashboard, "uid")).collect();
    assert_eq!(uids.len(), all.len(), "each has an id of its own");
    for dashboard in &all {
        for (title, query) in queries(dashboard) {
            assert_eq!(query["datasource"]["uid"], "${datasource}", "{title}");
        }
        let panels = list(dashboard, "/panels");
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_i64()).collect();
        assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
        let text = dashboard.to_string();
        for link in text.split("\"/d/").skip(1) {
            let uid = link.split('?').next().unwrap();
            assert!(uids.contains(uid), "a link to {uid}");
        }
    }
}
