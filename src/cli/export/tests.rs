//! Known ticks as text.

use std::collections::{BTreeMap, BTreeSet};

use tempfile::TempDir;

use super::*;
use crate::{
    model::{
        Commit, GroupReading, GroupState, GroupTopicReading, Members, Membership, PartitionReading,
        QueueReading, Tick, TopicReading, TopicState,
    },
    store,
};

/// 2026-01-01T00:00:00Z
const T0_MS: i64 = 1_767_225_600_000;

fn tick(at_s: i64, group: &str, partitions: &[(Commit, Option<i64>, Option<i64>)]) -> Tick {
    let log = |(_, start, end): &(Commit, Option<i64>, Option<i64>)| PartitionReading {
        log_start_offset: *start,
        log_end_offset: *end,
    };
    Tick {
        cluster: "main".into(),
        at: TimestampMs(T0_MS + at_s * 1_000),
        topics: vec![TopicReading {
            topic: "t".into(),
            id: None,
            state: TopicState::Present(partitions.iter().map(log).collect()),
        }],
        groups: vec![GroupReading {
            group: group.into(),
            membership: Some(Membership {
                state: GroupState::Stable,
                members: Some(Members {
                    count: 2,
                    assignment: None,
                }),
            }),
            topics: vec![GroupTopicReading {
                topic: "t".into(),
                commits: partitions.iter().map(|(commit, ..)| *commit).collect(),
            }],
            queue: None,
        }],
        gaps: Vec::new(),
    }
}

fn recorded(ticks: &[Tick]) -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut writer, store) = store::open(dir.path()).expect("a store");
    for tick in ticks {
        let placed = writer.place(tick);
        writer.record(&placed, &[]).expect("recorded");
    }
    (dir, store)
}

/// A partition that is read, one without a commit, one that comes later, and
/// what could not be read.
fn known_ticks() -> Vec<Tick> {
    let read = (Commit::At(3), Some(0), Some(10));
    let no_commit = (Commit::None, Some(0), Some(7));
    vec![
        tick(0, "a,\"b\"", &[read]),
        tick(10, "a,\"b\"", &[(Commit::At(4), None, Some(12)), no_commit]),
        tick(
            20,
            "a,\"b\"",
            &[(Commit::Unread, None, Some(13)), no_commit],
        ),
    ]
}

const ALL: Request = Request {
    cluster: None,
    group: None,
    topic: None,
    from: TimestampMs(i64::MIN),
    to: TimestampMs(i64::MAX),
    level: Level::Raw,
};

fn text(store: &Store, request: &Request, format: Format) -> String {
    let bytes = export(store, request, format, Vec::new()).expect("an export");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn csv_has_a_row_for_each_time_and_partition() {
    let (_dir, store) = recorded(&known_ticks());
    let expected = "\
time,cluster,group,topic,partition,committed_offset,log_start_offset,log_end_offset,lag,members,depth,oldest_age_seconds,added,done\r
2026-01-01T00:00:00.000Z,main,\"a,\"\"b\"\"\",t,0,3,0,10,7,2,,,,\r
2026-01-01T00:00:10.000Z,main,\"a,\"\"b\"\"\",t,0,4,0,12,8,2,,,,\r
2026-01-01T00:00:10.000Z,main,\"a,\"\"b\"\"\",t,1,,0,7,,2,,,,\r
2026-01-01T00:00:20.000Z,main,\"a,\"\"b\"\"\",t,0,,0,13,,2,,,,\r
2026-01-01T00:00:20.000Z,main,\"a,\"\"b\"\"\",t,1,,0,7,,2,,,,\r
";
    assert_eq!(text(&store, &ALL, Format::Csv), expected);
}

#[test]
fn a_row_of_json_is_a_line() {
    let (_dir, store) = recorded(&known_ticks());
    let from = TimestampMs(T0_MS + 20_000);
    let late = Request { from, ..ALL };
    let text = text(&store, &late, Format::Jsonl);
    let rows: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[0],
        serde_json::json!({
            "time": "2026-01-01T00:00:20.000Z", "cluster": "main", "group": "a,\"b\"",
            "topic": "t", "partition": 0, "committed_offset": null, "log_start_offset": 0,
            "log_end_offset": 13, "lag": null, "members": 2, "depth": null,
            "oldest_age_seconds": null, "added": null, "done": null,
        })
    );
}

