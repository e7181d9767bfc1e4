//! A thousand ScaledObjects that are seen for the first time at one moment.

use std::time::Duration;

use futures::future::join_all;
use tidegauge::{kafka::EmbeddedCluster, proto::GetMetricsRequest};

use super::support::scaler::{Scaler, configuration, metric, scaled_object};

const SCALED_OBJECTS: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_first_requests_are_one_batch() {
    let cluster = EmbeddedCluster::start(3).unwrap();
    cluster.create_topic("orders", 3).unwrap();
    let producer = cluster.producer().unwrap();
    for partition in 0..3 {
        producer.send("orders", Some(partition), 10).unwrap();
    }
    producer.flush().unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let rest = "[estimator]\nmax_staleness = \"4h\"\n";
    let text = configuration(data_dir.path(), &cluster.bootstrap_servers(), rest);
    // Cycles that nobody asks for would blur the count.
    let text = text.replace("interval = \"200ms\"", "interval = \"1h\"");
    let scaler = Scaler::start(&text);

    let client = scaler.client().await;
    let asked = (0..SCALED_OBJECTS).map(|number| {
        let mut client = client.clone();
        async move {
            let group = format!("group-{number}");
            let metadata = [
                ("consumerGroup", group.as_str()),
                ("topic", "orders"),
                ("lagThreshold", "1000"),
                ("offsetResetPolicy", "earliest"),
            ];
            let mut request = tonic::Request::new(GetMetricsRequest {
                scaled_object_ref: Some(scaled_object(&metadata)),
                metric_name: String::new(),
            });
            // A machine that runs other tests as well may take its time.
            request.set_timeout(Duration::from_secs(25));
            let values = client
                .get_metrics(request)
                .await?
                .into_inner()
                .metric_values;
            Ok::<_, tonic::Status>(values[0].metric_value_float)
        }
    });
    for value in join_all(asked).await {
        assert_eq!(value.unwrap(), 30.0);
    }

    let requests = async |kind: &str| {
        let labels = format!("cluster_name=\"main\",kind=\"{kind}\"");
        metric(&scaler, "tidegauge_poll_requests_total", &labels).await
    };
    let cycles = metric(&scaler, "tidegauge_polls_total", "cluster_name=\"main\"").await;
    assert!(cycles <= 5.0, "{cycles} cycles");
    let group_offsets = requests("group_offsets").await;
    assert!(
        (1_000.0..=1_000.0 * cycles).contains(&group_offsets),
        "{group_offsets} requests for commits in {cycles} cycles"
    );
    // The log's ends are read once a cycle, however many groups share them.
    let log_offsets = requests("log_offsets").await;
    assert!(log_offsets <= 6.0 * cycles, "{log_offsets} requests");
}
