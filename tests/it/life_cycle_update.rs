//! A rolling update: one process lets go of the volume and the next takes it up,
//! while KEDA asks on. Each answer is right or UNAVAILABLE.

use std::{
    collections::BTreeSet,
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tidegauge::{
    kafka::EmbeddedCluster,
    proto::{GetMetricsRequest, external_scaler_client::ExternalScalerClient},
};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use super::support::{
    eventually,
    proxy::Proxy,
    scaler::{Scaler, configuration, named_groups, scaled_object},
};

const METADATA: &[(&str, &str)] = &[
    ("consumerGroup", "g"),
    ("lagThreshold", "1"),
    ("allowIdleConsumers", "true"),
];
const ROUNDS: u64 = 3;
const RECORDS_A_ROUND: u64 = 100;
/// Between two calls: some in each hand-over, however short.
const PACE: Duration = Duration::from_millis(5);

/// Asks as KEDA does, again and again, and notes what it is told.
#[derive(Debug, Default)]
struct Answers {
    right: u64,
    unavailable: u64,
    longest_silence: Duration,
    /// Of the ticks that answers were made of.
    as_of: BTreeSet<String>,
}

fn channel(proxy: &Proxy) -> Channel {
    let address = format!("http://127.0.0.1:{}", proxy.port());
    Endpoint::from_shared(address).unwrap().connect_lazy()
}

async fn ask_until(stop: CancellationToken, channel: Channel, sent: Arc<AtomicU64>) -> Answers {
    let mut client = ExternalScalerClient::new(channel);
    let mut answers = Answers::default();
    let (mut highest, mut last) = (0.0, Instant::now());
    let mut pace = interval(PACE);
    while !stop.is_cancelled() {
        pace.tick().await;
        let request = GetMetricsRequest {
            scaled_object_ref: Some(scaled_object(METADATA)),
            metric_name: String::new(),
        };
        match client.get_metrics(request).await {
            Ok(response) => {
                let as_of = response.metadata().get("tidegauge-as-of").unwrap();
                answers.as_of.insert(as_of.to_str().unwrap().to_owned());
                let value = response.get_ref().metric_values[0].metric_value_float;
                // Nothing is committed, so that lag only grows.
                assert!(value >= highest, "{value} after {highest}");
                assert!(value <= sent.load(Ordering::SeqCst) as f64, "{value}");
                highest = value;
                answers.right += 1;
                answers.longest_silence = answers.longest_silence.max(last.elapsed());
                last = Instant::now();
            }
            Err(status) => {
                assert_unavailable(&status);
                answers.unavailable += 1;
            }
        }
    }
    answers
}

/// Listens as KEDA does, which comes back when a stream has ended; says how many
/// ended with OK after they had told what is.
async fn listen_until(stop: CancellationToken, channel: Channel) -> u64 {
    let mut client = ExternalScalerClient::new(channel);
    let mut ended_well = 0;
    let mut pace = interval(PACE);
    let listening = async {
        loop {
            pace.tick().await;
            let opened = client.stream_is_active(scaled_object(METADATA)).await;
            let Some(opened) = unless_unavailable(opened) else {
                continue;
            };
            let mut stream = opened.into_inner();
            let Some(Some(told)) = unless_unavailable(stream.message().await) else {
                continue;
            };
            assert!(told.result);
            if unless_unavailable(stream.message().await) == Some(None) {
                ended_well += 1;
            }
        }
    };
    stop.run_until_cancelled(listening).await;
    ended_well
}

fn unless_unavailable<T>(answer: Result<T, Status>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(status) => {
            assert_unavailable(&status);
            None
        }
    }
}

/// Told by the scaler, or nothing at all: a connection that has ended is another
/// word for it, of this client alone.
fn assert_unavailable(status: &Status) {
    let cause = status
        .source()
        .map(|cause| cause.is::<tonic::transport::Error>());
    let no_answer = cause == Some(true);
    assert!(
        no_answer || status.code() == Code::Unavailable,
        "{status:?}"
    );
}

fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// The Service before the pods: it leads to `next` as soon as that is ready.
async fn lead_to(proxy: &Proxy, next: &Scaler) {
    eventually("the next one is ready", async || {
        (next.get("/readyz").await.0 == 200).then_some(())
    })
    .await;
    proxy.lead_to(port(next.grpc_address()));
}

async fn waits_for_the_volume(scaler: &Scaler) {
    eventually("it waits for the volume", async || {
        let (_, text) = scaler.get("/readyz").await;
        text.contains("waiting for the volume").then_some(())
    })
    .await;
}

async fn tells(scaler: &Scaler, value: u64) {
    eventually("all records are told", async || {
        let told = scaler.told(METADATA).await.ok()?;
        (told.value == value as f64).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_right_or_unavailable_and_no_tick_is_lost() {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 1).unwrap();
    cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
    let producer = cluster.producer().unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let send = || {
        let all = sent.fetch_add(RECORDS_A_ROUND, Ordering::SeqCst) + RECORDS_A_ROUND;
        let records = RECORDS_A_ROUND as usize;
        producer.send("t", Some(0), records).unwrap();
        producer.flush().unwrap();
        all
    };
    let data_dir = tempfile::tempdir().unwrap();
    let groups = named_groups(&[("g", "t")]);
    let text = configuration(data_dir.path(), &cluster.bootstrap_servers(), &groups);
    let mut serving = Scaler::start(&text);
    tells(&serving, send()).await;
    let proxy = Proxy::start(port(serving.grpc_address()));
    let stop = CancellationToken::new();
    let asking = ask_until(stop.clone(), channel(&proxy), Arc::clone(&sent));
    let asking = tokio::spawn(asking);
    let listening = tokio::spawn(listen_until(stop.clone(), channel(&proxy)));

    for _ in 0..ROUNDS {
        let next = Scaler::begin(&text);
        waits_for_the_volume(&next).await;
        tells(&serving, send()).await;
        serving.signal_end();
        let (ended, ()) = tokio::join!(serving.ended(), lead_to(&proxy, &next));
        assert!(ended.success());
        tells(&next, send()).await;
        serving = next;
    }
    stop.cancel();
    let (answers, ended_well) = tokio::join!(asking, listening);
    let (answers, ended_well) = (answers.unwrap(), ended_well.unwrap());
    println!("handover_ms={}", answers.longest_silence.as_millis());
    println!(
        "answers={} unavailable={}",
        answers.right, answers.unavailable
    );
    // One that comes back while the old process still ends may be told and ended once more.
    assert!(
        ended_well >= ROUNDS,
        "{ended_well} streams ended with OK in {ROUNDS} rounds"
    );
    all_are_recorded_once(&serving, &answers.as_of).await;
}

/// Is each tick that was told of in history, and none of history twice?
async fn all_are_recorded_once(scaler: &Scaler, told: &BTreeSet<String>) {
    let first = told.first().unwrap();
    let path = format!("/api/v1/history?group=g&metric=lag&step=raw&from={first}");
    let history = scaler.json(&path).await;
    let rows = history.as_array().unwrap().iter();
    let times: Vec<_> = rows.map(|row| row["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
    let lost: Vec<_> = told
        .iter()
        .filter(|at| !times.contains(&at.as_str()))
        .collect();
    assert!(lost.is_empty(), "{lost:?} of {} ticks", told.len());
}
