//! With a tenth of a core KEDA is answered in time: right after the start, while
//! the brokers are polled and while hours are sealed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tidegauge::proto::{
    GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient,
};
use tokio::{task::JoinSet, time::interval};
use tonic::transport::Channel;

use super::support::{
    cgroup::{Cgroup, Limits},
    crowd::Crowd,
    eventually,
    scaler::{Scaler, metric, scaled_object},
};

const CPU_PERCENT: u32 = 10;
/// A thousand groups, a ScaledObject each.
const CROWD: Crowd = Crowd {
    topics: 500,
    partitions_a_topic: 5,
};
/// Five hours, of which two are sealed after the start.
const TICKS_BEFORE: i64 = 600;
const APART: Duration = Duration::from_secs(30);

/// Each ScaledObject costs GetMetricSpec, GetMetrics and IsActive each 30 s, and
/// the HPA GetMetrics each 15 s: for a thousand, 167 calls a second.
const PACE: Duration = Duration::from_millis(6);
const ASKING: Duration = Duration::from_secs(40);
/// Then the metrics adapter gives up.
const KEDA_WAITS: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn keda_is_answered_with_a_tenth_of_a_core() {
    let limits = Limits {
        cpu_percent: Some(CPU_PERCENT),
        ..Limits::default()
    };
    let Some((cgroup, program)) = Cgroup::for_released(limits) else {
        return;
    };
    assert_eq!((CROWD.groups(), CROWD.series()), (1_000, 10_000));
    let cluster = CROWD.brokers().await;
    let data_dir = tempfile::tempdir().unwrap();
    CROWD.record(data_dir.path(), TICKS_BEFORE, APART);
    let text = CROWD.configuration(data_dir.path(), &cluster, "10s", "5s");

    let began = Instant::now();
    let scaler = Scaler::try_start_by(cgroup.command(&program), &text).unwrap();
    println!("start_ms={}", began.elapsed().as_millis());
    let mut took = ask(ExternalScalerClient::new(scaler.channel().await)).await;
    took.sort();
    let percent = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    println!(
        "calls={} throttled_periods={}",
        took.len(),
        cgroup.throttled_periods()
    );
    println!(
        "call_p50_ms={:.1} call_p99_ms={:.1} call_max_ms={:.1}",
        ms(percent(50)),
        ms(percent(99)),
        ms(percent(100))
    );
    assert!(percent(100) < KEDA_WAITS, "{:?}", percent(100));
    assert!(cgroup.throttled_periods() > 0, "it was never short of CPU");
    eventually("hours are sealed", async || {
        let contents = scaler.json("/api/v1/store").await;
        (contents["levels"][0]["chunks"] != 0).then_some(())
    })
    .await;
    let cluster = "cluster_name=\"main\"";
    let polls = metric(&scaler, "tidegauge_polls_total", cluster).await;
    println!("polls={polls}");
    assert!(polls >= 3.0, "{polls} polls beside it");
}

/// Calls at an even pace, whatever becomes of those before; how long each took.
async fn ask(client: ExternalScalerClient<Channel>) -> Vec<Duration> {
    let objects: Vec<_> = (0..CROWD.groups()).map(object).collect();
    let objects = Arc::new(objects);
    let (began, mut pace, mut calls) = (Instant::now(), interval(PACE), JoinSet::new());
    for number in 0.. {
        if began.elapsed() > ASKING {
            break;
        }
        pace.tick().await;
        let object = objects[number / 5 % objects.len()].clone();
        calls.spawn(call(client.clone(), object, number % 5));
    }
    calls.join_all().await
}

async fn call(
    mut client: ExternalScalerClient<Channel>,
    object: ScaledObjectRef,
    kind: usize,
) -> Duration {
    let began = Instant::now();
    match kind {
        0 => drop(client.get_metric_spec(object).await.unwrap()),
        1 => drop(client.is_active(object).await.unwrap()),
        _ => {
            let request = GetMetricsRequest {
                scaled_object_ref: Some(object),
                metric_name: String::new(),
            };
            drop(client.get_metrics(request).await.unwrap());
        }
    }
    began.elapsed()
}

fn object(group: usize) -> ScaledObjectRef {
    let metadata = Crowd::metadata(group);
    let pairs: Vec<_> = metadata
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    scaled_object(&pairs)
}
