use std::time::Duration;

use regex::Regex;

use crate::model::{Cell, Commit, GapScope, Tick, TimestampMs, Told, ToldChange, WatchName};

use super::super::testing::{Setting, gap, group, tick, topic};
use super::format::Format;

fn ago(seconds: u64) -> TimestampMs {
    TimestampMs::now().minus(Duration::from_secs(seconds))
}

async fn scrape(ticks: Vec<Tick>) -> Vec<String> {
    let setting = Setting::recorded(ticks);
    let answer = setting.get_as("/metrics", OPEN_METRICS).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        answer.headers["content-type"],
        Format::OpenMetrics.content_type()
    );
    let plain = setting.get("/metrics").await;
    assert_eq!(plain.headers["content-type"], Format::Text.content_type());
    assert_eq!(samples_of(&plain.body), samples_of(&answer.body));
    answer.body.lines().map(str::to_owned).collect()
}

/// What both formats write alike, but for what passes with time.
fn samples_of(page: &str) -> Vec<&str> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter(|line| !line.starts_with("tidegauge_store_"))
        .collect()
}

/// The samples whose name and labels begin so.
fn samples<'a>(lines: &'a [String], start: &str) -> Vec<&'a str> {
    let lines = lines.iter().map(String::as_str);
    lines.filter(|line| line.starts_with(start)).collect()
}

const OPEN_METRICS: &str = "application/openmetrics-text";

const PARTITION_0: &str = r#"{cluster_name="main",group="g",topic="t",partition="0",member_host="",consumer_id="",client_id=""}"#;

#[tokio::test]
async fn each_line_is_open_metrics() {
    let newest = ago(1);
    let earlier = newest.minus(Duration::from_secs(10));
    let mut last = tick(newest, &[(100, 300), (40, 40)]);
    last.gaps = vec![gap(GapScope::Membership("g".into()), "no")];
    let lines = scrape(vec![tick(earlier, &[(0, 300), (40, 40)]), last]).await;

    let label = r#"[a-z_]+="(?:[^"\\]|\\["\\n])*""#;
    let number = r"-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?";
    let sample = format!(r"^[a-z_]+(?:\{{{label}(?:,{label})*\}})? {number}$");
    let comment = r"^# (?:HELP [a-z_]+ .+|TYPE [a-z_]+ (?:gauge|counter|info)|UNIT [a-z_]+ (?:seconds|bytes))$";
    let (sample, comment) = [sample.as_str(), comment]
        .map(|it| Regex::new(it).expect("valid"))
        .into();
    let (end, lines) = lines.split_last().expect("lines");
    assert_eq!(end, "# EOF");
    for line in lines {
        assert!(sample.is_match(line) || comment.is_match(line), "{line}");
    }

    for expected in [
        format!("kafka_consumergroup_group_offset{PARTITION_0} 100"),
        format!("kafka_consumergroup_group_lag{PARTITION_0} 200"),
        format!("kafka_consumergroup_group_lag_seconds{PARTITION_0} 10.0"),
        r#"kafka_consumergroup_group_max_lag{cluster_name="main",group="g"} 200"#.to_owned(),
        r#"kafka_consumergroup_group_max_lag_seconds{cluster_name="main",group="g"} 10.0"#
            .to_owned(),
        r#"kafka_consumergroup_group_sum_lag{cluster_name="main",group="g"} 200"#.to_owned(),
        r#"kafka_consumergroup_group_topic_sum_lag{cluster_name="main",group="g",topic="t"} 200"#
            .to_owned(),
        r#"tidegauge_group_status{cluster_name="main",group="g",status="OK"} 1"#.to_owned(),
        r#"tidegauge_group_topic_arrival_records_per_second{cluster_name="main",group="g",topic="t"} 0.0"#.to_owned(),
        r#"tidegauge_group_topic_consumption_records_per_second{cluster_name="main",group="g",topic="t"} 10.0"#.to_owned(),
        r#"tidegauge_group_eta_seconds{cluster_name="main",group="g"} 20.0"#.to_owned(),
        r#"tidegauge_group_members{cluster_name="main",group="g"} 2"#.to_owned(),
        r#"tidegauge_group_lost_records{cluster_name="main",group="g"} 0"#.to_owned(),
        "# UNIT tidegauge_group_eta_seconds seconds".to_owned(),
        "# UNIT tidegauge_store_bytes bytes".to_owned(),
        r#"kafka_partition_latest_offset{cluster_name="main",topic="t",partition="1"} 40"#
            .to_owned(),
        r#"kafka_partition_earliest_offset{cluster_name="main",topic="t",partition="1"} 0"#
            .to_owned(),
        r#"tidegauge_gaps{cluster_name="main",reason="timed_out"} 1"#.to_owned(),
        r#"tidegauge_polls_total{cluster_name="main"} 0"#.to_owned(),
        r#"tidegauge_grpc_calls_total{result="ok"} 0"#.to_owned(),
        "tidegauge_recorded_ticks_total 2".to_owned(),
        "tidegauge_failed_ticks_total 0".to_owned(),
        r#"tidegauge_store_dropped_chunks_total{level="minutes",reason="size"} 0"#.to_owned(),
        "tidegauge_store_compactions_total 0".to_owned(),
        "tidegauge_store_unsealed_seconds 0.0".to_owned(),
        "tidegauge_watches 0".to_owned(),
        "tidegauge_watches_without_commits 0".to_owned(),
        "tidegauge_metrics_truncated 0".to_owned(),
        format!(
            r#"tidegauge_build_info{{version="{}"}} 1"#,
            env!("CARGO_PKG_VERSION")
        ),
    ] {
        assert!(lines.contains(&expected), "{expected} is not in {lines:#?}");
    }
    let newest_tick = samples(lines, "tidegauge_newest_tick_timestamp_seconds{");
    let seconds = newest_tick[0].rsplit_once(' ').expect("a value").1;
    assert_eq!(seconds.parse(), Ok(newest.0 as f64 / 1000.0));
    assert_eq!(samples(lines, "tidegauge_store_bytes{").len(), 2);
}

