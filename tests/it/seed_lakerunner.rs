//! Lakerunner on Tidegauge: services in a real Kafka, workers' tasks in a real
//! PostgreSQL, and ScaledObjects as they were written for its own scaler.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tidegauge::kafka::{EmbeddedCluster, Producer};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::support::{
    eventually,
    kafka::{Broker, kafka_or_skip},
    keda::{Answer, Metric, Trigger, answer},
    postgres::{self, PASSWORD, Postgres},
    scaler::{Scaler, configuration},
};

const SERVICES: &str = "[lakerunner]\nservices = 'default'\n\
                        [services.worker-compact-logs]\ntarget = 20\n\
                        [services.boxer-rollup-metrics]\ntarget = 7.5\n";
const ADDRESS: (&str, &str) = ("scalerAddress", "external-scaler.lakerunner:9090");

/// A service of its README's table, and how far behind its group is.
struct Service {
    group: &'static str,
    topic: &'static str,
    end: usize,
    committed: i64,
}

const fn service(group: &'static str, topic: &'static str, end: usize, committed: i64) -> Service {
    Service {
        group,
        topic,
        end,
        committed,
    }
}

const KAFKAS: [Service; 4] = [
    service(
        "lakerunner.ingest.logs",
        "lakerunner.objstore.ingest.logs",
        120,
        50,
    ),
    service(
        "lakerunner.compact.metrics",
        "lakerunner.segments.metrics.compact",
        30,
        30,
    ),
    service(
        "lakerunner.boxer.logs.compact",
        "lakerunner.boxer.logs.compact",
        40,
        0,
    ),
    service(
        "lakerunner.boxer.metrics.rollup",
        "lakerunner.boxer.metrics.rollup",
        9,
        4,
    ),
];

const BOXER: [(&str, &str); 3] = [
    ADDRESS,
    ("serviceType", "boxer"),
    ("boxerTasks", "ingest-logs, compact-logs,rollup-metrics"),
];

fn write_password(folder: &Path) -> PathBuf {
    let file = folder.join("password");
    std::fs::write(&file, PASSWORD).unwrap();
    file
}

async fn becomes(trigger: &mut Trigger<'_>, expected: &Answer) {
    eventually(&format!("{expected:?}"), async || {
        trigger.ask().await.ok().filter(|told| told == expected)
    })
    .await;
}

/// Each known depth of a task, once where it stands several times in a row.
async fn depths(scaler: &Scaler, task: &str) -> Vec<i64> {
    let path = format!(
        "/api/v1/history?cluster=lakerunner&group={task}&topic={task}&step=raw&metric=depth"
    );
    let rows = scaler.json(&path).await;
    let rows = rows.as_array().unwrap().iter();
    let mut depths: Vec<_> = rows.filter_map(|row| row["depth"].as_i64()).collect();
    depths.dedup();
    depths
}

#[tokio::test(flavor = "multi_thread")]
async fn lakerunners_services_workers_and_boxers_are_scaled() {
    let Some(kafka) = kafka_or_skip("lakerunners_services_workers_and_boxers_are_scaled") else {
        return;
    };
    let Some(installed) = postgres::installed() else {
        return;
    };
    let broker = Broker::start(&kafka);
    let producer = Producer::connect(broker.bootstrap()).unwrap();
    for service in &KAFKAS {
        broker.create_topic(service.topic, 1, &[]);
        producer.send(service.topic, Some(0), service.end).unwrap();
        broker.commit_roughly(service.group, service.topic, 0, service.committed);
    }
    producer.flush().unwrap();
    let postgres = Postgres::start(&installed).await;
    postgres.add("ingest-logs", 10).await;
    postgres.add("compact-logs", 45).await;

    let folder = tempfile::tempdir().unwrap();
    let queue = postgres.queue("lakerunner", &write_password(folder.path()), "");
    let text = configuration(
        folder.path(),
        broker.bootstrap(),
        &format!("{queue}{SERVICES}"),
    );
    let scaler = Scaler::start(&text);
    is_well(&scaler).await;

    services_are_told_their_lag(&scaler, &broker).await;
    boxers_are_told_a_metric_a_task(&scaler).await;
    workers_are_told_the_depth_of_their_task(&scaler, &postgres).await;

    // What was recorded is there after a crash, and goes on.
    let before = depths(&scaler, "ingest-logs").await;
    assert_eq!(before, [10, 7, 5, 7, 6, 0, 4]);
    scaler.kill();
    postgres.finish("ingest-logs", 1).await;
    let scaler = Scaler::start(&text);
    eventually("history goes on", async || {
        let after = depths(&scaler, "ingest-logs").await;
        (after == [&before[..], &[3]].concat()).then_some(())
    })
    .await;
}

