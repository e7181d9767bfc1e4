//! Azul on Tidegauge: names from a real Redis, groups in a real Kafka, ScaledObjects
//! as they were written for Azul Scaler, and its formula.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::Value;
use tidegauge::kafka::Producer;
use tonic::Code;

use super::support::{
    eventually,
    kafka::{Broker, kafka_or_skip},
    keda::{Answer, Trigger, answer},
    redis::{self, Redis},
    scaler::{Scaler, configuration},
};

/// What the dispatcher writes of a plugin.
const DEPLOYED: &str =
    r#"{"name": "jira", "version": "1.2", "kafka_prefix": "Jira-1.2", "replicas": null}"#;
/// Another plugin's and another system's groups are as far behind as is noticed.
const GROUPS: [Group; 5] = [
    Group::new("azul-dev-jira-1.2-live", "live", 500, 400),
    Group::new("azul-dev-jira-1.2-expedite", "expedite", 50, 40),
    Group::new("azul-dev-jira-1.2-historic", "historic", 2_000, 500),
    Group::new("azul-dev-virus-3.0-live", "live", 500, 3),
    Group::new("other-jira-1.2-live", "live", 500, 7),
];
const PARTITIONS: i32 = 2;
const CONFIGURATION: &str = "[azul]\ngroup_prefix = 'AZUL-'\n";
/// A value that was told is that of a tick at most so much older, in ms.
const TOLD_WITHIN_MS: i64 = 3_000;

const WITHOUT_HISTORIC: [(&str, &str); 5] = [
    ("scalerAddress", "azul-scaler.azul:8090"),
    ("entityName", "plugin"),
    ("pluginName", "jira"),
    ("targetSize", "50"),
    ("includeHistoric", "false"),
];
/// As its code reads it, not its README.
const WITH_HISTORIC: [(&str, &str); 5] = [
    ("scalerAddress", "azul-scaler.azul:8090"),
    ("entityType", "plugin"),
    ("pluginName", "jira"),
    ("targetSize", "70"),
    ("includeHistoric", " TRUE "),
];

#[derive(Clone, Copy)]
struct Group {
    id: &'static str,
    topic: &'static str,
    /// Of each partition, at first.
    end: i64,
    committed: i64,
}

impl Group {
    const fn new(id: &'static str, topic: &'static str, end: i64, committed: i64) -> Self {
        Self {
            id,
            topic,
            end,
            committed,
        }
    }

    fn commit(&self, broker: &Broker, offset: i64) {
        for partition in 0..PARTITIONS {
            broker.commit_roughly(self.id, self.topic, partition, offset);
        }
    }
}

/// What Azul Scaler sums over the partitions of all groups.
#[derive(Debug, Default)]
struct Terms {
    added: i64,
    processed: i64,
    lag: i64,
    times_ms: Vec<i64>,
}

impl Terms {
    /// Its formula.
    fn metric(&self) -> f64 {
        let lag = self.lag as f64;
        if self.processed == 0 {
            return lag;
        }
        let mean_ms = self.times_ms.iter().sum::<i64>() as f64 / self.times_ms.len() as f64;
        let mut rate = (self.processed - self.added) as f64 / (mean_ms / 60_000.0);
        if rate < 1.0 {
            rate = if lag <= 2.0 {
                1.0
            } else {
                1.0 - (1.0 - rate).sqrt().min(100.0) / 100.0
            };
            if rate < 0.0001 {
                rate = 1.0;
            }
        }
        let metric = lag / rate;
        let metric = if metric > 1_000_000.0 {
            9_999_999.0
        } else {
            metric
        };
        metric.round_ties_even()
    }
}

/// Recorded readings of the partitions of some groups.
struct Recorded(BTreeMap<(String, i64), Vec<Reading>>);

struct Reading {
    at_ms: i64,
    end: i64,
    committed: i64,
}

