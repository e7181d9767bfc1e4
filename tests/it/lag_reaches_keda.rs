//! What is in the brokers is what KEDA is told, by each kind of ScaledObject.

use tidegauge::{
    kafka::EmbeddedCluster,
    proto::{GetMetricsRequest, MetricSpec},
};
use tonic::Code;

use super::support::{
    eventually,
    scaler::{Scaler, Told, configuration, named_groups, scaled_object},
};

const PLAIN: &[(&str, &str)] = &[("consumerGroup", "orders-service"), ("lagThreshold", "100")];
const AZUL: &[(&str, &str)] = &[
    ("entityName", "plugin"),
    ("pluginName", "jira"),
    ("targetSize", "50"),
    ("includeHistoric", "false"),
];

/// Two partitions of 100 records each; `orders-service` has read 30 and 50 of
/// them, each of Azul's two groups 10 of each.
async fn cluster() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("orders", 2).unwrap();
    let producer = cluster.producer().unwrap();
    producer.send("orders", Some(0), 100).unwrap();
    producer.send("orders", Some(1), 100).unwrap();
    producer.flush().unwrap();
    commit(&cluster, "orders-service", 30, 50).await;
    commit(&cluster, "azul-jira-live", 10, 10).await;
    commit(&cluster, "azul-jira-historic", 10, 10).await;
    cluster
}

async fn commit(cluster: &EmbeddedCluster, group: &str, first: i64, second: i64) {
    let commits = [("orders", 0, first), ("orders", 1, second)];
    cluster.commit_offsets(group, &commits).await.unwrap();
}

