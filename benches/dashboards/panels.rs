//! What a dashboard of one group asks for, by each of the interfaces.

use std::net::SocketAddr;

use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tidegauge::model::{GroupId, TimestampMs};

const HOUR_MS: i64 = 3_600_000;

/// The last hour or six by JSON, PromQL and Grafana's plugin, and the page's
/// overview.
pub(crate) fn of(client: &Client, address: SocketAddr, group: &GroupId) -> Vec<RequestBuilder> {
    let now = TimestampMs::now().0;
    let get = |path: &str| client.get(format!("http://{address}{path}"));
    let history = |hours: i64, rest: &str| {
        let from = now - hours * HOUR_MS;
        get(&format!(
            "/api/v1/history?group={group}&from={from}&to={now}&{rest}"
        ))
    };
    let promql = |hours: i64, step: &str, query: &str| {
        let query = query.replace("$group", group.as_str());
        let (start, end) = ((now - hours * HOUR_MS) / 1_000, now / 1_000);
        let (start, end) = (start.to_string(), end.to_string());
        get("/prometheus/api/v1/query_range").query(&[
            ("query", query.as_str()),
            ("start", &start),
            ("end", &end),
            ("step", step),
        ])
    };
    let lag = json!({
        "range": { "from": TimestampMs(now - HOUR_MS).to_string(), "to": TimestampMs(now).to_string() },
        "intervalMs": 10_000,
        "maxDataPoints": 600,
        "targets": [{ "refId": "A", "target": "lag", "payload": { "group": group.as_str() } }],
    });
    vec![
        history(
            1,
            "step=30s&metric=arrival_rate,consumption_rate,eta_seconds",
        ),
        history(6, "step=5m&metric=lag_max&partition=*"),
        promql(
            6,
            "60",
            "sum by (topic) (kafka_consumergroup_group_topic_sum_lag{group=\"$group\"})",
        ),
        promql(
            1,
            "30",
            "ceil(tidegauge_told_metric_value{group=\"$group\"} / tidegauge_told_target)",
        ),
        client
            .post(format!("http://{address}/grafana/query"))
            .json(&lag),
        get("/api/v1/overview?points=60&limit=60"),
    ]
}
