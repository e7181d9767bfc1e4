//! What was recorded, asked for in PromQL, is what a real Prometheus says of the
//! same samples.
//!
//! A store with a history of two and a half hours is exported, made into blocks
//! by promtool, and read by Prometheus; both are asked the same. What needs a
//! window of ticks is not exported, and compared with `/api/v1/history` instead.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::Value;
use tidegauge::{
    model::{
        Cell, Commit, GroupReading, GroupState, GroupTopicReading, Members, Membership,
        PartitionReading, QueueReading, Tick, TimestampMs, Told, ToldChange, TopicReading,
        TopicState, WatchName,
    },
    store,
};

use super::support::{
    prometheus::{Prometheus, ask, program},
    scaler::{PROGRAM, Scaler, configuration},
};

const TICKS: i64 = 600;
const TICK_MS: i64 = 15_000;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % limit).unwrap()
    }
}

/// Topics with their partitions' log starts and ends, and groups' commits.
struct History {
    numbers: Numbers,
    logs: BTreeMap<&'static str, Vec<(i64, i64)>>,
    commits: BTreeMap<(&'static str, &'static str), Vec<Option<i64>>>,
}

impl History {
    fn new() -> Self {
        let logs = [("a", 3), ("b", 2), ("c", 2)];
        let commits = [
            ("orders", "a", 3),
            ("orders", "b", 2),
            ("billing", "a", 3),
            ("idle", "c", 2),
        ];
        Self {
            numbers: Numbers(7),
            logs: logs
                .into_iter()
                .map(|(topic, count)| (topic, vec![(0, 0); count]))
                .collect(),
            commits: commits
                .into_iter()
                .map(|(group, topic, count)| ((group, topic), vec![Some(0); count]))
                .collect(),
        }
    }

    fn go_on(&mut self, step: i64) {
        for (topic, partitions) in &mut self.logs {
            for (start, end) in partitions {
                *end += self.numbers.below(if *topic == "c" { 2 } else { 400 });
                *start = (*end - 3_000).max(*start);
            }
        }
        for ((group, topic), commits) in &mut self.commits {
            for (commit, (_, end)) in commits.iter_mut().zip(&self.logs[topic]) {
                let most = match *group {
                    "orders" => 410,
                    "billing" if step > 250 => 450,
                    "billing" => 380,
                    _ => 1,
                };
                let next = commit.unwrap_or(0) + self.numbers.below(most);
                *commit = Some(next.min(*end));
            }
        }
        match step {
            // Nothing is committed yet in one partition.
            0..=50 => self.commits.get_mut(&("idle", "c")).unwrap()[1] = None,
            // Offsets are reset.
            300 => self.commits.get_mut(&("orders", "a")).unwrap()[0] = Some(10),
            // A topic is made anew.
            400 => {
                self.logs.insert("b", vec![(0, 5), (0, 3)]);
                self.commits.insert(("orders", "b"), vec![Some(1), Some(0)]);
            }
            // A partition is added.
            450 => {
                self.logs.get_mut("a").unwrap().push((0, 50));
                self.commits
                    .get_mut(&("billing", "a"))
                    .unwrap()
                    .push(Some(0));
                self.commits
                    .get_mut(&("orders", "a"))
                    .unwrap()
                    .push(Some(20));
            }
            _ => {}
        }
    }