#[test]
fn a_backfill_has_the_names_of_the_page_and_leaves_out_what_is_unknown() {
    let (_dir, store) = recorded(&known_ticks());
    let text = text(&store, &ALL, Format::Prometheus);
    let group = r#"cluster_name="main",group="a,\"b\"""#;
    let client = r#"member_host="",consumer_id="",client_id="""#;
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let in_group =
        |partition: u32| format!("{group},topic=\"t\",partition=\"{partition}\",{client}");
    let in_topic =
        |partition: u32| format!("cluster_name=\"main\",topic=\"t\",partition=\"{partition}\"");
    let [p0, log0, log1] = [in_group(0), in_topic(0), in_topic(1)];
    let expected = [
        format!("kafka_consumergroup_group_offset{{{p0}}} 3 1767225600.000"),
        format!("kafka_consumergroup_group_offset{{{p0}}} 4 1767225610.000"),
        format!("kafka_consumergroup_group_lag{{{p0}}} 7 1767225600.000"),
        format!("kafka_consumergroup_group_lag{{{p0}}} 8 1767225610.000"),
        format!("kafka_consumergroup_group_max_lag{{{group}}} 7 1767225600.000"),
        format!("kafka_consumergroup_group_max_lag{{{group}}} 8 1767225610.000"),
        format!("kafka_consumergroup_group_sum_lag{{{group}}} 7 1767225600.000"),
        format!("kafka_consumergroup_group_sum_lag{{{group}}} 8 1767225610.000"),
        format!("kafka_consumergroup_group_topic_sum_lag{{{group},topic=\"t\"}} 7 1767225600.000"),
        format!("kafka_consumergroup_group_topic_sum_lag{{{group},topic=\"t\"}} 8 1767225610.000"),
        format!("tidegauge_group_members{{{group}}} 2 1767225600.000"),
        format!("tidegauge_group_members{{{group}}} 2 1767225610.000"),
        format!("tidegauge_group_members{{{group}}} 2 1767225620.000"),
        format!("tidegauge_group_lost_records{{{group}}} 0 1767225600.000"),
        format!("tidegauge_group_lost_records{{{group}}} 0 1767225610.000"),
        format!("kafka_partition_latest_offset{{{log0}}} 10 1767225600.000"),
        format!("kafka_partition_latest_offset{{{log0}}} 12 1767225610.000"),
        format!("kafka_partition_latest_offset{{{log0}}} 13 1767225620.000"),
        format!("kafka_partition_latest_offset{{{log1}}} 7 1767225610.000"),
        format!("kafka_partition_latest_offset{{{log1}}} 7 1767225620.000"),
        format!("kafka_partition_earliest_offset{{{log0}}} 0 1767225600.000"),
        format!("kafka_partition_earliest_offset{{{log0}}} 0 1767225610.000"),
        format!("kafka_partition_earliest_offset{{{log0}}} 0 1767225620.000"),
        format!("kafka_partition_earliest_offset{{{log1}}} 0 1767225610.000"),
        format!("kafka_partition_earliest_offset{{{log1}}} 0 1767225620.000"),
    ];
    assert_eq!(samples, expected);
    check_open_metrics(&text);
}

/// Of a queue's task, with an age in the first of two.
fn task_ticks() -> Vec<Tick> {
    let tick = |at_s, oldest_age_ms| {
        let read = (Commit::At(3), Some(0), Some(10 + at_s));
        let mut tick = tick(at_s, "t", &[read]);
        tick.groups[0].membership = None;
        tick.groups[0].queue = Some(QueueReading {
            oldest_age_ms,
            added: Some(70 + at_s),
            done: None,
        });
        tick
    };
    vec![tick(0, Some(2_500)), tick(10, None)]
}

#[test]
fn a_task_has_depth_age_and_counters_in_each_format() {
    let (_dir, store) = recorded(&task_ticks());
    let csv = text(&store, &ALL, Format::Csv);
    let rows: Vec<_> = csv.lines().skip(1).collect();
    let expected = [
        "2026-01-01T00:00:00.000Z,main,t,t,0,3,0,10,7,,7,2.5,70,",
        "2026-01-01T00:00:10.000Z,main,t,t,0,3,0,20,17,,17,,80,",
    ];
    assert_eq!(rows, expected);
    let lines = text(&store, &ALL, Format::Jsonl);
    let line: serde_json::Value =
        serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    for (key, value) in [("depth", 7.0), ("oldest_age_seconds", 2.5), ("added", 70.0)] {
        assert_eq!(line[key].as_f64(), Some(value), "{key}");
    }
    assert_eq!(line["done"], serde_json::Value::Null);

    let group = Some("t".to_owned());
    let text = text(&store, &Request { group, ..ALL }, Format::Prometheus);
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let task = r#"queue="main",task="t""#;
    let expected = [
        format!("tidegauge_queue_depth{{{task}}} 7 1767225600.000"),
        format!("tidegauge_queue_depth{{{task}}} 17 1767225610.000"),
        format!("tidegauge_queue_oldest_age_seconds{{{task}}} 2.5 1767225600.000"),
    ];
    assert_eq!(samples, expected);
    check_open_metrics(&text);
}

