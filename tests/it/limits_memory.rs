//! The memory that the chart gives is enough for the documented number of series,
//! whatever is asked meanwhile.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::future::join_all;
use tidegauge::model::TimestampMs;

use super::support::{
    cgroup::{Cgroup, Limits},
    crowd::Crowd,
    eventually,
    scaler::{Scaler, metric},
};

/// The chart's default, for so many series as README says.
const MEMORY_BYTES: u64 = 1 << 30;
const CROWD: Crowd = Crowd {
    topics: 500,
    partitions_a_topic: 50,
};
/// Twenty minutes: a query of all partitions reaches its own bound there.
const TICKS_BEFORE: i64 = 120;
const APART: Duration = Duration::from_secs(10);
/// From the start until it has something to tell.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// As many as run at one time, and as many that wait.
const READERS: usize = 8;
const READING: Duration = Duration::from_secs(20);

/// What costs the most memory of its kind, of the time from `$from` to `$to`.
const QUERIES: [&str; 7] = [
    "/prometheus/api/v1/query_range?query=sum(rate(kafka_partition_latest_offset[5m]))&start=$from&end=$to&step=10",
    "/prometheus/api/v1/query_range?query=sum(rate(kafka_consumergroup_group_offset[2m]))&start=$mid&end=$to&step=10",
    "/prometheus/api/v1/query_range?query=kafka_consumergroup_group_lag&start=$from&end=$to&step=80",
    "/api/v1/top?by=max_lag&limit=1000&from=$from&to=$to",
    "/api/v1/history?group=group-0001&partition=*&metric=lag,arrival_rate,time_lag_seconds&step=raw&from=$from&to=$to",
    "/api/v1/overview?points=60&limit=60",
    "/metrics",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_series_are_recorded_and_read() {
    let limits = Limits {
        memory_bytes: Some(MEMORY_BYTES),
        ..Limits::default()
    };
    let Some((cgroup, program)) = Cgroup::for_released(limits) else {
        return;
    };
    assert_eq!(CROWD.series(), 100_000);
    let cluster = CROWD.brokers().await;
    let data_dir = tempfile::tempdir().unwrap();
    CROWD.record(data_dir.path(), TICKS_BEFORE, APART);
    let text = CROWD.configuration(data_dir.path(), &cluster, "5s", "4s");
    let began = Instant::now();
    let mut command = cgroup.command(&program);
    // As in the image: glibc would keep an arena for each of the many threads.
    command.env("MALLOC_ARENA_MAX", "2");
    let scaler = Scaler::try_start_by(command, &text).unwrap();
    eventually("it is ready", async || {
        (scaler.get("/readyz").await.0 == 200).then_some(())
    })
    .await;
    let ready = began.elapsed();
    println!("ready_ms={}", ready.as_millis());
    assert!(ready < READY_WITHIN, "{ready:?}");
    let mib = |bytes: u64| bytes >> 20;
    println!("memory_started_mb={}", mib(cgroup.own_memory_bytes()));

    let answers = join_all((0..READERS).map(|reader| read(&scaler, reader))).await;
    let mut by_query: BTreeMap<(usize, u16), u32> = BTreeMap::new();
    for (query, status) in answers.into_iter().flatten() {
        *by_query.entry((query, status)).or_default() += 1;
    }
    for ((query, status), times) in &by_query {
        println!("{} {status} {times}", QUERIES[*query]);
    }
    println!(
        "memory_peak_mb={} memory_own_mb={}",
        mib(cgroup.peak_memory_bytes()),
        mib(cgroup.own_memory_bytes())
    );
    assert_eq!(cgroup.oom_kills(), 0, "{}", scaler.log());
    for (at, query) in QUERIES.iter().enumerate() {
        assert!(by_query.contains_key(&(at, 200)), "never answered: {query}");
    }
    let polls = metric(&scaler, "tidegauge_recorded_ticks_total", "").await;
    assert!(polls >= 2.0, "{polls} ticks beside it");
    assert!(scaler.terminate().await.success());
}

/// Asks one query after another; which, and with what status.
async fn read(scaler: &Scaler, reader: usize) -> Vec<(usize, u16)> {
    let to = TimestampMs::now().0 / 1_000;
    let (began, mut answers) = (Instant::now(), Vec::new());
    for number in reader.. {
        if began.elapsed() > READING {
            break;
        }
        let query = number % QUERIES.len();
        let path = QUERIES[query]
            .replace("$from", &(to - 1_200).to_string())
            .replace("$mid", &(to - 480).to_string())
            .replace("$to", &to.to_string());
        let (status, _) = scaler.get(&path).await;
        answers.push((query, status));
    }
    answers
}
