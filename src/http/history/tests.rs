use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::model::{Cell, Tick, Told, ToldChange, WatchName};

use super::super::{
    Pages,
    gate::Gate,
    routes,
    testing::{Answer, Setting, T0_MS, ask, t0_plus, tick},
};

/// Two records committed and three written each second.
fn steady(seconds: i64) -> Tick {
    tick(t0_plus(seconds), &[(2 * seconds, 1_000 + 3 * seconds)])
}

async fn ask_of(ticks: Vec<Tick>, query: &str) -> Answer {
    let setting = Setting::recorded(ticks);
    setting
        .get(&format!("/api/v1/history?group=g&{query}"))
        .await
}

/// A query over so many seconds from T0, in steps of 10 s.
fn range(from: i64, to: i64) -> String {
    format!("from={}&to={}&step=10s", t0_plus(from), t0_plus(to))
}

async fn rows_of(ticks: Vec<Tick>, query: &str) -> Vec<Value> {
    let answer = ask_of(ticks, query).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    match answer.json() {
        Value::Array(rows) => rows,
        other => panic!("expected an array, found {other}"),
    }
}

/// `(seconds after T0, lag)` of each row.
async fn lags_of(ticks: Vec<Tick>, query: &str) -> Vec<(i64, Option<i64>)> {
    let rows = rows_of(ticks, query).await;
    let lag_of = |row: &Value| {
        let time = row["time"].as_str().expect("a text");
        let time = chrono::DateTime::parse_from_rfc3339(time).expect("a time");
        let seconds = (time.timestamp_millis() - T0_MS) / 1000;
        assert!(row["lag"].is_null() || row["lag"].is_i64(), "{row}");
        (seconds, row["lag"].as_i64())
    };
    rows.iter().map(lag_of).collect()
}

