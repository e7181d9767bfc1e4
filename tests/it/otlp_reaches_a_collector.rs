//! Traces and metrics reach a collector; one that is away or slow is in nobody's
//! way, and fills nothing.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use tidegauge::{kafka::EmbeddedCluster, proto::GetMetricsRequest};

use super::support::{
    certificates::Authority,
    collector::{Collector, text},
    eventually,
    kafka::ports::free_port,
    scaler::{Scaler, configuration, metric, named_groups, scaled_object},
};

const METADATA: &[(&str, &str)] = &[("consumerGroup", "g"), ("lagThreshold", "100")];
const SECRET: &str = "Bearer not-for-the-log";
/// A caller's trace, which it wants to be kept.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
/// What KEDA's adapter waits for an answer.
const PROMPT: Duration = Duration::from_secs(3);

async fn cluster() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 1).unwrap();
    cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
    cluster
}

fn sending(cluster: &EmbeddedCluster, folder: &Path, endpoint: &str, rest: &str) -> String {
    let groups = named_groups(&[("g", "t")]);
    let text = configuration(&folder.join("data"), &cluster.bootstrap_servers(), &groups);
    format!("{text}[otlp]\nendpoint = {endpoint:?}\ninterval = \"1s\"\n{rest}")
}

/// Asks as a caller that has a trace.
async fn ask_within_a_trace(scaler: &Scaler) {
    let mut request = tonic::Request::new(GetMetricsRequest {
        scaled_object_ref: Some(scaled_object(METADATA)),
        metric_name: String::new(),
    });
    let traceparent = format!("00-{TRACE}-{PARENT}-01").parse().unwrap();
    request.metadata_mut().insert("traceparent", traceparent);
    scaler.client().await.get_metrics(request).await.unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_and_metrics_arrive_with_what_the_page_tells() {
    let (cluster, collector) = (cluster().await, Collector::start().await);
    let folder = tempfile::tempdir().unwrap();
    let headers = folder.path().join("headers");
    fs::write(&headers, format!("Authorization: {SECRET}\n")).unwrap();
    let rest = format!(
        "sampling_ratio = 1\nheaders_file = {headers:?}\n[otlp.attributes]\n\
         \"deployment.environment.name\" = \"test\"\n"
    );
    let endpoint = collector.endpoint();
    let scaler = Scaler::start(&sending(&cluster, folder.path(), &endpoint, &rest));
    ask_within_a_trace(&scaler).await;
    scaler.json("/api/v1/groups/g").await;

    let wanted = [
        "GetMetrics",
        "poll",
        "group_offsets",
        "record",
        "/api/v1/groups/{group}",
    ];
    eventually("each kind of span has arrived", async || {
        let has = |name: &&str| !collector.spans(name).is_empty();
        wanted.iter().all(has).then_some(())
    })
    .await;
    let calls = collector.spans("GetMetrics");
    let [call] = &calls[..] else {
        panic!("{calls:?}")
    };
    assert_eq!(hex(&call.trace_id), TRACE);
    assert_eq!(hex(&call.parent_span_id), PARENT);
    assert_eq!(
        text(&call.attributes, "rpc.system").as_deref(),
        Some("grpc")
    );
    let status = text(&call.attributes, "rpc.grpc.status_code");
    assert_eq!(status.as_deref(), Some("IntValue(0)"));
    // A request belongs to the poll that made it.
    let polls = collector.spans("poll");
    let is_poll = |id: &[u8]| polls.iter().any(|poll| poll.span_id == id);
    let requests = collector.spans("group_offsets");
    assert!(is_poll(&requests[0].parent_span_id), "{requests:?}");

    let main = [("cluster_name", "main")];
    eventually("metrics have arrived", async || {
        let (polls, is_counter) = collector.metric("tidegauge_polls_total", &main)?;
        assert!(is_counter);
        (polls >= 3.0).then_some(())
    })
    .await;
    let watches = collector.metric("tidegauge_watches", &[]);
    assert_eq!(watches, Some((1.0, false)));
    let names = collector.metric_names();
    assert!(
        !names.iter().any(|it| it.starts_with("kafka_")),
        "{names:?}"
    );

    for (attribute, value) in [
        ("service.name", "tidegauge"),
        ("deployment.environment.name", "test"),
    ] {
        for told in collector.resource(attribute) {
            assert_eq!(told.as_deref(), Some(value), "{attribute}");
        }
    }
    let named = collector.resource("service.instance.id");
    assert!(named.iter().all(|name| name.is_some()), "{named:?}");
    for authorization in collector.authorizations() {
        assert_eq!(authorization.as_deref(), Some(SECRET));
    }
    let sent = [("signal", "traces"), ("result", "sent")];
    eventually("it tells how much it has sent", async || {
        let (sent, _) = collector.metric("tidegauge_otlp_items_total", &sent)?;
        (sent > 0.0).then_some(())
    })
    .await;

    // What is last is not lost.
    ask_within_a_trace(&scaler).await;
    let log = scaler.log_at_end().await;
    assert_eq!(collector.spans("GetMetrics").len(), 2, "{log}");
    assert!(!log.contains("not-for-the-log"), "{log}");
    assert!(!log.contains("\"WARN\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_trusted_by_its_authority_alone() {
    let cluster = cluster().await;
    let folder = tempfile::tempdir().unwrap();
    let (ours, another) = (Authority::new("ours"), Authority::new("another"));
    let identity = ours.issue("collector", "127.0.0.1");
    let collector = Collector::start_with_tls(&identity).await;
    for (authority, is_trusted) in [(another, false), (ours, true)] {
        let file = folder.path().join("ca.pem");
        fs::write(&file, authority.certificate_pem()).unwrap();
        let rest = format!("ca_file = {file:?}\ntraces = false\n");
        let endpoint = collector.endpoint();
        let scaler = Scaler::start(&sending(&cluster, folder.path(), &endpoint, &rest));
        let result = if is_trusted { "sent" } else { "dropped" };
        let labels = format!("signal=\"metrics\",result=\"{result}\"");
        eventually("metrics are sent or refused", async || {
            let items = metric(&scaler, "tidegauge_otlp_items_total", &labels).await;
            (items > 0.0).then_some(())
        })
        .await;
        assert_eq!(!collector.metric_names().is_empty(), is_trusted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_told_once_and_its_return_once() {
    let cluster = cluster().await;
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let rest = "sampling_ratio = 1\ntimeout = \"1s\"\n";
    let endpoint = format!("http://{address}");
    let scaler = Scaler::start(&sending(&cluster, folder.path(), &endpoint, rest));
    for signal in ["traces", "metrics"] {
        let labels = format!("signal=\"{signal}\",result=\"dropped\"");
        let dropped = async || metric(&scaler, "tidegauge_otlp_items_total", &labels).await;
        eventually("much is dropped", async || {
            let asked = Instant::now();
            scaler.told(METADATA).await.unwrap();
            assert!(asked.elapsed() < PROMPT);
            (dropped().await >= 100.0).then_some(())
        })
        .await;
    }
    let warned = |log: &str| log.matches("the collector does not take telemetry").count();
    assert_eq!(warned(&scaler.log()), 2, "{}", scaler.log());

    let collector = Collector::start_at(&address).await;
    eventually("what is made from now on arrives", async || {
        let polls = collector.spans("poll");
        (!polls.is_empty() && !collector.metric_names().is_empty()).then_some(())
    })
    .await;
    let again = "the collector takes telemetry again";
    eventually("it is told", async || {
        (scaler.log().matches(again).count() == 2).then_some(())
    })
    .await;
    let log = scaler.log();
    assert_eq!(warned(&log), 2, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_says_nothing_delays_neither_answers_nor_the_end() {
    let cluster = cluster().await;
    let folder = tempfile::tempdir().unwrap();
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", deaf.local_addr().unwrap());
    let rest = "sampling_ratio = 1\ntimeout = \"1m\"\n";
    let scaler = Scaler::start(&sending(&cluster, folder.path(), &endpoint, rest));
    let ticks = async || metric(&scaler, "tidegauge_recorded_ticks_total", "").await;
    eventually("ticks go on", async || {
        let asked = Instant::now();
        scaler.told(METADATA).await.unwrap();
        assert!(asked.elapsed() < PROMPT);
        (ticks().await >= 10.0).then_some(())
    })
    .await;
    let asked = Instant::now();
    assert!(scaler.terminate().await.success());
    // What is left may take 2 s; the rest is what any end takes.
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
}
