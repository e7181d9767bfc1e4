//! What people see with grpcurl, which knows no more than reflection tells.

use std::{path::Path, process::Command};

use serde_json::Value;
use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    grpc_client::grpcurl,
    scaler::{Scaler, configuration, named_groups},
};

const REQUEST: &str = r#"{"scaledObjectRef": {"name": "story", "namespace": "tests",
    "scalerMetadata": {"consumerGroup": "g", "lagThreshold": "100"}}}"#;

fn said(grpcurl: &Path, arguments: &[&str]) -> String {
    let output = Command::new(grpcurl)
        .args(["-plaintext", "-max-time", "20"])
        .args(arguments)
        .output()
        .unwrap();
    let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {err}");
    String::from_utf8(out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_lists_describes_and_calls() {
    let Some(grpcurl) = grpcurl() else { return };
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 1).unwrap();
    let producer = cluster.producer().unwrap();
    producer.send("t", Some(0), 7).unwrap();
    producer.flush().unwrap();
    cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let groups = named_groups(&[("g", "t")]);
    let text = configuration(data_dir.path(), &cluster.bootstrap_servers(), &groups);
    let scaler = Scaler::start(&text);
    let address = scaler.grpc_address();

    let listed = said(&grpcurl, &[address, "list"]);
    for service in ["externalscaler.ExternalScaler", "grpc.health.v1.Health"] {
        assert!(listed.lines().any(|line| line == service), "{listed}");
    }
    let service = "externalscaler.ExternalScaler";
    let methods = said(&grpcurl, &[address, "list", service]);
    assert_eq!(methods.lines().count(), 5, "{methods}");
    let described = said(&grpcurl, &[address, "describe", service]);
    assert!(described.contains("rpc GetMetrics"), "{described}");
    let described = said(
        &grpcurl,
        &[address, "describe", ".externalscaler.ScaledObjectRef"],
    );
    assert!(described.contains("map<string, string>"), "{described}");

    let method = "externalscaler.ExternalScaler/GetMetrics";
    let answer = said(&grpcurl, &["-d", REQUEST, address, method]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let value = &answer["metricValues"][0];
    assert_eq!(value["metricName"], "kafka-g-topics", "{answer}");
    assert_eq!(value["metricValueFloat"].as_f64(), Some(7.0), "{answer}");
    let method = "grpc.health.v1.Health/Check";
    let answer = said(&grpcurl, &[address, method]);
    assert!(answer.contains("SERVING"), "{answer}");
}
