//! Grafana's requests, as the plugin sends them, behind the real router.

mod annotations;
mod infinity;
mod lists;
mod series;
mod wrong;

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    http::{Method, Request},
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::model::{Commit, Tick};

use super::super::{
    HttpState, history, router,
    testing::{Setting, T0_MS, group, t0_plus, told_change, topic},
};

/// What was answered.
struct Answered {
    status: u16,
    json: Value,
}

impl Answered {
    fn rows(&self) -> &[Value] {
        assert_eq!(self.status, 200, "{}", self.json);
        self.json.as_array().expect("an array")
    }

    /// The status and message of an error, which has the plugin's shape.
    fn error(&self) -> (u16, &str) {
        let message = self.json["message"].as_str().expect("a message");
        let error = &self.json["error"];
        assert_eq!(error["message"], message, "{}", self.json);
        assert!(error["code"].is_string(), "{}", self.json);
        (self.status, message)
    }
}

async fn post(state: &Arc<HttpState>, path: &str, body: impl Into<Body>) -> Answered {
    let router = router(watch::channel(Arc::clone(state)).1);
    let request = Request::builder().method(Method::POST).uri(path);
    let request = request.body(body.into()).expect("a request");
    let response = router.oneshot(request).await.expect("an answer");
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await;
    let json = serde_json::from_slice(&body.expect("a body")).expect("JSON");
    Answered { status, json }
}

async fn ask(setting: &Setting, path: &str, body: Value) -> Answered {
    post(&setting.state, path, body.to_string()).await
}

/// A panel's request over so many seconds from T0.
fn panel(from: i64, to: i64, targets: Value) -> Value {
    json!({
        "range": {
            "from": t0_plus(from).to_string(),
            "to": t0_plus(to).to_string(),
            "raw": {"from": "now-1h", "to": "now"},
        },
        "intervalMs": 10_000,
        "maxDataPoints": 1_000,
        "scopedVars": {"__interval": {"text": "10s", "value": "10s"}},
        "filters": [],
        "targets": targets,
    })
}

fn target(metric: &str, payload: Value) -> Value {
    json!({"refId": "A", "target": metric, "payload": payload, "editorMode": "builder"})
}

async fn query(setting: &Setting, to: i64, metric: &str, payload: Value) -> Answered {
    let body = panel(0, to, json!([target(metric, payload)]));
    ask(setting, "/grafana/query", body).await
}

/// A tick of cluster `main` in which groups have read so far of topics with 100
/// records in each of two partitions; `None`: could not be read.
fn many(seconds: i64, groups: &[(&str, &str, Option<i64>)]) -> Tick {
    let at = |committed: Option<i64>| committed.map_or(Commit::Unread, Commit::At);
    let mut topics: Vec<_> = groups.iter().map(|(_, topic, _)| *topic).collect();
    topics.sort_unstable();
    topics.dedup();
    Tick {
        cluster: "main".into(),
        at: t0_plus(seconds),
        topics: topics
            .into_iter()
            .map(|name| topic(name, [Some(100); 2].into_iter()))
            .collect(),
        groups: groups
            .iter()
            .map(|(name, topic, committed)| {
                group(name, topic, [at(*committed), Commit::At(90)].into_iter())
            })
            .collect(),
        gaps: Vec::new(),
    }
}

/// Three groups; one is the other's historic one. Lags 110, 60, 30.
fn three(seconds: i64) -> Tick {
    many(
        seconds,
        &[
            ("g", "t", Some(0)),
            ("g-historic", "t", Some(50)),
            ("h.1", "u", Some(80)),
        ],
    )
}

fn three_groups() -> Setting {
    Setting::recorded(vec![three(0), three(10), three(20)])
}

/// The values of each series, by what its labels say.
fn values(answered: &Answered) -> Vec<(String, Vec<Value>)> {
    let of = |series: &Value| {
        let tags = series["tags"].as_object().expect("tags");
        let name = ["cluster", "group", "topic", "partition"];
        let name = name.iter().filter_map(|key| tags.get(*key)?.as_str());
        let points = series["datapoints"].as_array().expect("points");
        let values = points.iter().map(|point| point[0].clone());
        (name.collect::<Vec<_>>().join("/"), values.collect())
    };
    answered.rows().iter().map(of).collect()
}

fn labels(answered: &Answered) -> Vec<String> {
    values(answered).into_iter().map(|(name, _)| name).collect()
}