    /// The tick, if there is one: nothing was recorded for a quarter of an hour,
    /// and topic `a` could not be read for two and a half minutes.
    fn tick(&self, step: i64, at: TimestampMs) -> Option<Tick> {
        if (200..260).contains(&step) {
            return None;
        }
        let is_unread = |topic: &str| topic == "a" && (100..110).contains(&step);
        let topics = self.logs.iter().filter(|(topic, _)| !is_unread(topic));
        let mut groups: BTreeMap<&str, Vec<GroupTopicReading>> = BTreeMap::new();
        for ((group, topic), commits) in &self.commits {
            let commit = |commit: &Option<i64>| commit.map_or(Commit::None, Commit::At);
            groups.entry(group).or_default().push(GroupTopicReading {
                topic: (*topic).into(),
                commits: commits.iter().map(commit).collect(),
            });
        }
        let (task, task_log) = task(step);
        let topics = topics.map(|(name, log)| topic(name, step, log));
        let groups = groups.into_iter();
        let groups = groups.map(|(name, topics)| group(name, step, topics));
        Some(Tick {
            cluster: "main".into(),
            at,
            topics: topics.chain([task_log]).collect(),
            groups: groups.chain([task]).collect(),
            gaps: Vec::new(),
        })
    }
}

/// A queue's; by name it is the last of all.
fn task(step: i64) -> (GroupReading, TopicReading) {
    let topics = vec![GroupTopicReading {
        topic: "task".into(),
        commits: vec![Commit::At(step * 3)],
    }];
    let task = GroupReading {
        membership: None,
        queue: Some(QueueReading {
            oldest_age_ms: Some(step * 700 % 10_000),
            ..QueueReading::default()
        }),
        ..group("task", step, topics)
    };
    (task, topic("task", step, &[(0, step * 5)]))
}

fn topic(name: &str, step: i64, log: &[(i64, i64)]) -> TopicReading {
    let partition = |(start, end): &(i64, i64)| PartitionReading {
        log_start_offset: Some(*start),
        log_end_offset: Some(*end),
    };
    TopicReading {
        topic: name.into(),
        id: Some(i64::from(name == "b" && step >= 400)),
        state: TopicState::Present(log.iter().map(partition).collect()),
    }
}

fn group(name: &str, step: i64, topics: Vec<GroupTopicReading>) -> GroupReading {
    GroupReading {
        group: name.into(),
        membership: Some(Membership {
            state: GroupState::Stable,
            members: Some(Members {
                count: 1 + u32::try_from(step / 100).unwrap(),
                assignment: None,
            }),
        }),
        topics,
        queue: None,
    }
}

fn told(step: i64, at: TimestampMs) -> Option<ToldChange> {
    let told = |value: i64| Told {
        metric_value: Cell::of(value),
        target: Cell::of(100_000),
        active: Cell::of(i64::from(value > 0)),
    };
    (step % 40 == 0).then(|| ToldChange {
        at,
        watch: std::sync::Arc::new(WatchName {
            cluster: "main".into(),
            group: Some("orders".into()),
            topic: Some("a".into()),
            metric_name: "kafka-a".into(),
            key: "consumerGroup=\"orders\" ".into(),
        }),
        told: told(step * 1_234),
    })
}

fn record(folder: &Path, start: i64) {
    let (mut writer, _) = store::open(folder).unwrap();
    let mut history = History::new();
    for step in 0..TICKS {
        history.go_on(step);
        let at = TimestampMs(start + step * TICK_MS);
        if let Some(tick) = history.tick(step, at) {
            let placed = writer.place(&tick);
            writer.tell(told(step, at).into_iter().collect());
            writer.record(&placed, &[]).unwrap();
        }
    }
}

/// The blocks that promtool makes of what was recorded.
fn backfill(promtool: &str, data: &Path, folder: &Path) {
    let file = folder.join("lag.om");
    let exported = Command::new(PROGRAM)
        .args(["export", "--format", "prometheus", "--data-dir"])
        .arg(data)
        .arg("--out")
        .arg(&file)
        .output()
        .unwrap();
    assert!(exported.status.success(), "{exported:?}");
    let made = Command::new(promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, folder])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// Functions, operators and modifiers, all that are supported.