/// Its probes, and gRPC's own health service.
async fn is_well(scaler: &Scaler) {
    for path in ["/healthz", "/readyz", "/livez"] {
        eventually(path, async || {
            (scaler.get(path).await.0 == 200).then_some(())
        })
        .await;
    }
    let mut health = HealthClient::new(scaler.channel().await);
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let told = health.check(request).await.unwrap().into_inner();
    assert_eq!(told.status(), ServingStatus::Serving);
}

async fn services_are_told_their_lag(scaler: &Scaler, broker: &Broker) {
    let metadata = [ADDRESS, ("serviceType", "ingest-logs")];
    let mut ingest = Trigger::of(scaler, &metadata).await;
    becomes(&mut ingest, &answer(true, "ingest-logs", 100.0, 70.0)).await;
    let idle = [ADDRESS, ("serviceType", "compact-metrics")];
    let mut compact = Trigger::of(scaler, &idle).await;
    becomes(&mut compact, &answer(false, "compact-metrics", 100.0, 0.0)).await;

    let Service { group, topic, .. } = KAFKAS[0];
    broker.commit_roughly(group, topic, 0, 120);
    becomes(&mut ingest, &answer(false, "ingest-logs", 100.0, 0.0)).await;
    let path = format!("/api/v1/history?group={group}&topic={topic}&step=raw&metric=lag");
    let rows = scaler.json(&path).await;
    let mut lags: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["lag"])
        .collect();
    lags.dedup();
    assert_eq!(lags, [&Value::from(70), &Value::from(0)]);
}

async fn boxers_are_told_a_metric_a_task(scaler: &Scaler) {
    let mut boxer = Trigger::of(scaler, &BOXER).await;
    let metric = |name: &str, target, value| Metric {
        name: format!("boxer-{name}"),
        target,
        value,
    };
    let expected = Answer {
        active: true,
        metrics: vec![
            metric("compact-logs", 100.0, 40.0),
            // The group of ingest-logs, which has read all by now.
            metric("ingest-logs", 100.0, 0.0),
            metric("rollup-metrics", 7.5, 5.0),
        ],
    };
    becomes(&mut boxer, &expected).await;
}