#[tokio::test]
async fn what_is_unknown_has_no_sample() {
    let mut half = tick(ago(1), &[(5, 10), (5, 10)]);
    half.topics = vec![topic("t", [Some(10), None].into_iter())];
    let lines = scrape(vec![half]).await;
    assert_eq!(samples(&lines, "kafka_consumergroup_group_lag{").len(), 1);
    assert_eq!(samples(&lines, "kafka_partition_latest_offset{").len(), 1);
    for name in ["max_lag", "max_lag_seconds", "sum_lag", "topic_sum_lag"] {
        let start = format!("kafka_consumergroup_group_{name}{{");
        assert!(samples(&lines, &start).is_empty(), "{name}");
    }

    let mut uncommitted = tick(ago(1), &[(0, 10)]);
    uncommitted.groups[0].topics[0].commits = vec![Commit::None];
    let lines = scrape(vec![uncommitted]).await;
    assert!(
        samples(&lines, "kafka_consumergroup_group_").is_empty(),
        "{lines:#?}"
    );

    let lines = scrape(vec![tick(ago(4_000), &[(5, 10)])]).await;
    assert!(
        samples(&lines, "kafka_consumergroup_group_").is_empty(),
        "{lines:#?}"
    );
    assert!(samples(&lines, "kafka_partition_").is_empty(), "{lines:#?}");
}

#[tokio::test]
async fn a_strange_group_id_is_escaped() {
    let mut strange = tick(ago(1), &[(5, 10)]);
    strange.groups = vec![group("a\"b\\c\nd", "t", [Commit::At(5)].into_iter())];
    let lines = scrape(vec![strange]).await;
    let expected = r#"kafka_consumergroup_group_sum_lag{cluster_name="main",group="a\"b\\c\nd"} 5"#;
    assert_eq!(
        samples(&lines, "kafka_consumergroup_group_sum_lag{"),
        [expected]
    );
}

#[tokio::test]
async fn beyond_the_bound_whole_groups_are_told_by_their_sums() {
    let wide = vec![(5, 10); 40_000];
    let mut ticks = vec![tick(ago(1), &wide)];
    let small = [(5, 10); 10];
    let mut other = tick(ago(1), &small);
    other.cluster = "other".into();
    ticks.push(other);
    let lines = scrape(ticks).await;
    let lags = samples(&lines, "kafka_consumergroup_group_lag{");
    assert_eq!(lags.len(), 10, "the small group alone");
    assert!(
        lags.iter()
            .all(|lag| lag.contains("cluster_name=\"other\""))
    );
    let logs = samples(&lines, "kafka_partition_latest_offset{").len();
    assert_eq!(logs, 40_010, "the topics fit");
    let sum = samples(&lines, "kafka_consumergroup_group_sum_lag{");
    assert_eq!(
        sum,
        [
            r#"kafka_consumergroup_group_sum_lag{cluster_name="main",group="g"} 200000"#,
            r#"kafka_consumergroup_group_sum_lag{cluster_name="other",group="g"} 50"#
        ]
    );
    for expected in [
        "tidegauge_metrics_truncated 1",
        "tidegauge_metrics_left_out_series{level=\"partition\"} 120000",
        "tidegauge_metrics_left_out_series{level=\"group\"} 0",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}");
    }
}

#[tokio::test]
async fn what_keda_was_told_last_is_told() {
    let told = ToldChange {
        at: ago(2),
        watch: std::sync::Arc::new(WatchName {
            cluster: "main".into(),
            group: Some("g".into()),
            topic: None,
            metric_name: "kafka-t".into(),
            key: "lagThreshold=\"10\" ".into(),
        }),
        told: Told {
            metric_value: Cell::of(1_500),
            target: Cell::ABSENT,
            active: Cell::of(1),
        },
    };
    let ticks = vec![tick(ago(1), &[(5, 10)])];
    let page = Setting::recorded_and_told(ticks, vec![told])
        .get("/metrics")
        .await
        .body;
    let labels = r#"{cluster_name="main",group="g",topic="",metric_name="kafka-t",watch="lagThreshold=\"10\""}"#;
    for expected in [
        format!("tidegauge_told_metric_value{labels} 1.5"),
        format!("tidegauge_told_active{labels} 1.0"),
    ] {
        assert!(
            page.lines().any(|line| line == expected),
            "{expected}: {page}"
        );
    }
    assert!(!page.contains("tidegauge_told_target{"), "{page}");
}