impl Recorded {
    async fn of(scaler: &Scaler, groups: &[Group]) -> Self {
        let mut partitions = BTreeMap::<_, Vec<_>>::new();
        for group in groups {
            let path = format!(
                "/api/v1/history?group={}&topic={}&partition=*&step=raw&metric=committed_offset,log_end_offset",
                group.id, group.topic
            );
            for row in scaler.json(&path).await.as_array().unwrap() {
                let offset = |key: &str| row[key].as_i64();
                let (Some(end), Some(committed)) =
                    (offset("log_end_offset"), offset("committed_offset"))
                else {
                    continue;
                };
                let partition = (group.id.to_owned(), row["partition"].as_i64().unwrap());
                partitions.entry(partition).or_default().push(Reading {
                    at_ms: milliseconds(row),
                    end,
                    committed,
                });
            }
        }
        assert_eq!(partitions.len(), groups.len() * PARTITIONS as usize);
        Self(partitions)
    }

    /// What the formula has been at each tick from `from_ms` to `to_ms`.
    fn metrics(&self, from_ms: i64, to_ms: i64) -> Vec<f64> {
        let all = self.0.values().flatten();
        let ticks = all.map(|reading| reading.at_ms);
        let mut ticks: Vec<_> = ticks.filter(|at| (from_ms..=to_ms).contains(at)).collect();
        ticks.sort_unstable();
        ticks.dedup();
        ticks.iter().map(|at| self.terms(*at).metric()).collect()
    }

    /// Each partition's offsets, from what they were at first to what they were
    /// left at.
    fn is_what_was_done(&self, groups: &[Group]) -> bool {
        let left_at = [(560, 460), (50, 40), (2_000, 502)];
        let mut partitions = groups.iter().zip(left_at).flat_map(|(group, left)| {
            let partitions = (0..i64::from(PARTITIONS)).map(|at| (group.id.to_owned(), at));
            let first = (group.end, group.committed);
            partitions.map(move |partition| (partition, [first, left]))
        });
        partitions.all(|(partition, done)| {
            let readings = self.0[&partition].iter();
            let offsets: Vec<_> = readings.map(|it| (it.end, it.committed)).collect();
            let ends = [offsets[0], offsets[offsets.len() - 1]];
            offsets.is_sorted() && ends == done
        })
    }

    fn terms(&self, until_ms: i64) -> Terms {
        let mut terms = Terms::default();
        for readings in self.0.values() {
            let known = readings.iter().filter(|reading| reading.at_ms <= until_ms);
            let known: Vec<_> = known.collect();
            let [first, .., last] = &known[..] else {
                continue;
            };
            terms.added += last.end - first.end;
            terms.processed += last.committed - first.committed;
            terms.lag += last.end - last.committed;
            terms.times_ms.push(last.at_ms - first.at_ms);
        }
        terms
    }
}

fn milliseconds(row: &Value) -> i64 {
    let time = row["time"].as_str().expect("a row has a time");
    DateTime::parse_from_rfc3339(time)
        .unwrap()
        .timestamp_millis()
}

fn produce(broker: &Broker, topic: &str, records: i64) {
    let producer = Producer::connect(broker.bootstrap()).unwrap();
    for partition in 0..PARTITIONS {
        let records = usize::try_from(records).unwrap();
        producer.send(topic, Some(partition), records).unwrap();
    }
    producer.flush().unwrap();
}

