//! A real Prometheus scrapes a running scaler, and knows then what the scaler's
//! own pages and queries say.

use std::collections::BTreeMap;

use serde_json::Value;
use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    eventually,
    prometheus::{Prometheus, ask, program, promtool},
    scaler::{Scaler, configuration, named_groups},
};

const METADATA: &[(&str, &str)] = &[
    ("consumerGroup", "g"),
    ("topic", "t"),
    ("lagThreshold", "100"),
];

/// What promtool would rather have called otherwise: kafka-lag-exporter's names,
/// which dashboards know.
const KNOWN_COMPLAINTS: [&str; 1] = ["kafka_consumergroup_poll_time_ms"];

/// All families that history tells of.
const RECORDED: &str =
    "{__name__=~\"kafka_(consumergroup_group|partition)_.+|tidegauge_(group|told)_.+\"}";

async fn scaler(cluster: &EmbeddedCluster, data: &std::path::Path) -> Scaler {
    cluster.create_topic("t", 2).unwrap();
    let producer = cluster.producer().unwrap();
    producer.send("t", Some(0), 50).unwrap();
    producer.send("t", Some(1), 7).unwrap();
    producer.flush().unwrap();
    cluster
        .commit_offsets("g", &[("t", 0, 20), ("t", 1, 7)])
        .await
        .unwrap();
    let groups = named_groups(&[("g", "t")]);
    let scaler = Scaler::start(&configuration(data, &cluster.bootstrap_servers(), &groups));
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 30.0);
    scaler
}

/// Values by labels, without those that Prometheus adds.
fn values(answer: &Value) -> BTreeMap<String, f64> {
    let rows = answer["data"]["result"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"));
    let one = |row: &Value| {
        let labels = row["metric"].as_object().unwrap().iter();
        let labels = labels.filter(|(name, _)| !["instance", "job"].contains(&name.as_str()));
        let labels = labels.map(|(name, value)| format!("{name}={value}"));
        let value = row["value"][1].as_str().unwrap().parse().unwrap();
        (labels.collect::<Vec<_>>().join(","), value)
    };
    rows.iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_what_the_api_tells() {
    let Some(program) = program("prometheus") else {
        return;
    };
    let cluster = EmbeddedCluster::start(1).unwrap();
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let scaler = scaler(&cluster, data.path()).await;
    let configuration = format!(
        "global: {{scrape_interval: 500ms}}\nscrape_configs: [{{job_name: tidegauge, \
         static_configs: [{{targets: [{:?}]}}]}}]\n",
        scaler.http_address()
    );
    let prometheus = Prometheus::start(&program, &configuration, folder.path());
    let client = reqwest::Client::new();
    let api = prometheus.api();

    eventually("the target is up", async || {
        let targets = ask(&client, &api, "targets", &[]).await;
        (targets["data"]["activeTargets"][0]["health"] == "up").then_some(())
    })
    .await;
    let groups = scaler.json("/api/v1/groups").await;
    assert_eq!(groups[0]["lag"], 30, "{groups}");
    let query = |text: &str| [("query", text.to_owned())];
    let lag = query("kafka_consumergroup_group_sum_lag{group=\"g\"}");
    let scraped = eventually("the lag is scraped", async || {
        values(&ask(&client, &api, "query", &lag).await)
            .into_values()
            .next()
    })
    .await;
    assert_eq!(scraped, 30.0);

    // OpenMetrics was asked for and understood: else there were no unit.
    let metric = [("metric", "tidegauge_group_eta_seconds".to_owned())];
    let metadata = ask(&client, &api, "targets/metadata", &metric).await;
    assert_eq!(metadata["data"][0]["unit"], "seconds", "{metadata}");
    assert_eq!(metadata["data"][0]["type"], "gauge", "{metadata}");

    // Its own queries over what was recorded know the same series.
    let own_api = format!("http://{}/prometheus/api/v1", scaler.http_address());
    let recorded = query(RECORDED);
    let (scraped, told) = eventually("both know the same series", async || {
        let scraped = values(&ask(&client, &api, "query", &recorded).await);
        let told = values(&ask(&client, &own_api, "query", &recorded).await);
        let same = scraped.keys().eq(told.keys()) && scraped.len() > 15;
        same.then_some((scraped, told))
    })
    .await;
    let moves = |labels: &str| labels.contains("_lag_seconds") || labels.contains("_per_second");
    for (labels, value) in scraped.iter().filter(|(labels, _)| !moves(labels)) {
        assert_eq!(told[labels], *value, "{labels}");
    }
    println!("{} series are scraped and told alike", scraped.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_wrong_with_the_page() {
    let Some(program) = program("promtool") else {
        return;
    };
    let cluster = EmbeddedCluster::start(1).unwrap();
    let data = tempfile::tempdir().unwrap();
    let scaler = scaler(&cluster, data.path()).await;
    // It reads Prometheus' own format only; OpenMetrics is read by Prometheus, above.
    let (_, page) = scaler.get("/metrics").await;
    let checked = promtool(&program, &["check", "metrics"], &page);
    let complaints = String::from_utf8(checked.stderr).unwrap();
    let is_known = |line: &&str| KNOWN_COMPLAINTS.iter().any(|known| line.starts_with(known));
    let unknown: Vec<_> = complaints.lines().filter(|line| !is_known(line)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(
        page.contains("# TYPE tidegauge_polls_total counter\n"),
        "{page}"
    );
}
