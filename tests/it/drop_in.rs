//! ScaledObjects that were written for others are answered as they are.

use http::uri::PathAndQuery;
use tidegauge::{
    kafka::EmbeddedCluster,
    proto::{GetMetricsRequest, IsActiveResponse},
};
use tonic::{Code, Request, client::Grpc};
use tonic_prost::ProstCodec;

use super::support::{
    eventually,
    scaler::{Scaler, Told, configuration, named_groups, scaled_object},
};

const LAKERUNNER: &str = "[services.ingest-logs]\ngroup = 'ingest'\ntopic = 'logs'\ntarget = 40\n\
                          [services.boxer-compact]\ngroup = 'compact'\ntopic = 'logs'\n\
                          [services.boxer-rollup]\ngroup = 'rollup'\ntopic = 'logs'\ntarget = 7.5\n";

/// Four partitions of 100 records each, and three groups that have read some.
async fn cluster() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("logs", 4).unwrap();
    let producer = cluster.producer().unwrap();
    for partition in 0..4 {
        producer.send("logs", Some(partition), 100).unwrap();
    }
    producer.flush().unwrap();
    for (group, committed) in [("ingest", 90), ("compact", 100), ("rollup", 99)] {
        let commits: Vec<_> = (0..4).map(|at| ("logs", at, committed)).collect();
        cluster.commit_offsets(group, &commits).await.unwrap();
    }
    cluster
}

fn scaler(cluster: &EmbeddedCluster, data_dir: &std::path::Path) -> Scaler {
    let groups = named_groups(&[("ingest", "logs"), ("compact", "logs"), ("rollup", "logs")]);
    let servers = cluster.bootstrap_servers();
    let rest = format!("{groups}{LAKERUNNER}");
    Scaler::start(&configuration(data_dir, &servers, &rest))
}

const fn told(value: f64, active: bool) -> Told {
    Told { value, active }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_trigger_is_answered_with_all_its_metadata() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&cluster, data_dir.path());
    let servers = cluster.bootstrap_servers();
    let first = servers.split(',').next().unwrap();
    // What stood there with `type: kafka`, and scalerAddress.
    let trigger = [
        ("scalerAddress", "tidegauge.tidegauge:9090"),
        ("bootstrapServers", first),
        ("consumerGroup", "ingest"),
        ("topic", "logs"),
        ("lagThreshold", "5"),
        ("activationLagThreshold", "40"),
        ("offsetResetPolicy", "latest"),
        ("version", "1.0.0"),
        ("tls", "disable"),
        ("sasl", "none"),
        ("fullMetadata", "true"),
    ];
    // Lag 40, four partitions of a threshold of 5.
    assert_eq!(scaler.told(&trigger).await.unwrap(), told(20.0, false));
    let flags = |more: &[(&'static str, &'static str)]| [&trigger[..], more].concat();
    let idle = flags(&[("allowIdleConsumers", "true")]);
    assert_eq!(scaler.told(&idle).await.unwrap(), told(40.0, false));
    let some = flags(&[
        ("partitionLimitation", "0,2-3"),
        ("allowIdleConsumers", "1"),
    ]);
    assert_eq!(scaler.told(&some).await.unwrap(), told(30.0, false));
    let evenly = flags(&[("ensureEvenDistributionOfPartitions", "true")]);
    assert_eq!(scaler.told(&evenly).await.unwrap(), told(20.0, false));

    let elsewhere = flags(&[("bootstrapServers", "elsewhere:9092")]);
    let refused = scaler.told(&elsewhere).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let known = format!("accepted is an address of a configured cluster: {first}");
    assert!(refused.message().contains(&known), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lakerunners_services_are_told_their_lag_and_their_target() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&cluster, data_dir.path());
    let service = [("serviceType", "ingest-logs"), ("scalerAddress", "x:9090")];
    assert_eq!(scaler.told(&service).await.unwrap(), told(40.0, true));

    let boxer = [("serviceType", "boxer"), ("boxerTasks", "compact,rollup")];
    let mut client = scaler.client().await;
    let specs = client.get_metric_spec(scaled_object(&boxer)).await.unwrap();
    let specs = specs.into_inner().metric_specs;
    let specs: Vec<_> = specs
        .iter()
        .map(|spec| (spec.metric_name.as_str(), spec.target_size_float))
        .collect();
    assert_eq!(specs, [("boxer-compact", 100.0), ("boxer-rollup", 7.5)]);
    let is_active = client.is_active(scaled_object(&boxer)).await.unwrap();
    assert!(
        is_active.into_inner().result,
        "one of the tasks has records left"
    );

    let unknown = [("serviceType", "worker-compact")];
    let refused = scaler.told(&unknown).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("\"ingest-logs\""), "{refused}");
    // Lakerunner's probes.
    for path in ["/healthz", "/readyz", "/livez"] {
        eventually("well", async || {
            let (status, _) = scaler.get(path).await;
            (status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_beside_lag_are_told_by_their_names() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&cluster, data_dir.path());
    let trigger = [
        ("consumerGroup", "ingest"),
        ("topic", "logs"),
        ("metrics", "averageLag,timeLag,eta,consumptionDeficit"),
        ("timeLag", "30"),
        ("eta", "60"),
        ("etaCap", "900"),
        ("consumptionDeficit", "10"),
        ("window", "24h"),
    ];
    let mut client = scaler.client().await;
    let specs = client
        .get_metric_spec(scaled_object(&trigger))
        .await
        .unwrap();
    let names = specs.into_inner().metric_specs;
    let names: Vec<_> = names.iter().map(|spec| spec.metric_name.as_str()).collect();
    let expected = ["averageLag", "timeLag", "eta", "consumptionDeficit"];
    let expected = expected.map(|metric| format!("kafka-logs-{metric}"));
    assert_eq!(names, expected);
    let values = eventually("two samples", async || {
        let mut values = Vec::new();
        for name in &expected {
            let request = GetMetricsRequest {
                scaled_object_ref: Some(scaled_object(&trigger)),
                metric_name: name.clone(),
            };
            let response = client.get_metrics(request).await.ok()?.into_inner();
            values.push(response.metric_values[0].metric_value_float);
        }
        Some(values)
    })
    .await;
    // Nothing comes in and nothing is read: 10 records a partition wait forever.
    assert_eq!((values[0], values[2], values[3]), (40.0, 900.0, 0.0));
    assert!(values[1] > 0.0, "{values:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_not_utf_8_is_the_callers_mistake() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&cluster, data_dir.path());
    let mut client = Grpc::new(scaler.channel().await);
    client.ready().await.unwrap();
    let broken = Request::new(BrokenRef { name: vec![0xFF] });
    let path = PathAndQuery::from_static("/externalscaler.ExternalScaler/IsActive");
    let codec = ProstCodec::<BrokenRef, IsActiveResponse>::default();
    let refused = client.unary(broken, path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("UTF-8"), "{refused}");
}

/// A ScaledObjectRef whose name need not be text.
#[derive(Clone, PartialEq, prost::Message)]
struct BrokenRef {
    #[prost(bytes = "vec", tag = "1")]
    name: Vec<u8>,
}
