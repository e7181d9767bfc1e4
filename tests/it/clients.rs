//! What clients by other libraries than ours may rely on, whichever it is.

use std::{
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegauge::{
    kafka::EmbeddedCluster,
    proto::{GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse},
};

use super::support::{
    eventually,
    grpc_client::{Client, Language},
    kafka::ports::free_port,
    proxy::Proxy,
    scaler::{Scaler, configuration, metric, named_groups, scaled_object},
    within,
};

const KNOWN: &[(&str, &str)] = &[("consumerGroup", "g"), ("lagThreshold", "4")];
const STREAMS: usize = 1_000;
/// The server pings each 10 s and waits 20 s for an answer.
const DEAD_WITHIN: Duration = Duration::from_secs(60);
/// A wait for a first sample ends after 2.5 s in any case.
const SHORT_MS: u64 = 700;

/// A group 12 records behind over 3 partitions, and a scaler that knows it.
struct Stage {
    port: u16,
    scaler: Option<Scaler>,
    text: String,
    cluster: EmbeddedCluster,
    _data_dir: TempDir,
}

impl Stage {
    async fn set(change: impl Fn(String) -> String) -> Self {
        let cluster = EmbeddedCluster::start(1).unwrap();
        cluster.create_topic("t", 3).unwrap();
        let producer = cluster.producer().unwrap();
        for partition in 0..3 {
            producer.send("t", Some(partition), 4).unwrap();
        }
        producer.flush().unwrap();
        let commits = [("t", 0, 0), ("t", 1, 0), ("t", 2, 0)];
        cluster.commit_offsets("g", &commits).await.unwrap();
        let data_dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let text = text(data_dir.path(), &cluster.bootstrap_servers(), port);
        let text = change(text);
        Self {
            port,
            scaler: Some(Scaler::start(&text)),
            text,
            cluster,
            _data_dir: data_dir,
        }
    }

    fn scaler(&self) -> &Scaler {
        self.scaler.as_ref().unwrap()
    }

    async fn metric(&self, name: &str) -> f64 {
        metric(self.scaler(), name, "").await
    }

    async fn becomes(&self, name: &str, value: f64) {
        eventually(&format!("{name} is {value}"), async || {
            (self.metric(name).await == value).then_some(())
        })
        .await;
    }

    /// The group has read all: it is idle from the next tick on.
    async fn read_all(&self) {
        let commits = [("t", 0, 4), ("t", 1, 4), ("t", 2, 4)];
        self.cluster.commit_offsets("g", &commits).await.unwrap();
    }
}

fn text(data_dir: &Path, servers: &str, port: u16) -> String {
    let text = configuration(data_dir, servers, &named_groups(&[("g", "t")]));
    text.replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1)
}

fn connected(language: Language, port: u16, connections: usize) -> Option<Client> {
    let mut client = Client::start(language)?;
    let address = format!("127.0.0.1:{port}");
    let step = json!({ "address": address, "connections": connections });
    client.take("dial", step);
    Some(client)
}

/// A call's step.
fn step(method: &str, metadata: &[(&str, &str)]) -> Value {
    json!({ "method": method, "object": object(metadata) })
}

/// The same with more in it.
fn with(mut step: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    step.as_object_mut().unwrap().extend(more);
    step
}

fn object(metadata: &[(&str, &str)]) -> Value {
    let object = scaled_object(metadata);
    json!({
        "name": object.name,
        "namespace": object.namespace,
        "scalerMetadata": object.scaler_metadata,
    })
}

#[expect(deprecated, reason = "older clients know only the integer fields")]
fn specs(response: &GetMetricSpecResponse) -> Value {
    let specs = response.metric_specs.iter().map(|spec| {
        json!({
            "metricName": spec.metric_name,
            "targetSize": spec.target_size.to_string(),
            "targetSizeFloat": spec.target_size_float,
        })
    });
    json!({ "metricSpecs": specs.collect::<Vec<_>>() })
}

