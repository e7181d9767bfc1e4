//! A thousand ScaledObjects that are seen for the first time at one moment, and
//! dashboards that ask for more than they read.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tidegauge::{kafka::EmbeddedCluster, proto::GetMetricsRequest};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::support::{
    eventually,
    scaler::{Scaler, configuration, metric, named_groups, scaled_object},
};

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

const PARTITIONS: i32 = 600;
const READERS: usize = 24;
/// What a call of KEDA's may take on a machine that runs other tests as well;
/// a query may take 20 s.
const PROMPT: Duration = Duration::from_secs(5);

const HISTORY: &str = "/api/v1/history?group=g&partition=*&step=raw&metric=lag,lag_max,\
                       committed_offset,log_end_offset,log_start_offset,lost_records,members";

/// Asks for history, with room for little of the answer.
async fn ask(scaler: &Scaler) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let address = scaler.http_address().parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let request = format!("GET {HISTORY} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The same; it has begun, and is not read on.
async fn stalled(scaler: &Scaler) -> TcpStream {
    let mut stream = ask(scaler).await;
    stream.read_exact(&mut [0]).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_stop_or_go_away_delay_no_tick_and_no_answer() {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", PARTITIONS).unwrap();
    cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let rest = named_groups(&[("g", "t")]);
    let scaler = Scaler::start(&configuration(
        data_dir.path(),
        &cluster.bootstrap_servers(),
        &rest,
    ));
    let recorded = async || metric(&scaler, "tidegauge_recorded_ticks_total", "").await;
    // So long an answer does not fit into the buffers of a connection.
    eventually("there is a long history", async || {
        (recorded().await >= 100.0).then_some(())
    })
    .await;

    // Four may run at a time: these hold all places.
    let stalled_ones = join_all((0..4).map(|_| stalled(&scaler))).await;
    let waiting = timeout(Duration::from_millis(500), stalled(&scaler)).await;
    assert!(waiting.is_err(), "a place is free: the answer is too short");
    // They go away while they wait.
    drop(join_all((0..READERS).map(|_| ask(&scaler))).await);

    let before = recorded().await;
    eventually("ticks are recorded, and KEDA is answered", async || {
        let asked = Instant::now();
        let told = scaler.told(&[("consumerGroup", "g"), ("topic", "t")]).await;
        told.unwrap();
        assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
        (recorded().await >= before + 10.0).then_some(())
    })
    .await;
    drop(stalled_ones);
    let rows = scaler.json(HISTORY).await;
    assert!(rows.as_array().unwrap().len() >= 100 * PARTITIONS as usize);
}