fn scaler(cluster: &EmbeddedCluster, data_dir: &std::path::Path) -> Scaler {
    let groups = named_groups(&[
        ("orders-service", "orders"),
        ("azul-jira-live", "orders"),
        ("azul-jira-historic", "orders"),
    ]);
    let azul = "[azul]\ngroup_prefix = \"azul-\"\n";
    let servers = cluster.bootstrap_servers();
    Scaler::start(&configuration(
        data_dir,
        &servers,
        &format!("{groups}{azul}"),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_scaled_object_is_told_the_lag() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&cluster, data_dir.path());

    assert_eq!(
        scaler.told(PLAIN).await.unwrap(),
        Told {
            value: 120.0,
            active: true
        }
    );
    let idle = [PLAIN, &[("activationLagThreshold", "120")]].concat();
    assert_eq!(
        scaler.told(&idle).await.unwrap(),
        Told {
            value: 120.0,
            active: false
        }
    );
    // Two partitions can't keep more than two consumers busy.
    let capped = [("consumerGroup", "orders-service"), ("lagThreshold", "10")];
    assert_eq!(scaler.told(&capped).await.unwrap().value, 20.0);

    commit(&cluster, "orders-service", 100, 100).await;
    eventually("the lag falls to 0", async || {
        (scaler.told(PLAIN).await.unwrap()
            == Told {
                value: 0.0,
                active: false,
            })
        .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_azul_scaled_object_is_told_its_backlog() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&cluster, data_dir.path());

    // Nothing is processed, so the backlog is the lag; a partition counts from
    // its second sample on, and until then nothing is told.
    let told = eventually("two samples", async || match scaler.told(AZUL).await {
        Ok(told) => Some(told),
        Err(status) => {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            None
        }
    })
    .await;
    assert_eq!(
        told,
        Told {
            value: 180.0,
            active: true
        }
    );
    let with_historic = [&AZUL[..3], &[("includeHistoric", " True ")]].concat();
    assert_eq!(scaler.told(&with_historic).await.unwrap().value, 360.0);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(deprecated, reason = "older clients know only the integer fields")]
async fn specs_and_values_fill_the_fields_of_old_and_new_clients() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&cluster, data_dir.path());
    let mut client = scaler.client().await;

    let spec = MetricSpec {
        metric_name: "kafka-orders-service-topics".to_owned(),
        target_size: 100,
        target_size_float: 100.0,
    };
    let unary = client
        .get_metric_spec(scaled_object(PLAIN))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(unary.metric_specs, [spec]);
    let mut stream = client
        .stream_metric_spec(scaled_object(PLAIN))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(stream.message().await.unwrap(), Some(unary));

    let request = GetMetricsRequest {
        scaled_object_ref: Some(scaled_object(PLAIN)),
        metric_name: "kafka-orders-service-topics".to_owned(),
    };
    let response = client.get_metrics(request).await.unwrap();
    assert!(response.metadata().contains_key("tidegauge-as-of"));
    assert_eq!(response.metadata().get("tidegauge-freshness"), None);
    let value = &response.into_inner().metric_values[0];
    assert_eq!((value.metric_value, value.metric_value_float), (120, 120.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_is_pushed_when_it_changes() {
    let cluster = cluster().await;
    commit(&cluster, "orders-service", 100, 100).await;
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&cluster, data_dir.path());
    let mut client = scaler.client().await;
    let mut stream = client
        .stream_is_active(scaled_object(PLAIN))
        .await
        .unwrap()
        .into_inner();

    assert!(
        !stream.message().await.unwrap().unwrap().result,
        "at once: nothing to do"
    );
    let producer = cluster.producer().unwrap();
    producer.send("orders", Some(0), 1).unwrap();
    producer.flush().unwrap();
    assert!(
        stream.message().await.unwrap().unwrap().result,
        "the first record behind"
    );
    commit(&cluster, "orders-service", 101, 100).await;
    assert!(
        !stream.message().await.unwrap().unwrap().result,
        "all is read"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_seen_for_the_first_time_is_sampled_at_once() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let servers = cluster.bootstrap_servers();
    // Within the story no cycle comes by the clock.
    let slow = configuration(data_dir.path(), &servers, "").replace("200ms", "10m");
    let slow = format!("{slow}[estimator]\nmax_staleness = \"1h\"\n");
    let scaler = Scaler::start(&slow);
    let metadata = [
        ("consumerGroup", "orders-service"),
        ("topic", "orders"),
        ("lagThreshold", "100"),
    ];
    assert_eq!(scaler.told(&metadata).await.unwrap().value, 120.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_metadata_names_key_value_and_what_is_accepted() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&cluster, data_dir.path());
    let enormous = "x".repeat(100_000);
    for (metadata, parts) in [
        (vec![("topic", "orders")], vec!["consumerGroup", "missing"]),
        (
            vec![("consumerGroup", "g"), ("lagThreshold", "-5")],
            vec!["lagThreshold", "-5", "above 0"],
        ),
        (
            vec![("consumerGroup", "g"), ("cluster", "moon")],
            vec!["cluster", "moon", "main"],
        ),
        (
            vec![("consumerGroup", enormous.as_str())],
            vec!["consumerGroup", "1024 bytes"],
        ),
    ] {
        let status = scaler.told(&metadata).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().len() < 1_000);
        for part in parts {
            assert!(
                status.message().contains(part),
                "{part:?} is not in {status}"
            );
        }
    }
    let mut client = scaler.client().await;
    let request = GetMetricsRequest {
        scaled_object_ref: None,
        metric_name: String::new(),
    };
    let status = client.get_metrics(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let request = GetMetricsRequest {
        scaled_object_ref: Some(scaled_object(PLAIN)),
        metric_name: "another".to_owned(),
    };
    let status = client.get_metrics(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status.message().contains("kafka-orders-service-topics"),
        "{status}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_the_standard_ones() {
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };

    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = scaler(&cluster, data_dir.path());

    let mut health = HealthClient::new(scaler.channel().await);
    for service in ["", "externalscaler.ExternalScaler"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let response = health.check(request).await.unwrap().into_inner();
        assert_eq!(response.status, 1, "{service:?} serves");
    }

    let mut reflection = ServerReflectionClient::new(scaler.channel().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = tokio_stream::iter([request]);
    let mut responses = reflection
        .server_reflection_info(requests)
        .await
        .unwrap()
        .into_inner();
    let response = responses.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(services)) = response else {
        panic!("no list of services: {response:?}");
    };
    let names: Vec<_> = services
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert!(
        names.contains(&"externalscaler.ExternalScaler"),
        "{names:?}"
    );
}