#[expect(deprecated, reason = "older clients know only the integer fields")]
fn values(response: &GetMetricsResponse) -> Value {
    let values = response.metric_values.iter().map(|value| {
        json!({
            "metricName": value.metric_name,
            "metricValue": value.metric_value.to_string(),
            "metricValueFloat": value.metric_value_float,
        })
    });
    json!({ "metricValues": values.collect::<Vec<_>>() })
}

/// Each number a float: languages write 12.0 in their own way.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(plain).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (key.clone(), plain(value)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// The one message that all of `count` streams have received.
fn one_message(received: &Value, count: usize) -> Value {
    let messages = received["messages"].as_object().unwrap();
    let [(text, times)] = messages.iter().collect::<Vec<_>>()[..] else {
        panic!("not one message: {received}");
    };
    assert_eq!(times, &json!(count), "{received}");
    assert_eq!(received["ended"], json!({}), "{received}");
    plain(&serde_json::from_str(text).unwrap())
}

pub(crate) async fn all_calls_tell_what_our_client_is_told(language: Language) {
    let stage = Stage::set(|text| text).await;
    let Some(mut client) = connected(language, stage.port, 1) else {
        return;
    };
    let mut ours = stage.scaler().client().await;
    let object = scaled_object(KNOWN);
    let request = GetMetricsRequest {
        scaled_object_ref: Some(object.clone()),
        metric_name: "kafka-g-topics".to_owned(),
    };
    let value = ours.get_metrics(request).await.unwrap().into_inner();
    let spec = ours.get_metric_spec(object).await.unwrap().into_inner();
    assert_eq!(value.metric_values[0].metric_value_float, 12.0);
    let (value, spec) = (values(&value), specs(&spec));

    let named = json!({ "metric_name": "kafka-g-topics" });
    let told = client.take("call", with(step("GetMetrics", KNOWN), named));
    assert_eq!(plain(&told["answer"]), value, "{told}");
    let told = client.take("call", step("GetMetricSpec", KNOWN));
    assert_eq!(plain(&told["answer"]), plain(&spec), "{told}");
    let told = client.take("call", step("IsActive", KNOWN));
    assert_eq!(told["answer"], json!({ "result": true }), "{told}");

    let stream = with(step("StreamMetricSpec", KNOWN), json!({ "count": 1 }));
    let received = client.take("open", stream);
    assert_eq!(one_message(&received, 1), plain(&spec));
    client.take("cancel", json!({}));
    let stream = with(step("StreamIsActive", KNOWN), json!({ "count": 1 }));
    let received = client.take("open", stream);
    assert_eq!(one_message(&received, 1), json!({ "result": true }));
    stage.read_all().await;
    let received = client.take("next", json!({}));
    assert_eq!(one_message(&received, 1), json!({ "result": false }));

    for (service, code) in [
        ("", "OK"),
        ("externalscaler.ExternalScaler", "OK"),
        ("nobody", "NOT_FOUND"),
    ] {
        let told = client.take("health", json!({ "service": service }));
        assert_eq!(told["code"], code, "{service:?}: {told}");
        let status = (code == "OK").then_some("SERVING");
        assert_eq!(told["answer"]["status"].as_str(), status, "{told}");
    }
}