const QUERIES: &[&str] = &[
    "kafka_consumergroup_group_lag",
    "kafka_consumergroup_group_lag{group=\"orders\",partition!=\"1\"}",
    "kafka_consumergroup_group_offset{topic=~\"a|b\",group!~\"bill.*\"}",
    "{__name__=~\"kafka_consumergroup_group_(max|sum)_lag\",cluster_name=\"main\"}",
    "kafka_consumergroup_group_sum_lag offset 7m",
    "kafka_consumergroup_group_sum_lag offset -7m",
    "kafka_consumergroup_group_topic_sum_lag @ end()",
    "kafka_partition_latest_offset @ start() offset -20m",
    "kafka_partition_earliest_offset{topic=\"a\"}",
    "tidegauge_group_members",
    "tidegauge_group_lost_records",
    "tidegauge_queue_depth",
    "tidegauge_queue_depth{queue=\"main\",task=~\"t.*\"} * 2",
    "sum by (queue) (avg_over_time(tidegauge_queue_oldest_age_seconds[5m]))",
    "tidegauge_told_metric_value",
    "ceil(tidegauge_told_metric_value / tidegauge_told_target)",
    "tidegauge_told_active",
    "sum(kafka_consumergroup_group_lag)",
    "sum by (group, topic) (kafka_consumergroup_group_lag)",
    "max without (partition, topic) (kafka_consumergroup_group_lag)",
    "min by (topic) (kafka_partition_latest_offset)",
    "avg by (group) (kafka_consumergroup_group_lag)",
    "count by (nothing) (kafka_consumergroup_group_lag)",
    "group by (topic) (kafka_partition_latest_offset)",
    "stddev by (group) (kafka_consumergroup_group_lag)",
    "stdvar(kafka_consumergroup_group_lag)",
    "topk(3, kafka_partition_latest_offset)",
    "bottomk by (topic) (1, kafka_partition_latest_offset{topic!=\"c\"})",
    "quantile by (group) (0.7, kafka_consumergroup_group_lag)",
    "rate(kafka_partition_latest_offset[5m])",
    "rate(kafka_consumergroup_group_offset{group=\"orders\"}[1m])",
    "sum by (topic) (rate(kafka_partition_latest_offset[3m] offset 5m))",
    "increase(kafka_consumergroup_group_offset[10m])",
    "irate(kafka_partition_latest_offset[2m])",
    "idelta(kafka_consumergroup_group_lag[2m])",
    "delta(kafka_consumergroup_group_sum_lag[5m])",
    "deriv(kafka_consumergroup_group_sum_lag[5m])",
    "predict_linear(kafka_consumergroup_group_sum_lag[10m], 600)",
    "avg_over_time(kafka_consumergroup_group_lag[5m])",
    "min_over_time(kafka_consumergroup_group_lag[5m])",
    "max_over_time(kafka_consumergroup_group_lag[7m])",
    "sum_over_time(kafka_consumergroup_group_sum_lag[5m])",
    "count_over_time(kafka_consumergroup_group_lag[20m])",
    "count_over_time(tidegauge_told_target[20m])",
    "last_over_time(kafka_consumergroup_group_max_lag[15m])",
    "present_over_time(kafka_consumergroup_group_max_lag[15m])",
    "stddev_over_time(kafka_consumergroup_group_sum_lag[5m])",
    "stdvar_over_time(kafka_consumergroup_group_sum_lag[5m])",
    "quantile_over_time(0.9, kafka_consumergroup_group_lag[10m])",
    "changes(kafka_consumergroup_group_offset{group=\"idle\"}[10m])",
    "resets(kafka_consumergroup_group_offset[60m])",
    "absent(kafka_consumergroup_group_lag{group=\"nobody\",topic=~\"x\"})",
    "absent(kafka_consumergroup_group_sum_lag)",
    "absent_over_time(kafka_partition_latest_offset{topic=\"a\"}[2m])",
    "floor(kafka_consumergroup_group_sum_lag / 7)",
    "round(kafka_consumergroup_group_sum_lag / 7)",
    "round(kafka_consumergroup_group_sum_lag, 50)",
    "abs(kafka_consumergroup_group_sum_lag - 300)",
    "-kafka_consumergroup_group_sum_lag",
    "sqrt(kafka_consumergroup_group_sum_lag) + ln(kafka_consumergroup_group_sum_lag)",
    "log2(kafka_consumergroup_group_sum_lag) * log10(kafka_consumergroup_group_sum_lag)",
    "exp(kafka_consumergroup_group_sum_lag / 10000)",
    "sgn(kafka_consumergroup_group_sum_lag - 300)",
    "clamp_min(kafka_consumergroup_group_sum_lag, 100)",
    "clamp_max(kafka_consumergroup_group_sum_lag, 100)",
    "clamp(kafka_consumergroup_group_sum_lag, 100, 500)",
    "clamp(kafka_consumergroup_group_sum_lag, 500, 100)",
    "scalar(kafka_consumergroup_group_sum_lag{group=\"orders\"}) + 1",
    "scalar(kafka_consumergroup_group_sum_lag)",
    "vector(time()) - 5",
    "time() % 3600",
    "pi() ^ 2",
    "label_replace(kafka_consumergroup_group_lag, \"part\", \"p-$1\", \"partition\", \"([0-2])\")",
    "label_replace(kafka_consumergroup_group_sum_lag, \"group\", \"\", \"group\", \"idle\")",
    "label_join(kafka_consumergroup_group_lag, \"all\", \"/\", \"group\", \"topic\", \"partition\")",
    "sort(kafka_partition_latest_offset)",
    "sort_desc(kafka_partition_latest_offset)",
    "kafka_consumergroup_group_sum_lag * 2 + 1 - 3 / 2",
    "kafka_consumergroup_group_sum_lag > 300",
    "300 < kafka_consumergroup_group_sum_lag",
    "kafka_consumergroup_group_sum_lag >= bool 300",
    "300 == bool kafka_consumergroup_group_sum_lag",
    "1 < bool 2",
    "kafka_consumergroup_group_sum_lag != 0",
    "kafka_consumergroup_group_sum_lag % 10",
    "kafka_consumergroup_group_max_lag / kafka_consumergroup_group_sum_lag",
    "kafka_consumergroup_group_max_lag > kafka_consumergroup_group_sum_lag / 2",
    "kafka_consumergroup_group_max_lag == on (group) kafka_consumergroup_group_sum_lag",
    "kafka_consumergroup_group_lag / on (group) group_left kafka_consumergroup_group_sum_lag",
    "kafka_consumergroup_group_lag * ignoring (partition) group_left kafka_consumergroup_group_topic_sum_lag",
    "kafka_consumergroup_group_sum_lag - on (group) group_right kafka_consumergroup_group_lag",
    "kafka_consumergroup_group_offset - on (topic, partition) group_left kafka_partition_latest_offset",
    "kafka_consumergroup_group_lag * on (group) group_left (metric_name) tidegauge_told_active",
    "kafka_consumergroup_group_lag and kafka_consumergroup_group_lag > 100",
    "kafka_consumergroup_group_lag and on (topic) kafka_partition_latest_offset{topic=\"a\"}",
    "kafka_consumergroup_group_max_lag or kafka_consumergroup_group_sum_lag",
    "kafka_consumergroup_group_lag > 200 or ignoring (partition) kafka_consumergroup_group_topic_sum_lag",
    "kafka_consumergroup_group_lag unless kafka_consumergroup_group_lag > 100",
    "kafka_consumergroup_group_lag unless on (topic) kafka_partition_latest_offset{topic=\"a\"}",
    "kafka_consumergroup_group_sum_lag atan2 100",
    "kafka_consumergroup_group_sum_lag / 0",
    "sum by (group) (rate(kafka_consumergroup_group_offset[5m])) > 10 and on (group) kafka_consumergroup_group_sum_lag > 100",
    "max_over_time(kafka_consumergroup_group_sum_lag[10m] @ end())",
    "sum(kafka_consumergroup_group_lag) by (group) / count(kafka_consumergroup_group_lag) by (group)",
    // Mistakes, that both refuse.
    "kafka_consumergroup_group_lag + on (group) kafka_consumergroup_group_lag",
    "kafka_consumergroup_group_lag + on (group) kafka_consumergroup_group_sum_lag",
    "rate({__name__=~\"kafka_consumergroup_group_(max|sum)_lag\"}[5m])",
    "label_replace(kafka_consumergroup_group_lag, \"partition\", \"x\", \"\", \"\")",
    "sum(kafka_consumergroup_group_lag[5m])",
    "no_such_function(kafka_consumergroup_group_lag)",
    "{group=~\".*\"}",
];