/// What a strict reader of OpenMetrics wants: families in one piece, their type
/// first, series in one piece, times that ascend, an end.
fn check_open_metrics(text: &str) {
    let body = text.strip_suffix("# EOF\n").expect("an end");
    let (mut families, mut series) = (BTreeSet::new(), BTreeMap::new());
    let (mut family, mut newest_series) = ("", "");
    for line in body.lines() {
        if let Some(name) = line.strip_prefix("# HELP ") {
            family = name.split(' ').next().expect("a name");
            assert!(families.insert(family), "{family} comes twice");
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert_eq!(rest, format!("{family} gauge"));
            continue;
        }
        let (labels, rest) = line.rsplit_once("} ").expect("labels");
        assert!(labels.starts_with(&format!("{family}{{")), "{line}");
        let (value, at) = rest.split_once(' ').expect("value and time");
        value.parse::<f64>().expect("a number");
        let at: f64 = at.parse().expect("seconds");
        let before = series.insert(labels, at);
        assert!(before.is_none_or(|before| before < at), "{line}");
        assert!(before.is_none() || newest_series == labels, "{line}");
        newest_series = labels;
    }
    assert_eq!(families.len(), 14);
}

#[test]
fn a_minute_has_its_newest_readings() {
    let ticks: Vec<_> = (0..12)
        .map(|n| tick(n * 10, "g", &[(Commit::At(n), Some(0), Some(20))]))
        .collect();
    let (_dir, store) = recorded(&ticks);
    let by_minute = Request {
        level: Level::Minutes,
        ..ALL
    };
    let text = text(&store, &by_minute, Format::Csv);
    let rows: Vec<_> = text.lines().skip(1).collect();
    let expected = [
        "2026-01-01T00:00:50.000Z,main,g,t,0,5,0,20,15,2,,,,",
        "2026-01-01T00:01:50.000Z,main,g,t,0,11,0,20,9,2,,,,",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn names_that_were_never_recorded_are_mistakes() {
    let (_dir, store) = recorded(&known_ticks());
    let error = |request: &Request| {
        let outcome = export(&store, request, Format::Csv, Vec::new());
        outcome.expect_err("a mistake").to_string()
    };
    let cluster = Some("other".to_owned());
    let message = error(&Request { cluster, ..ALL });
    assert_eq!(message, "--cluster is \"other\", accepted is one of: main");
    let group = Some("x".to_owned());
    let message = error(&Request { group, ..ALL });
    assert!(
        message.starts_with("--group is \"x\", accepted is"),
        "{message}"
    );
    let topic = Some("x".to_owned());
    let message = error(&Request { topic, ..ALL });
    assert!(
        message.starts_with("--topic is \"x\", accepted is"),
        "{message}"
    );
    assert!(time("soon").expect_err("no time").contains("RFC 3339"));
}

#[test]
fn a_backfill_is_what_promtool_takes() {
    let promtool = std::env::var("TIDEGAUGE_TEST_PROMTOOL").unwrap_or("promtool".to_owned());
    let version = std::process::Command::new(&promtool)
        .arg("--version")
        .output();
    if version.is_err() {
        let is_required = std::env::var_os("TIDEGAUGE_REQUIRE_PROMTOOL").is_some();
        assert!(!is_required, "no promtool at {promtool}");
        eprintln!("skipped: no promtool, whose path TIDEGAUGE_TEST_PROMTOOL can name");
        return;
    }
    let (dir, store) = recorded(&known_ticks());
    let file = dir.path().join("backfill.txt");
    std::fs::write(&file, text(&store, &ALL, Format::Prometheus)).expect("a file");
    let blocks = dir.path().join("blocks");
    let made = std::process::Command::new(&promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, &blocks])
        .output()
        .expect("promtool");
    assert!(made.status.success(), "{made:?}");
    let listed = std::process::Command::new(&promtool)
        .args(["tsdb", "list"])
        .arg(&blocks)
        .output()
        .expect("promtool");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains(" 25 "), "all samples are in it: {listed}");
}
