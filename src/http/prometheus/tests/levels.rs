//! Long ranges, told from minutes and hours.

use std::{sync::LazyLock, time::Duration};

use super::*;
use crate::store::Limits;

const HOUR: i64 = 3_600;
const END: i64 = 30 * HOUR;

/// A record a second comes, and nine of ten are read, for 30 hours; the ticks of
/// the last few hours are left as they were recorded, of the day before minutes,
/// and before that hours.
static AGED: LazyLock<Setting> = LazyLock::new(|| {
    let at = |n: i64| tick(t0_plus(30 * n), &[(27 * n, 30 * n)]);
    let setting = Setting::recorded((0..END / 30).map(at).collect());
    let store = &setting.state.store;
    let mut sealer = store.sealer();
    while sealer.step(t0_plus(END)).expect("sealing") {}
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let limits = Limits {
        raw: hours(4),
        minutes: hours(10),
        hours: hours(1_000),
        max_bytes: None,
    };
    let retained = store.retain(&limits, t0_plus(END)).expect("retention");
    assert!(retained.has_deleted());
    setting
});

/// Values by seconds since the start.
async fn range(setting: &Setting, query: &str, step: i64) -> Vec<(i64, f64)> {
    let query = escaped(query);
    let (start, end) = (T0, T0 + END);
    let uri = format!("{API}/query_range?query={query}&start={start}&end={end}&step={step}");
    let answer = setting.get(&uri).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    let values = json["data"]["result"][0]["values"]
        .as_array()
        .expect("values")
        .clone();
    let point = |pair: &Value| {
        let value = pair[1].as_str().expect("a text").parse().expect("a number");
        (pair[0].as_i64().expect("whole seconds") - T0, value)
    };
    values.iter().map(point).collect()
}

#[tokio::test]
async fn each_step_of_a_long_range_has_the_value_of_its_time() {
    let setting = &*AGED;
    let sum = "kafka_consumergroup_group_sum_lag";
    for step in [HOUR, HOUR / 2, 60] {
        let values = range(setting, sum, step).await;
        let times: Vec<_> = values.iter().map(|(at, _)| *at).collect();
        // Of the first day's hours the newest reading is told, at its time.
        let steps: Vec<_> = (0..=END).step_by(step as usize).collect();
        let missing = steps.iter().filter(|at| !times.contains(at));
        assert!(missing.clone().all(|at| *at < HOUR), "{step}: {missing:?}");
        for (at, value) in values {
            let late = at as f64 / 10.0 - value;
            let most = if at > 27 * HOUR {
                3.0
            } else {
                2.0 * HOUR as f64 / 10.0
            };
            assert!(
                (0.0..=most).contains(&late),
                "steps of {step}: {value} at {at}"
            );
        }
    }
}

#[tokio::test]
async fn rates_of_a_long_range_are_right_wherever_they_are_told_from() {
    let setting = &*AGED;
    for (query, expected) in [
        ("rate(kafka_partition_latest_offset[5m])", 1.0),
        ("rate(kafka_partition_latest_offset[6h])", 1.0),
        ("increase(kafka_partition_latest_offset[5m])", 300.0),
        ("delta(kafka_consumergroup_group_offset[10m])", 540.0),
        ("deriv(kafka_consumergroup_group_offset[5m])", 0.9),
    ] {
        for step in [HOUR, 10 * 60] {
            let values = range(setting, query, step).await;
            let count = END / step;
            assert!(
                values.len() as i64 >= count - 4 * HOUR / step,
                "{query}: {}",
                values.len()
            );
            for (at, value) in values.into_iter().filter(|(at, _)| *at > 8 * HOUR) {
                let near = (value / expected - 1.0).abs() < 0.01;
                assert!(near, "{query} in steps of {step} at {at}: {value}");
            }
        }
    }
}

#[tokio::test]
async fn a_time_of_which_only_an_hour_is_left_is_answered() {
    let setting = &*AGED;
    let value = one(
        setting,
        "kafka_consumergroup_group_sum_lag",
        5 * HOUR + 1_800,
    )
    .await;
    let newest_of_the_hour = 5 * HOUR / 10 - 3;
    assert_eq!(value, Some(newest_of_the_hour.to_string()));
    let rate = one(setting, "rate(kafka_partition_latest_offset[1m])", 9 * HOUR).await;
    assert_eq!(rate.as_deref(), Some("1"));
    let estimate = "tidegauge_group_topic_arrival_records_per_second";
    assert_eq!(one(setting, estimate, 9 * HOUR).await.as_deref(), Some("1"));
}