type Points = Vec<(f64, f64)>;

/// The points of each series, by its labels; in the order of the answer.
fn series(answer: &Value) -> Vec<(String, Points)> {
    let number = |value: &Value| -> f64 {
        let text = value.as_str().unwrap();
        text.parse().unwrap()
    };
    let point = |pair: &Value| (pair[0].as_f64().unwrap(), number(&pair[1]));
    let result = &answer["data"]["result"];
    if answer["data"]["resultType"] == "scalar" {
        return vec![(String::new(), vec![point(result)])];
    }
    let rows = result.as_array().unwrap_or_else(|| panic!("{answer}"));
    let one = |row: &Value| {
        let points = match row.get("values") {
            Some(values) => values.as_array().unwrap().iter().map(point).collect(),
            None => vec![point(&row["value"])],
        };
        (row["metric"].to_string(), points)
    };
    rows.iter().map(one).collect()
}

fn is_same(one: f64, other: f64) -> bool {
    let both_nan = one.is_nan() && other.is_nan();
    both_nan || one == other || (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

/// How many points are the same; an error where one is not.
fn compare(ours: &Value, theirs: &Value, in_order: bool) -> Result<usize, String> {
    let errors = (&ours["errorType"], &theirs["errorType"]);
    if !errors.0.is_null() || !errors.1.is_null() {
        let same = errors.0 == errors.1;
        return same.then_some(0).ok_or(format!("{ours}\n{theirs}"));
    }
    if ours["data"]["resultType"] != theirs["data"]["resultType"] {
        return Err(format!("{ours}\n{theirs}"));
    }
    let (mut ours, mut theirs) = (series(ours), series(theirs));
    if !in_order {
        ours.sort_by(|one, other| one.0.cmp(&other.0));
        theirs.sort_by(|one, other| one.0.cmp(&other.0));
    }
    let names =
        |series: &[(String, Points)]| series.iter().map(|one| one.0.clone()).collect::<Vec<_>>();
    if names(&ours) != names(&theirs) {
        return Err(format!(
            "series {:#?}\nand {:#?}",
            names(&ours),
            names(&theirs)
        ));
    }
    let mut count = 0;
    for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        let differ = ours
            .iter()
            .zip(theirs)
            .find(|(one, other)| (one.0 - other.0).abs() > 1e-4 || !is_same(one.1, other.1));
        if let Some((one, other)) = differ {
            return Err(format!("{name}: {one:?} and {other:?}"));
        }
        if ours.len() != theirs.len() {
            return Err(format!(
                "{name}: {} points and {}",
                ours.len(),
                theirs.len()
            ));
        }
        count += ours.len();
    }
    Ok(count)
}

/// What needs a window, beside the metrics of history that say the same.
const ESTIMATES: [(&str, &str, &str); 4] = [
    (
        "tidegauge_group_topic_arrival_records_per_second",
        "arrival_rate",
        "group=\"orders\",topic=\"a\"",
    ),
    (
        "tidegauge_group_topic_consumption_records_per_second",
        "consumption_rate",
        "group=\"orders\",topic=\"a\"",
    ),
    (
        "kafka_consumergroup_group_max_lag_seconds",
        "time_lag_seconds",
        "group=\"billing\"",
    ),
    (
        "tidegauge_group_eta_seconds",
        "eta_seconds",
        "group=\"billing\"",
    ),
];

/// Where each tick was read whole, a query is what history tells of that tick.
async fn compare_estimates(
    scaler: &Scaler,
    client: &reqwest::Client,
    api: &str,
    start: i64,
) -> usize {
    let (from, to) = (start + 300 * TICK_MS, start + 440 * TICK_MS);
    let mut points = 0;
    for (name, metric, labels) in ESTIMATES {
        let group = labels.split('"').nth(1).unwrap();
        let path = format!(
            "/api/v1/history?group={group}&topic=a&metric={metric}&from={from}&to={to}&step=raw"
        );
        let rows = scaler.json(&path).await;
        let rows = rows.as_array().unwrap();
        let told: Vec<_> = rows.iter().filter_map(|row| row[metric].as_f64()).collect();
        let form = [
            ("query", format!("{name}{{{labels}}}")),
            ("start", format!("{}.250", from / 1_000)),
            ("end", format!("{}.250", to / 1_000)),
            ("step", "15".to_owned()),
        ];
        let answer = ask(client, api, "query_range", &form).await;
        let found = series(&answer).into_iter().next();
        let found = found
            .unwrap_or_else(|| panic!("{form:?}: {answer}, not {told:?}"))
            .1;
        assert_eq!(found.len(), told.len(), "{name}: {answer}");
        for ((at, value), told) in found.iter().zip(told) {
            assert!(is_same(*value, told), "{name} at {at}: {value} and {told}");
        }
        points += found.len();
    }
    points
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_says_the_same_of_the_same_samples() {
    let (Some(prometheus), Some(promtool)) = (program("prometheus"), program("promtool")) else {
        return;
    };
    // Within what is kept as it was recorded, and at no round time.
    let start = (TimestampMs::now().0 / 1_000 - 4 * 3_600) * 1_000 + 250;
    let (data, blocks) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    record(data.path(), start);
    backfill(&promtool, data.path(), blocks.path());
    let prometheus = Prometheus::start(&prometheus, "global: {}\n", blocks.path());
    let scaler = Scaler::start(&configuration(data.path(), "127.0.0.1:1", ""));

    let client = reqwest::Client::new();
    let (ours, theirs) = (
        format!("http://{}/prometheus/api/v1", scaler.http_address()),
        prometheus.api(),
    );
    let seconds = |ticks: i64| format!("{}", start / 1_000 + ticks * TICK_MS / 1_000);
    let (mut asked, mut points, mut failures) = (0, 0, Vec::new());
    for query in QUERIES {
        let query = ("query", (*query).to_owned());
        let mut forms: Vec<_> = [-5, 30, 105, 230, 303, 452, 599, 615, 700]
            .map(|ticks| ("query", vec![query.clone(), ("time", seconds(ticks))]))
            .into();
        for (from, to, step) in [(-30, 660, "60"), (190, 270, "7.5"), (0, 600, "15m")] {
            let range = [
                ("start", seconds(from)),
                ("end", seconds(to)),
                ("step", step.to_owned()),
            ];
            let form = [vec![query.clone()], range.to_vec()].concat();
            forms.push(("query_range", form));
        }
        for (path, form) in forms {
            let answers = (
                ask(&client, &ours, path, &form).await,
                ask(&client, &theirs, path, &form).await,
            );
            let in_order = query.1.starts_with("sort") && path == "query";
            asked += 1;
            match compare(&answers.0, &answers.1, in_order) {
                Ok(count) => points += count,
                Err(why) => failures.push(format!("{path} {form:?}: {why}")),
            }
        }
    }
    println!(
        "{} expressions, {asked} queries, {points} points, {} differences",
        QUERIES.len(),
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let estimates = compare_estimates(&scaler, &client, &ours, start).await;
    println!("{estimates} points of what needs a window are those of /api/v1/history");
    assert!(estimates > 300, "{estimates}");
    assert!(points > 100_000, "{points}");
}