async fn becomes(trigger: &mut Trigger<'_>, expected: &Answer) {
    eventually(&format!("{expected:?}"), async || {
        trigger.ask().await.ok().filter(|told| told == expected)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azuls_plugins_are_scaled_as_by_azul_scaler() {
    let test = "azuls_plugins_are_scaled_as_by_azul_scaler";
    let Some(kafka) = kafka_or_skip(test) else {
        return;
    };
    if !redis::is_there(test) {
        return;
    }
    let (broker, redis) = (Broker::start(&kafka), Redis::start());
    for topic in ["live", "expedite", "historic"] {
        broker.create_topic(topic, PARTITIONS as u32, &[]);
    }
    for group in &GROUPS {
        group.commit(&broker, group.committed);
    }
    for group in &GROUPS[..3] {
        produce(&broker, group.topic, group.end);
    }
    redis.set("jira", DEPLOYED);

    let data_dir = tempfile::tempdir().unwrap();
    let rest = format!(
        "{CONFIGURATION}[azul.redis]\naddresses = ['{}']\n",
        redis.address()
    );
    let text = configuration(data_dir.path(), broker.bootstrap(), &rest).replace(
        "request_timeout",
        "discovery_interval = \"1s\"\nrequest_timeout",
    );
    let scaler = Scaler::start(&text);
    let mut without = Trigger::of(&scaler, &WITHOUT_HISTORIC).await;
    let mut with = Trigger::of(&scaler, &WITH_HISTORIC).await;

    // Nothing is processed: the plain lag, of the groups that are the plugin's.
    let lag = |groups: &[Group]| {
        let lags = groups.iter().map(|group| group.end - group.committed);
        lags.sum::<i64>() * i64::from(PARTITIONS)
    };
    assert_eq!((lag(&GROUPS[..2]), lag(&GROUPS[..3])), (220, 3_220));
    becomes(&mut without, &answer(true, "backlog", 50.0, 220.0)).await;
    becomes(&mut with, &answer(true, "backlog", 70.0, 3_220.0)).await;

    // As much is processed as comes, and a little more of what is historic.
    produce(&broker, "live", 60);
    GROUPS[0].commit(&broker, 460);
    GROUPS[2].commit(&broker, 502);
    // Rate 0: 1 - sqrt(1 - 0) / 100 divides.
    let slow = (220.0_f64 / 0.99).round_ties_even();
    becomes(&mut without, &answer(true, "backlog", 50.0, slow)).await;
    let of_plugin = &GROUPS[..3];
    eventually("history is what was done", async || {
        let recorded = Recorded::of(&scaler, of_plugin).await;
        recorded.is_what_was_done(of_plugin).then_some(())
    })
    .await;
    let last = eventually("the historic group shrinks", async || {
        let told = with.ask().await.unwrap();
        let value = told.metrics[0].value;
        (told.active && (20.0..3_220.0).contains(&value)).then_some(value)
    })
    .await;

    for (groups, historic, target, value) in [
        (&of_plugin[..2], "false", 50.0, slow),
        (of_plugin, "TRUE", 70.0, last),
    ] {
        told_is_the_formula(&scaler, groups, historic, target, value).await;
    }

    let unknown = [
        ("entityName", "plugin"),
        ("pluginName", "nobody"),
        ("targetSize", "50"),
        ("includeHistoric", "false"),
    ];
    let refused = Trigger::of(&scaler, &unknown)
        .await
        .ask()
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    assert!(refused.message().contains("\"nobody\""), "{refused}");

    // Neither Redis nor what was in memory: the name is in history.
    drop(redis);
    scaler.kill();
    let scaler = Scaler::start(&text);
    let mut without = Trigger::of(&scaler, &WITHOUT_HISTORIC).await;
    becomes(&mut without, &answer(true, "backlog", 50.0, slow)).await;
}

/// What is recorded that KEDA was told is what the formula makes of the offsets that
/// are recorded, `value` among it.
async fn told_is_the_formula(
    scaler: &Scaler,
    groups: &[Group],
    historic: &str,
    target: f64,
    value: f64,
) {
    let rows = eventually("the last answer is recorded", async || {
        let path = format!("/api/v1/told?group={}", groups[0].id);
        let rows = scaler.json(&path).await;
        let is_ours = |row: &&Value| {
            let watch = row["watch"].as_str().unwrap();
            watch.contains(&format!("includeHistoric={historic:?}"))
        };
        let rows = rows.as_array().unwrap().iter().filter(is_ours).cloned();
        let rows: Vec<Value> = rows.filter(|row| !row["metric_value"].is_null()).collect();
        let is_last = |row: &Value| row["metric_value"].as_f64() == Some(value);
        rows.iter().any(is_last).then_some(rows)
    })
    .await;
    let recorded = Recorded::of(scaler, groups).await;
    for row in &rows {
        let (at_ms, told) = (milliseconds(row), row["metric_value"].as_f64().unwrap());
        assert_eq!(
            (row["target"].as_f64(), &row["active"]),
            (Some(target), &Value::Bool(true))
        );
        let possible = recorded.metrics(at_ms - TOLD_WITHIN_MS, at_ms);
        assert!(
            possible.contains(&told),
            "{row}: the formula says {possible:?}"
        );
    }
    assert!(rows.len() >= 2, "{rows:?}");
}