pub(crate) async fn deadlines_and_cancellation_end_a_wait(language: Language) {
    // Who takes connections and says nothing: nothing gets a first sample.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap().to_string();
    let change = |text: String| {
        let text = text.replace("interval = \"200ms\"", "interval = \"1h\"");
        let text = text.replace("timeout = \"1s\"", "timeout = \"1m\"");
        let text = format!("{text}[estimator]\nmax_staleness = \"4h\"\n");
        let (before, rest) = text.split_once("bootstrap_servers = ").unwrap();
        let (_, after) = rest.split_once('\n').unwrap();
        format!("{before}bootstrap_servers = [{address:?}]\n{after}")
    };
    let stage = Stage::set(change).await;
    let Some(mut client) = connected(language, stage.port, 1) else {
        return;
    };
    client.take("ready", json!({}));
    let waiting = step("GetMetrics", KNOWN);
    let asked = Instant::now();
    let short = with(waiting.clone(), json!({ "timeout_ms": SHORT_MS }));
    let told = client.take("call", short);
    // The scaler says why a little before the deadline, if it is in time.
    let codes = ["UNAVAILABLE", "DEADLINE_EXCEEDED"];
    assert!(codes.iter().any(|code| told["code"] == *code), "{told}");
    assert!(asked.elapsed() < Duration::from_secs(2), "{told}");
    stage.becomes("tidegauge_grpc_waiting_calls", 0.0).await;

    // Without one it waits no longer than KEDA's adapter does.
    let told = client.take("call", waiting.clone());
    assert_eq!(told["code"], "UNAVAILABLE", "{told}");
    assert!(
        asked.elapsed() < Duration::from_secs(6),
        "{:?}",
        asked.elapsed()
    );

    client.take("begin", waiting);
    stage.becomes("tidegauge_grpc_waiting_calls", 1.0).await;
    let told = client.take("abandon", json!({}));
    assert_eq!(told["code"], "CANCELLED", "{told}");
    stage.becomes("tidegauge_grpc_waiting_calls", 0.0).await;

    let known = client.take("call", step("GetMetricSpec", KNOWN));
    assert_eq!(known["code"], "OK", "{known}");
}

pub(crate) async fn a_thousand_streams_are_given_back(language: Language) {
    let stage = Stage::set(|text| text).await;
    let Some(mut client) = connected(language, stage.port, 2) else {
        return;
    };
    let streams = with(step("StreamIsActive", KNOWN), json!({ "count": STREAMS }));
    let received = client.take("open", streams);
    assert_eq!(one_message(&received, STREAMS), json!({ "result": true }));
    let open = stage.metric("tidegauge_grpc_streams").await;
    assert_eq!(open, STREAMS as f64);
    // Streams leave room for calls on the same connections.
    for connection in 0..2 {
        let call = with(
            step("GetMetrics", KNOWN),
            json!({ "connection": connection }),
        );
        let told = client.take("call", call);
        assert_eq!(told["code"], "OK", "{told}");
    }
    stage.read_all().await;
    let received = client.take("next", json!({}));
    assert_eq!(one_message(&received, STREAMS), json!({ "result": false }));

    let received = client.take("cancel", json!({}));
    assert_eq!(received["ended"], json!({ "CANCELLED": STREAMS }));
    stage.becomes("tidegauge_grpc_streams", 0.0).await;
    let told = client.take("call", step("IsActive", KNOWN));
    assert_eq!(told["answer"], json!({ "result": false }), "{told}");
    // Who goes without a word leaves nothing behind, either.
    let streams = with(step("StreamIsActive", KNOWN), json!({ "count": 10 }));
    client.take("open", streams);
    stage.becomes("tidegauge_grpc_streams", 10.0).await;
    drop(client);
    stage.becomes("tidegauge_grpc_streams", 0.0).await;
}

pub(crate) async fn pings_are_answered_and_the_dead_are_noticed(language: Language, every_ms: u64) {
    let stage = Stage::set(|text| text).await;
    let Some(mut client) = Client::start(language) else {
        return;
    };
    let proxy = Proxy::start(stage.port);
    let address = format!("127.0.0.1:{}", proxy.port());
    let pinging = json!({ "address": address, "connections": 1, "keepalive_ms": every_ms });
    client.take("dial", pinging);
    let stream = with(step("StreamIsActive", KNOWN), json!({ "count": 1 }));
    client.take("open", stream);

    // Ticks, of 200 ms each, tell that time for several pings has passed.
    let ticks = stage.metric("tidegauge_recorded_ticks_total").await;
    let enough = 3.0 * every_ms as f64 / 200.0 + 10.0;
    within(DEAD_WITHIN, "ticks go on", async || {
        let recorded = stage.metric("tidegauge_recorded_ticks_total").await;
        (recorded >= ticks + enough).then_some(())
    })
    .await;
    let told = client.take("states", json!({}));
    assert_eq!(told["states"], json!(["READY"]), "no GOAWAY");
    stage.read_all().await;
    let received = client.take("next", json!({}));
    assert_eq!(one_message(&received, 1), json!({ "result": false }));

    // From now on nobody answers the scaler's pings.
    proxy.hang();
    within(DEAD_WITHIN, "the dead are noticed", async || {
        (stage.metric("tidegauge_grpc_streams").await == 0.0).then_some(())
    })
    .await;
}