#[tokio::test]
async fn each_step_tells_what_was_known_then() {
    let ticks = vec![steady(0), steady(10), steady(20)];
    let metrics = "metric=lag,committed_offset,log_end_offset,log_start_offset,lost_records,\
                   arrival_rate,consumption_rate,eta_seconds,members,time_lag_seconds";
    let rows = rows_of(ticks, &format!("{metrics}&{}", range(0, 20))).await;
    let row =
        |time: &str, lag: i64, committed: i64, end: i64, rates: (Value, Value), behind: f64| {
            json!({
                "time": time, "cluster": "main", "group": "g", "topic": "t",
                "lag": lag, "committed_offset": committed, "log_end_offset": end,
                "log_start_offset": 0, "lost_records": 0,
                "arrival_rate": rates.0, "consumption_rate": rates.1, "eta_seconds": null,
                "members": 2, "time_lag_seconds": behind, "time_lag_at_least": true,
            })
        };
    let known = || (json!(3.0), json!(2.0));
    let expected = [
        row(
            "2026-01-01T00:00:00.000Z",
            1_000,
            0,
            1_000,
            (Value::Null, Value::Null),
            0.0,
        ),
        row("2026-01-01T00:00:10.000Z", 1_010, 20, 1_030, known(), 10.0),
        row("2026-01-01T00:00:20.000Z", 1_020, 40, 1_060, known(), 20.0),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn raw_tells_each_tick_at_its_own_time() {
    let ticks = vec![steady(0), steady(3), steady(20)];
    let query = format!("from={}&to={}&step=raw", t0_plus(1), t0_plus(20));
    let times: Vec<_> = lags_of(ticks, &query)
        .await
        .into_iter()
        .map(|(at, _)| at)
        .collect();
    assert_eq!(times, [3, 20]);
}

#[tokio::test]
async fn a_step_is_judged_by_its_newest_tick() {
    let ticks = (0..12).map(|n| steady(n * 10)).collect();
    let query = format!("from={}&to={}&step=1m", t0_plus(0), t0_plus(119));
    let lags = lags_of(ticks, &query).await;
    assert_eq!(lags, [(0, Some(1_050)), (60, Some(1_110))]);
}

#[tokio::test]
async fn what_drains_says_when() {
    let ticks = (0..3)
        .map(|n| tick(t0_plus(n * 10), &[(50 * n, 200)]))
        .collect();
    let rows = rows_of(ticks, &format!("metric=eta_seconds&{}", range(20, 25))).await;
    assert_eq!(rows[0]["eta_seconds"], json!(20.0));
}

#[tokio::test]
async fn ticks_that_are_missing_are_a_gap_and_no_invented_value() {
    let ticks = || vec![steady(0), steady(10), steady(50)];
    let lags = lags_of(ticks(), &range(0, 50)).await;
    let expected = [
        (0, Some(1_000)),
        (10, Some(1_010)),
        (20, None),
        (30, None),
        (40, None),
        (50, Some(1_050)),
    ];
    assert_eq!(lags, expected);

    let one_missing = vec![steady(0), steady(20)];
    let lags = lags_of(one_missing, &range(0, 20)).await;
    assert_eq!(lags, [(0, Some(1_000)), (10, None), (20, Some(1_020))]);
}

#[tokio::test]
async fn a_gap_at_an_edge_of_the_range_is_seen() {
    let ticks = || vec![steady(0), steady(10), steady(50), steady(60)];
    let lags = lags_of(ticks(), &range(20, 50)).await;
    assert_eq!(
        lags,
        [(20, None), (30, None), (40, None), (50, Some(1_050))]
    );
    let lags = lags_of(ticks(), &range(10, 30)).await;
    assert_eq!(lags, [(10, Some(1_010)), (20, None), (30, None)]);
    let lags = lags_of(ticks(), &range(20, 30)).await;
    assert_eq!(lags, [(20, None), (30, None)], "nothing but a gap");

    // Longer than the window: no reading before it is at hand.
    let ticks = || vec![steady(0), steady(2_000)];
    let lags = lags_of(ticks(), &range(1_000, 1_010)).await;
    assert_eq!(lags, [(1_000, None), (1_010, None)]);
    let lags = lags_of(ticks(), &range(1_990, 2_000)).await;
    assert_eq!(lags, [(1_990, None), (2_000, Some(3_000))]);
}

#[tokio::test]
async fn nothing_is_told_before_the_first_tick_or_after_the_last() {
    let ticks = || vec![steady(0), steady(10)];
    let lags = lags_of(ticks(), &range(-100, 100)).await;
    assert_eq!(lags, [(0, Some(1_000)), (10, Some(1_010))]);
    assert!(rows_of(ticks(), &range(-100, -50)).await.is_empty());
    assert!(rows_of(ticks(), &range(20, 50)).await.is_empty());
}

#[tokio::test]
async fn ticks_that_come_a_little_early_or_late_make_no_gap() {
    let mut ticks = vec![steady(0), steady(10), steady(20)];
    ticks[1].at.0 -= 1;
    ticks[2].at.0 += 1;
    let lags = lags_of(ticks, &range(0, 25)).await;
    assert_eq!(
        lags,
        [(0, Some(1_010)), (10, Some(1_010)), (20, Some(1_020))]
    );

    let query = format!("from={}&to={}&step=5", t0_plus(0), t0_plus(10));
    let lags = lags_of(vec![steady(0), steady(10)], &query).await;
    assert_eq!(
        lags,
        [(0, Some(1_000)), (5, Some(1_000)), (10, Some(1_010))]
    );
}

#[tokio::test]
async fn a_partition_that_was_not_read_makes_the_sum_unknown() {
    let both = |seconds: i64| tick(t0_plus(seconds), &[(0, 10), (0, 20)]);
    let mut half = both(10);
    half.topics = vec![super::super::testing::topic(
        "t",
        [Some(10), None].into_iter(),
    )];
    let ticks = || vec![both(0), half.clone(), both(20)];

    let lags = lags_of(ticks(), &range(0, 20)).await;
    assert_eq!(lags, [(0, Some(30)), (10, None), (20, Some(30))]);

    let rows = rows_of(ticks(), &format!("partition=*&{}", range(10, 15))).await;
    let found: Vec<_> = rows
        .iter()
        .map(|row| (&row["partition"], &row["lag"]))
        .collect();
    assert_eq!(found, [(&json!(0), &json!(10)), (&json!(1), &Value::Null)]);

    let rows = rows_of(ticks(), &format!("partition=1&{}", range(0, 20))).await;
    let found: Vec<_> = rows
        .iter()
        .map(|row| (&row["partition"], &row["lag"]))
        .collect();
    assert_eq!(
        found,
        [
            (&json!(1), &json!(20)),
            (&json!(1), &Value::Null),
            (&json!(1), &json!(20))
        ]
    );
}

#[tokio::test]
async fn a_partition_that_was_added_later_is_not_unknown_before() {
    let ticks = || {
        vec![
            tick(t0_plus(0), &[(0, 10)]),
            tick(t0_plus(10), &[(0, 10), (0, 5)]),
        ]
    };
    let lags = lags_of(ticks(), &range(0, 10)).await;
    assert_eq!(lags, [(0, Some(10)), (10, Some(15))]);
    let rows = rows_of(ticks(), &format!("partition=*&{}", range(0, 10))).await;
    assert_eq!(rows.len(), 3);
}

#[tokio::test]
async fn a_topic_without_a_commit_has_no_lag() {
    let mut uncommitted = tick(t0_plus(0), &[(0, 10)]);
    uncommitted.groups[0].topics[0].commits = vec![crate::model::Commit::None];
    let rows = rows_of(
        vec![uncommitted],
        &format!("metric=lag,committed_offset,log_end_offset&{}", range(0, 5)),
    )
    .await;
    assert_eq!(rows[0]["lag"], Value::Null);
    assert_eq!(rows[0]["committed_offset"], Value::Null);
    assert_eq!(rows[0]["log_end_offset"], json!(10));
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_by_name() {
    let setting = Setting::recorded(vec![steady(0)]);
    for (query, expected) in [
        ("", (400, "missing_parameter", "group is missing")),
        (
            "group=g&metric=lag,width",
            (
                400,
                "bad_parameter",
                "metric is \"width\", accepted is some of lag, ",
            ),
        ),
        (
            "group=g&color=red",
            (
                400,
                "unknown_parameter",
                "accepted are group, topic, partition, cluster, metric",
            ),
        ),
        (
            "group=g&group=h",
            (400, "repeated_parameter", "group is given more than once"),
        ),
        (
            "group=g&partition=-1",
            (400, "bad_parameter", "partition is \"-1\""),
        ),
        (
            "group=g&from=yesterday",
            (
                400,
                "bad_parameter",
                "from is \"yesterday\", accepted is RFC",
            ),
        ),
        ("group=g&step=0", (400, "bad_parameter", "step is \"0\"")),
        (
            "group=g&from=200&to=100",
            (400, "bad_parameter", "a time before to"),
        ),
        (
            "group=g&from=0&to=99999999",
            (422, "too_large", "at most 400 days"),
        ),
        (
            "group=g&from=0&to=11000&step=1s",
            (422, "too_large", "at most 11000 steps"),
        ),
        ("group=h", (404, "not_found", "there is no group \"h\"")),
        (
            "group=g&topic=u",
            (404, "not_found", "there is no topic \"u\" in group \"g\""),
        ),
        (
            "group=g&cluster=nowhere",
            (404, "not_found", "there is no cluster \"nowhere\""),
        ),
        (
            "group=g&cluster=other",
            (404, "not_found", "no group \"g\" in cluster \"other\""),
        ),
    ] {
        let answer = setting.get(&format!("/api/v1/history?{query}")).await;
        let (status, code, message) = answer.error();
        assert_eq!(
            (status, code.as_str()),
            (expected.0, expected.1),
            "{query}: {message}"
        );
        assert!(message.contains(expected.2), "{query}: {message}");
    }
}

#[tokio::test]
async fn an_enormous_value_is_cut_in_the_error() {
    let setting = Setting::recorded(Vec::new());
    let long = "x".repeat(30_000);
    for query in [
        format!("group={long}"),
        format!("group=g&metric={long}"),
        format!("{long}=1"),
        format!("group=g&cluster={long}"),
    ] {
        let answer = setting.get(&format!("/api/v1/history?{query}")).await;
        assert!(answer.status.is_client_error());
        assert!(answer.body.len() < 1_000, "{} bytes", answer.body.len());
    }
}

#[tokio::test]
async fn too_many_rows_are_refused() {
    let partitions = vec![(0, 10); 100];
    let ticks = vec![
        tick(t0_plus(0), &partitions),
        tick(t0_plus(10_000), &partitions),
    ];
    let query = format!(
        "partition=*&from={}&to={}&step=1s",
        t0_plus(0),
        t0_plus(10_000)
    );
    let (status, code, message) = ask_of(ticks, &query).await.error();
    assert_eq!((status, code.as_str()), (422, "too_large"));
    assert!(message.contains("at most 200000 rows"), "{message}");
}

#[tokio::test]
async fn a_query_ends_at_its_time_limit() {
    let setting = Setting::recorded(vec![steady(0)]);
    let mut pages = Pages::new(tokio::sync::watch::channel(setting.state.clone()).1);
    pages.queries = Gate::new(1, 1, Duration::ZERO, CancellationToken::new());
    let uri = "/api/v1/history?group=g";
    let answer = ask(routes(pages), axum::http::Method::GET, uri).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error().1, "timed_out");
}

#[tokio::test]
async fn history_is_there_without_a_board() {
    let setting = Setting::recorded(vec![steady(0), steady(10)]);
    let (_publisher, board) = crate::board::BoardPublisher::new();
    let state = super::super::HttpState {
        board,
        ..(*setting.state).clone()
    };
    let uri = format!("/api/v1/history?group=g&{}", range(0, 10));
    let router = super::super::router(tokio::sync::watch::channel(Arc::new(state)).1);
    let answer = ask(router, axum::http::Method::GET, &uri).await;
    assert_eq!(
        answer.json().as_array().map(Vec::len),
        Some(2),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn long_steps_are_told_from_minutes_and_say_the_same() {
    let ticks = (0..600).map(|n| steady(n * 30)).collect();
    let setting = Setting::recorded(ticks);
    let ask = async |metric: &str| {
        let query = format!("from={}&to={}&step=5m", t0_plus(0), t0_plus(18_000));
        let path = format!("/api/v1/history?group=g&metric={metric}&{query}");
        let answer = setting.get(&path).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let levels = answer.headers["tidegauge-levels"].to_str().expect("words");
        (levels.to_owned(), answer.json())
    };
    let metrics = ["lag,members", "arrival_rate,consumption_rate"];
    let mut unsealed = Vec::new();
    for metric in metrics {
        let (levels, rows) = ask(metric).await;
        assert_eq!(levels, "raw");
        assert_eq!(rows.as_array().expect("rows").len(), 60);
        unsealed.push(rows);
    }
    let mut sealer = setting.state.store.sealer();
    while sealer.step(t0_plus(18_000)).expect("sealing") {}
    for (metric, expected) in metrics.into_iter().zip(unsealed) {
        let (levels, rows) = ask(metric).await;
        assert_eq!(levels, "raw, minutes", "{metric}");
        assert_eq!(rows, expected, "{metric}");
    }
}

/// From `seconds` on KEDA is told this value of a trigger with this threshold.
fn told(seconds: i64, threshold: i64, topic: Option<&str>, value: Option<i64>) -> ToldChange {
    ToldChange {
        at: t0_plus(seconds),
        watch: Arc::new(WatchName {
            cluster: "main".into(),
            group: Some("g".into()),
            topic: topic.map(Into::into),
            metric_name: "m".into(),
            key: format!("lagThreshold=\"{threshold}\" "),
        }),
        told: Told {
            metric_value: value.map(|value| value * 1_000).into(),
            target: Cell::of(threshold * 1_000),
            active: Cell::of(1),
        },
    }
}

async fn beside(changes: Vec<ToldChange>, query: &str) -> Answer {
    let ticks = vec![steady(0), steady(10), steady(20)];
    let setting = Setting::recorded_and_told(ticks, changes);
    let query = format!("group=g&{query}&{}", range(0, 20));
    setting.get(&format!("/api/v1/history?{query}")).await
}

#[tokio::test]
async fn what_keda_was_told_stands_beside_what_was_measured() {
    let changes = vec![
        told(-3, 10, Some("t"), Some(5)),
        told(-2, 99, Some("other"), Some(1)),
        told(14, 10, Some("t"), Some(7)),
        told(18, 10, Some("t"), None),
    ];
    let answer = beside(changes, "metric=lag,metric_value,active,target").await;
    let rows = answer.json();
    let row = |time: &str, lag: i64, value: Value| {
        json!({
            "time": time, "cluster": "main", "group": "g", "topic": "t", "lag": lag,
            "metric_value": value, "active": true, "target": 10.0,
        })
    };
    let expected = json!([
        row("2026-01-01T00:00:00.000Z", 1_000, json!(5.0)),
        row("2026-01-01T00:00:10.000Z", 1_010, Value::Null),
        row("2026-01-01T00:00:20.000Z", 1_020, Value::Null),
    ]);
    assert_eq!(rows, expected, "as of each step's end");

    let all_topics = vec![told(1, 10, None, Some(5))];
    let rows = beside(all_topics, "metric=metric_value").await.json();
    assert_eq!(rows[0]["metric_value"], 5.0, "a trigger on all topics");
    let rows = beside(Vec::new(), "metric=metric_value").await.json();
    assert_eq!(rows[0]["metric_value"], Value::Null, "nothing was told");
}

#[tokio::test]
async fn two_watches_at_one_time_are_told_apart_elsewhere() {
    let both = vec![
        told(1, 10, Some("t"), Some(5)),
        told(12, 20, Some("t"), Some(5)),
    ];
    let (status, code, message) = beside(both, "metric=metric_value").await.error();
    assert_eq!((status, code.as_str()), (400, "ambiguous_watch"));
    let expected = "group \"g\" has more than one watch on topic \"t\" at one time, accepted is \
                    one: lagThreshold=\"10\" and lagThreshold=\"20\"; /api/v1/told tells them apart";
    assert_eq!(message, expected);

    let mut one_after_the_other = told(12, 10, Some("t"), None);
    one_after_the_other.told = Told::GONE;
    let changes = vec![
        told(1, 10, Some("t"), Some(5)),
        one_after_the_other,
        told(13, 20, Some("t"), Some(6)),
    ];
    let rows = beside(changes, "metric=target").await.json();
    let targets: Vec<_> = rows
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| &row["target"])
        .collect();
    assert_eq!(targets, [10.0, 20.0, 20.0]);
}

/// Lag `lags[n]` in tick n of one each 10 s, in one partition.
fn ticks_of(lags: &[i64]) -> Vec<Tick> {
    let tick = |(n, lag): (i64, &i64)| tick(t0_plus(10 * n), &[(1_000, 1_000 + lag)]);
    (0..).zip(lags).map(tick).collect()
}

const EXTREMES: &str = "metric=lag,lag_first,lag_min,lag_max";

/// `[lag, first, min, max]` of each row.
fn extremes_of(rows: &[Value]) -> Vec<[Option<i64>; 4]> {
    let keys = ["lag", "lag_first", "lag_min", "lag_max"];
    let of = |row: &Value| keys.map(|key| row[key].as_i64());
    rows.iter().map(of).collect()
}

#[tokio::test]
async fn a_step_tells_the_first_the_least_and_the_most_of_all_its_ticks() {
    let ticks = ticks_of(&[5, 9, 2, 7, 0, 4, 1, 8]);
    let query = format!("{EXTREMES}&from={}&to={}&step=30s", t0_plus(0), t0_plus(79));
    let rows = rows_of(ticks, &query).await;
    let expected = [[2, 5, 2, 9], [4, 7, 0, 7], [8, 1, 1, 8]];
    assert_eq!(extremes_of(&rows), expected.map(|row| row.map(Some)));
}

#[tokio::test]
async fn extremes_begin_and_end_with_the_range_and_repeat_in_short_steps() {
    let ticks = || ticks_of(&[5, 9, 2, 7, 0, 4]);
    let query = format!(
        "{EXTREMES}&from={}&to={}&step=30s",
        t0_plus(15),
        t0_plus(45)
    );
    let rows = rows_of(ticks(), &query).await;
    let expected = [[2, 2, 2, 2], [0, 7, 0, 7]];
    assert_eq!(extremes_of(&rows), expected.map(|row| row.map(Some)));

    let query = format!("{EXTREMES}&from={}&to={}&step=5s", t0_plus(5), t0_plus(15));
    let rows = rows_of(ticks(), &query).await;
    let expected = [[5; 4], [9; 4], [9; 4]];
    assert_eq!(extremes_of(&rows), expected.map(|row| row.map(Some)));

    let query = format!(
        "{EXTREMES}&from={}&to={}&step=raw",
        t0_plus(10),
        t0_plus(20)
    );
    let rows = rows_of(ticks(), &query).await;
    assert_eq!(extremes_of(&rows), [[Some(9); 4], [Some(2); 4]]);
}

#[tokio::test]
async fn extremes_are_of_what_was_known() {
    let both = |n: i64, lags: [i64; 2]| {
        let partitions = lags.map(|lag| (10, 10 + lag));
        tick(t0_plus(10 * n), &partitions)
    };
    let mut half = both(1, [0, 0]);
    half.topics = vec![super::super::testing::topic(
        "t",
        [Some(90), None].into_iter(),
    )];
    let ticks = || vec![both(0, [3, 4]), half.clone(), both(2, [6, 0])];
    let range = format!("from={}&to={}&step=1m", t0_plus(0), t0_plus(59));
    let rows = rows_of(ticks(), &format!("{EXTREMES}&{range}")).await;
    // The sum was not known in the middle, the first partition was.
    assert_eq!(extremes_of(&rows), [[6, 7, 6, 7].map(Some)]);
    let rows = rows_of(ticks(), &format!("{EXTREMES}&partition=*&{range}")).await;
    let expected = [[6, 3, 3, 80], [0, 4, 0, 4]];
    assert_eq!(extremes_of(&rows), expected.map(|row| row.map(Some)));

    let alone = vec![both(0, [3, 4]), half.clone(), both(7, [1, 1])];
    let range = format!("from={}&to={}&step=10s", t0_plus(0), t0_plus(30));
    let rows = rows_of(alone, &format!("{EXTREMES}&{range}")).await;
    let expected = [[Some(7); 4], [None; 4], [None; 4], [None; 4]];
    assert_eq!(extremes_of(&rows), expected, "nothing was read");

    let mut uncommitted = tick(t0_plus(0), &[(0, 10)]);
    uncommitted.groups[0].topics[0].commits = vec![crate::model::Commit::None];
    let rows = rows_of(vec![uncommitted], &format!("{EXTREMES}&{range}")).await;
    assert_eq!(extremes_of(&rows), [[None; 4]], "no commit to count from");
}

/// Each step's extremes from ticks as they were recorded.
fn expected_extremes(lags: &[i64], step: i64, from: i64, to: i64) -> Vec<[Option<i64>; 4]> {
    let of_range = (0..)
        .zip(lags)
        .filter(|(n, _)| (from..=to).contains(&(10 * n)));
    let of_range: Vec<(i64, i64)> = of_range.map(|(n, lag)| (10 * n, *lag)).collect();
    let steps = of_range.chunk_by(|one, next| one.0 / step == next.0 / step);
    let extremes = |ticks: &[(i64, i64)]| {
        let lags = || ticks.iter().map(|(_, lag)| *lag);
        [
            lags().next_back(),
            lags().next(),
            lags().min(),
            lags().max(),
        ]
    };
    steps.map(extremes).collect()
}

#[tokio::test]
async fn extremes_are_the_same_at_each_level_and_over_their_seams() {
    // 30 hours: hours of the first day, minutes after it, and the head.
    let lags: Vec<i64> = (0..30 * 360).map(|n| (n * n + 7 * n) % 1_009).collect();
    let setting = Setting::recorded(ticks_of(&lags));
    let mut sealer = setting.state.store.sealer();
    while sealer.step(t0_plus(30 * 3_600)).expect("sealing") {}
    let hour = 3_600;
    for (step, from, to, levels) in [
        (hour, 0, 30 * hour, "raw, minutes, hours"),
        (hour, 1_234, 29 * hour + 777, "raw, minutes, hours"),
        (
            2 * hour,
            20 * hour + 5,
            26 * hour + 5,
            "raw, minutes, hours",
        ),
        (5_400, 0, 30 * hour, "raw, minutes"),
        (60, 20 * hour, 22 * hour - 10, "raw, minutes"),
        (60, 20 * hour + 15, 22 * hour + 45, "raw, minutes"),
        (90, 20 * hour, 22 * hour, "raw"),
        (10, 27 * hour, 29 * hour, "raw"),
    ] {
        let range = format!("from={}&to={}&step={step}", t0_plus(from), t0_plus(to));
        let path = format!("/api/v1/history?group=g&{EXTREMES}&{range}");
        let answer = setting.get(&path).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let rows = answer.json();
        let found = extremes_of(rows.as_array().expect("rows"));
        let expected = expected_extremes(&lags, step, from, to);
        assert_eq!(found, expected, "steps of {step} s from {from} to {to}");
        assert_eq!(
            answer.headers["tidegauge-levels"], levels,
            "{step} s from {from}"
        );
        let by_partition = setting.get(&format!("{path}&partition=*")).await.json();
        let found = extremes_of(by_partition.as_array().expect("rows"));
        assert_eq!(
            found, expected,
            "by partition, {step} s from {from} to {to}"
        );
    }
}

#[tokio::test]
async fn the_status_of_each_time_is_history() {
    // One partition stops after 100 s; the other has nothing to do.
    let row = |n: i64| tick(t0_plus(10 * n), &[(10 * n.min(10), 10 * n + 5), (7, 7)]);
    let ticks = || (0..30).map(row).collect();
    let told = |rows: Vec<Value>| -> Vec<String> {
        let word = |row: &Value| row["status"].as_str().expect("a text").to_owned();
        rows.iter().map(word).collect()
    };
    let query = format!("metric=status&{}", range(0, 290));
    let of_topic = told(rows_of(ticks(), &query).await);
    let expected = [vec!["OK"; 2], vec!["WARN"; 18], vec!["ERR"; 10]].concat();
    assert_eq!(of_topic, expected);
    let first = told(rows_of(ticks(), &format!("{query}&partition=0")).await);
    assert_eq!(first[20..], ["STOP"; 10]);
    let second = told(rows_of(ticks(), &format!("{query}&partition=1")).await);
    assert_eq!(second, ["OK"; 30]);
}