async fn workers_are_told_the_depth_of_their_task(scaler: &Scaler, postgres: &Postgres) {
    let metadata = [ADDRESS, ("serviceType", "worker-compact-logs")];
    let mut compact = Trigger::of(scaler, &metadata).await;
    becomes(
        &mut compact,
        &answer(true, "worker-compact-logs", 20.0, 45.0),
    )
    .await;
    // No row has it: nothing waits.
    let metadata = [ADDRESS, ("serviceType", "worker-rollup-metrics")];
    let mut rollup = Trigger::of(scaler, &metadata).await;
    becomes(
        &mut rollup,
        &answer(false, "worker-rollup-metrics", 100.0, 0.0),
    )
    .await;

    let metadata = [ADDRESS, ("serviceType", "worker-ingest-logs")];
    let mut ingest = Trigger::of(scaler, &metadata).await;
    let told = |depth: u32| answer(depth > 0, "worker-ingest-logs", 100.0, depth.into());
    becomes(&mut ingest, &told(10)).await;
    for (sql, depth) in [
        // A worker claims three, and finishes them, which nobody sees.
        (
            "UPDATE work_queue SET claimed_by = 7, claimed_at = now() WHERE id IN (SELECT id FROM \
          work_queue WHERE task_name = 'ingest-logs' ORDER BY id LIMIT 3)",
            7,
        ),
        ("DELETE FROM work_queue WHERE claimed_by = 7", 7),
        // Another claims two, and gives them back to be tried again.
        (
            "UPDATE work_queue SET claimed_by = 8, claimed_at = now() WHERE id IN (SELECT id FROM \
          work_queue WHERE task_name = 'ingest-logs' ORDER BY id LIMIT 2)",
            5,
        ),
        (
            "UPDATE work_queue SET claimed_by = -1, tries = tries + 1 WHERE claimed_by = 8",
            7,
        ),
        // One has failed for good.
        (
            "UPDATE work_queue SET failed = true, failed_reason = '{}' WHERE id = (SELECT max(id) \
          FROM work_queue WHERE task_name = 'ingest-logs')",
            6,
        ),
        ("DELETE FROM work_queue WHERE task_name = 'ingest-logs'", 0),
        (
            "INSERT INTO work_queue (task_name, priority) SELECT 'ingest-logs', n FROM \
          generate_series(1, 4) n",
            4,
        ),
    ] {
        postgres.run(sql).await;
        becomes(&mut ingest, &told(depth)).await;
    }
}

/// KEDA takes each trigger for itself.
#[tokio::test(flavor = "multi_thread")]
async fn one_workload_is_scaled_on_a_topic_and_on_a_queue() {
    let Some(installed) = postgres::installed() else {
        return;
    };
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("segments", 1).unwrap();
    let producer = cluster.producer().unwrap();
    producer.send("segments", Some(0), 30).unwrap();
    producer.flush().unwrap();
    cluster
        .commit_offsets("compactor", &[("segments", 0, 30)])
        .await
        .unwrap();
    let postgres = Postgres::start(&installed).await;
    postgres.add("compact-logs", 12).await;

    let folder = tempfile::tempdir().unwrap();
    let queue = postgres.queue("work", &write_password(folder.path()), "");
    let rest = format!("[clusters.main.groups]\ndiscover = false\n{queue}");
    let servers = cluster.bootstrap_servers();
    let scaler = Scaler::start(&configuration(folder.path(), &servers, &rest));
    let topic = [
        ("consumerGroup", "compactor"),
        ("topic", "segments"),
        ("lagThreshold", "100"),
    ];
    let queue = [
        ("queue", "work"),
        ("task", "compact-logs"),
        ("metrics", "depth,timeLag"),
        ("depth", "5"),
        ("timeLag", "3600"),
    ];
    let mut of_topic = Trigger::of(&scaler, &topic).await;
    let mut of_queue = Trigger::of(&scaler, &queue).await;
    // The topic alone would let it go to sleep.
    becomes(&mut of_topic, &answer(false, "kafka-segments", 100.0, 0.0)).await;
    let told = of_queue.ask().await.unwrap();
    assert!(told.active);
    let [depth, time_lag] = &told.metrics[..] else {
        panic!("{told:?}");
    };
    let found = (&*depth.name, depth.target, depth.value);
    assert_eq!(found, ("queue-work-compact-logs", 5.0, 12.0));
    let found = (&*time_lag.name, time_lag.target);
    assert_eq!(found, ("queue-work-compact-logs-timeLag", 3_600.0));
    assert!((0.0..60.0).contains(&time_lag.value), "{told:?}");

    // And the queue alone, once it is empty, while records come.
    postgres.finish("compact-logs", 12).await;
    producer.send("segments", Some(0), 8).unwrap();
    producer.flush().unwrap();
    becomes(&mut of_topic, &answer(true, "kafka-segments", 100.0, 8.0)).await;
    eventually("the queue is empty", async || {
        let told = of_queue.ask().await.ok()?;
        (!told.active && told.metrics[0].value == 0.0).then_some(())
    })
    .await;
}
