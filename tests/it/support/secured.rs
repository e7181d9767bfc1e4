//! What the stories about a secured Kafka share: how a scaler is told of it, and
//! how it tells what is wrong.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tidegauge::kafka::Producer;

use super::{
    eventually,
    kafka::{Broker, Login},
    scaler::Scaler,
};

/// A cluster's tables in the configuration.
#[derive(Debug, Clone)]
pub(crate) struct SecuredCluster {
    name: String,
    address: String,
    tls: Vec<String>,
    sasl: Vec<String>,
}

impl SecuredCluster {
    pub(crate) fn new(name: &str, address: &str) -> Self {
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            tls: Vec::new(),
            sasl: Vec::new(),
        }
    }

    pub(crate) fn trusting(mut self, ca: &Path) -> Self {
        self.tls.push(format!("ca_file = {ca:?}"));
        self
    }

    pub(crate) fn certified_by(mut self, (certificate, key): (PathBuf, PathBuf)) -> Self {
        self.tls.push(format!("certificate_file = {certificate:?}"));
        self.tls.push(format!("key_file = {key:?}"));
        self
    }

    pub(crate) fn with_key_password(mut self, file: &Path) -> Self {
        self.tls.push(format!("key_password_file = {file:?}"));
        self
    }

    pub(crate) fn logging_in(mut self, (login, file): (Login, PathBuf)) -> Self {
        self.sasl.push(format!("mechanism = {:?}", login.mechanism));
        self.sasl.push(format!("username = {:?}", login.user));
        self.sasl.push(format!("password_file = {file:?}"));
        self
    }

    /// Its tables, to stand anywhere.
    pub(crate) fn table(&self) -> String {
        let Self { name, address, .. } = self;
        let servers = format!("[clusters.{name}]\nbootstrap_servers = [{address:?}]\n");
        servers + self.keys().as_str()
    }

    /// The same without its head and address, to stand in its table.
    pub(crate) fn keys(&self) -> String {
        let protocol = match (self.sasl.is_empty(), self.tls.is_empty()) {
            (true, true) => "PLAINTEXT",
            (true, false) => "SSL",
            (false, true) => "SASL_PLAINTEXT",
            (false, false) => "SASL_SSL",
        };
        let mut keys = format!("security_protocol = {protocol:?}\n");
        for (table, lines) in [("tls", &self.tls), ("sasl", &self.sasl)] {
            if !lines.is_empty() {
                keys += &format!("[clusters.{}.{table}]\n{}\n", self.name, lines.join("\n"));
            }
        }
        keys
    }
}

/// The group `billing` is 70 records behind on the topic `orders`.
pub(crate) fn with_lag(broker: &Broker) {
    broker.create_topic("orders", 1, &[]);
    produce(broker, 100);
    broker.reset_offsets("billing", "orders", &["--to-offset", "30"]);
}

/// Appends to the topic `orders`.
pub(crate) fn produce(broker: &Broker, records: usize) {
    let producer = Producer::connect(broker.bootstrap()).unwrap();
    producer.send("orders", Some(0), records).unwrap();
    producer.flush().unwrap();
}

/// A trigger on the group `billing` in one cluster.
pub(crate) fn billing(cluster: &str) -> [(&str, &str); 4] {
    [
        ("cluster", cluster),
        ("consumerGroup", "billing"),
        ("topic", "orders"),
        ("lagThreshold", "1000"),
    ]
}

/// Metric, readiness and log tell the code, and the latter two these words.
pub(crate) async fn is_told(scaler: &Scaler, cluster: &str, code: &str, words: &[&str]) {
    let metric = format!("tidegauge_gaps{{cluster_name=\"{cluster}\",reason=\"{code}\"}} 1");
    eventually(&metric, async || {
        let (_, page) = scaler.get("/metrics").await;
        page.lines().any(|line| line == metric).then_some(())
    })
    .await;
    let (_, readiness) = scaler.get("/readyz").await;
    let readiness: Value = serde_json::from_str(&readiness).unwrap();
    let scope = format!("cluster {cluster}");
    let by_code = |reason: &&Value| reason["scope"] == scope && reason["code"] == code;
    let reasons = readiness["reasons"].as_array().unwrap().iter();
    let reasons: Vec<&Value> = reasons.filter(by_code).collect();
    assert_eq!(reasons.len(), 1, "{readiness:#}");
    let logged = changes_logged(&scaler.log(), cluster);
    let logged = logged.iter().rfind(|change| change["code"] == code);
    let logged = logged.expect("the change is logged");
    for word in words {
        let message = reasons[0]["message"].as_str().unwrap();
        assert!(message.contains(word), "{word:?} is not in {message}");
        let first = logged["first"].as_str().unwrap();
        assert!(first.contains(word), "{word:?} is not in {first}");
    }
}

/// What was logged of gaps of a cluster.
pub(crate) fn changes_logged(log: &str, cluster: &str) -> Vec<Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|line| line["fields"].clone())
        .filter(|fields| fields["message"] == "what can't be read has changed")
        .filter(|fields| fields["cluster"] == cluster)
        .collect()
}

/// Neither log nor pages hold any of these.
pub(crate) async fn no_secret_in(scaler: &Scaler, secrets: &[&str]) {
    let (_, metrics) = scaler.get("/metrics").await;
    let (_, readiness) = scaler.get("/readyz").await;
    let log = scaler.log();
    for secret in secrets {
        for shown in [&log, &metrics, &readiness] {
            assert!(!shown.contains(secret), "{secret} is in {shown}");
        }
    }
}