pub(crate) async fn a_restart_is_got_over(language: Language) {
    let mut stage = Stage::set(|text| text).await;
    let Some(mut client) = connected(language, stage.port, 1) else {
        return;
    };
    let stream = with(step("StreamIsActive", KNOWN), json!({ "count": 5 }));
    client.take("open", stream.clone());
    stage.scaler.take().unwrap().kill();
    let received = client.take("next", json!({}));
    assert_eq!(received["ended"], json!({ "UNAVAILABLE": 5 }), "{received}");
    let told = client.take("call", step("GetMetrics", KNOWN));
    assert_eq!(told["code"], "UNAVAILABLE", "{told}");

    // It waits until somebody is there again, and is answered.
    let patient = json!({ "wait_for_ready": true });
    client.take("begin", with(step("GetMetrics", KNOWN), patient.clone()));
    stage.scaler = Some(Scaler::start(&stage.text));
    let told = client.take("finish", json!({}));
    assert_eq!(told["code"], "OK", "{told}");
    let value = &told["answer"]["metricValues"][0]["metricValueFloat"];
    assert_eq!(value.as_f64(), Some(12.0), "{told}");
    let received = client.take("open", with(stream, patient));
    assert_eq!(one_message(&received, 5), json!({ "result": true }));
    let told = client.take("ready", json!({}));
    assert_eq!(told["states"], json!(["READY"]));

    // Whoever ends in order ends its streams with OK.
    let scaler = stage.scaler.take().unwrap();
    scaler.signal_end();
    let received = client.take("next", json!({}));
    assert_eq!(received["ended"], json!({ "OK": 5 }), "{received}");
    drop(client);
    assert!(scaler.terminate().await.success());
}

/// The server says in its settings how large a header may be, and answers 431: Go
/// heeds the one, and sends nothing; Python the other.
fn of_a_large_header(language: Language) -> &'static str {
    match language {
        Language::Go => "INTERNAL",
        Language::Python => "UNKNOWN",
    }
}

pub(crate) async fn what_is_refused_ends_no_connection(language: Language) {
    let stage = Stage::set(|text| text).await;
    let Some(mut client) = connected(language, stage.port, 1) else {
        return;
    };
    let stream = with(step("StreamIsActive", KNOWN), json!({ "count": 1 }));
    client.take("open", stream);
    let large = "x".repeat(300 * 1024);
    let long = "x".repeat(2_000);
    for (refused, code, part) in [
        (
            step("GetMetrics", &[("consumerGroup", "g"), ("x", &large)]),
            // What tonic says; gRPC's own libraries say RESOURCE_EXHAUSTED.
            "OUT_OF_RANGE",
            "262144",
        ),
        (
            with(step("GetMetrics", KNOWN), json!({ "header_bytes": 64_000 })),
            of_a_large_header(language),
            "",
        ),
        (
            step("GetMetricSpec", &[("consumerGroup", &long)]),
            "INVALID_ARGUMENT",
            "consumerGroup",
        ),
        (
            step(
                "IsActive",
                &[("consumerGroup", "g"), ("lagThreshold", "-1")],
            ),
            "INVALID_ARGUMENT",
            "lagThreshold",
        ),
        (
            with(
                step("GetMetrics", KNOWN),
                json!({ "metric_name": "another" }),
            ),
            "INVALID_ARGUMENT",
            "kafka-g-topics",
        ),
    ] {
        let told = client.take("call", refused);
        let message = told["message"].as_str().unwrap_or_default();
        assert_eq!(told["code"], code, "{told}");
        assert!(message.contains(part), "{part:?} is not in {told}");
    }
    let told = client.take("states", json!({}));
    assert_eq!(told["states"], json!(["READY"]));
    stage.read_all().await;
    let received = client.take("next", json!({}));
    assert_eq!(one_message(&received, 1), json!({ "result": false }));
}
