//! A scaler that is asked to end ends its streams with OK, so that KEDA comes
//! back at once.

use tidegauge::kafka::EmbeddedCluster;

use super::support::scaler::{Scaler, configuration, named_groups, scaled_object};

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_ok_and_the_process_with_success() {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 1).unwrap();
    cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let groups = named_groups(&[("g", "t")]);
    let text = configuration(data_dir.path(), &cluster.bootstrap_servers(), &groups);
    let scaler = Scaler::start(&text);

    let mut client = scaler.client().await;
    let object = scaled_object(&[("consumerGroup", "g")]);
    let mut activity = client
        .stream_is_active(object.clone())
        .await
        .unwrap()
        .into_inner();
    let mut spec = client
        .stream_metric_spec(object)
        .await
        .unwrap()
        .into_inner();
    assert!(!activity.message().await.unwrap().unwrap().result);
    assert!(spec.message().await.unwrap().is_some());

    scaler.signal_end();
    assert_eq!(activity.message().await.unwrap(), None, "ended with OK");
    assert_eq!(spec.message().await.unwrap(), None, "ended with OK");
    drop((activity, spec, client));
    let log = scaler.log();
    assert!(scaler.terminate().await.success(), "{log}");
}
