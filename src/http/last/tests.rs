use serde_json::{Value, json};

use super::super::testing::{Setting, t0_plus, tick};
use crate::model::{Commit, Tick};

/// Ticks of one each 100 s, of which those in `known` have read the group.
fn ticks(count: i64, known: impl Fn(i64) -> bool) -> Vec<Tick> {
    let tick = |n: i64| {
        let mut tick = tick(t0_plus(100 * n), &[(n, 3 * n), (0, 5)]);
        if !known(n) {
            tick.groups[0].topics[0].commits = vec![Commit::Unread; 2];
        }
        tick
    };
    (0..count).map(tick).collect()
}

async fn ask(setting: &Setting, query: &str) -> Value {
    let answer = setting
        .get(&format!("/api/v1/last?group=g&topic=t&{query}"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn row(n: i64, metric: &str, value: i64) -> Value {
    json!([{
        "time": t0_plus(100 * n).to_string(), "cluster": "main", "group": "g", "topic": "t",
        "metric": metric, "value": value, "level": "raw",
    }])
}

#[tokio::test]
async fn the_last_value_is_found_at_or_before_a_time() {
    let setting = Setting::recorded(ticks(10, |n| n < 7));
    assert_eq!(ask(&setting, "").await, row(6, "lag", 17));
    let before = |seconds: i64| format!("before={}", t0_plus(seconds));
    assert_eq!(ask(&setting, &before(400)).await, row(4, "lag", 13));
    assert_eq!(ask(&setting, &before(399)).await, row(3, "lag", 11));
    assert_eq!(ask(&setting, &before(-1)).await, json!([]));

    let mut expected = row(6, "committed_offset", 6);
    expected[0]["partition"] = json!(0);
    let query = "metric=committed_offset&partition=0";
    assert_eq!(ask(&setting, query).await, expected);
    let mut expected = row(9, "log_end_offset", 5);
    expected[0]["partition"] = json!(1);
    assert_eq!(
        ask(&setting, "metric=log_end_offset&partition=1").await,
        expected
    );
}

#[tokio::test]
async fn it_is_found_however_old_and_however_it_is_sealed() {
    // Three days, of which the group was read on the first, at one in seven.
    let last = 7 * 100;
    let setting = Setting::recorded(ticks(3 * 864, |n| n <= last && n % 7 == 0));
    let expected = row(last, "lag", 2 * last + 5);
    assert_eq!(ask(&setting, "").await, expected);
    let mut sealer = setting.state.store.sealer();
    while sealer.step(t0_plus(3 * 86_400)).expect("sealing") {}
    assert_eq!(ask(&setting, "").await, expected);
    let mut by_partition = row(last, "lag", 2 * last);
    by_partition[0]["partition"] = json!(0);
    assert_eq!(ask(&setting, "partition=0").await, by_partition);
    let before = format!("before={}", t0_plus(100 * last - 1));
    assert_eq!(
        ask(&setting, &before).await,
        row(last - 7, "lag", 2 * last - 9)
    );
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_by_name() {
    let setting = Setting::recorded(ticks(1, |_| true));
    for (query, status, message) in [
        (
            "topic=t",
            400,
            "group is missing, accepted is the group.id of a consumer group",
        ),
        (
            "group=g",
            400,
            "topic is missing, accepted is a topic that the group has commits in",
        ),
        ("group=x&topic=t", 404, "there is no group \"x\""),
        (
            "group=g&topic=x",
            404,
            "there is no topic \"x\" in group \"g\"",
        ),
        (
            "group=g&topic=t&partition=9",
            404,
            "there is no partition \"9\" of topic \"t\" in group \"g\"",
        ),
        (
            "group=g&topic=t&partition=*",
            400,
            "partition is \"*\", accepted is a number from 0",
        ),
        (
            "group=g&topic=t&metric=members",
            400,
            "metric is \"members\", accepted is one of lag, committed_offset, log_end_offset, log_start_offset",
        ),
        (
            "group=g&topic=t&metric=log_end_offset",
            400,
            "partition is missing, accepted is a number from 0; only a lag can be of a whole topic",
        ),
        (
            "group=g&topic=t&from=1",
            400,
            "\"from\" is no parameter of this endpoint, accepted are group, topic, partition, cluster, metric, before",
        ),
    ] {
        let (found, _, text) = setting.get(&format!("/api/v1/last?{query}")).await.error();
        assert_eq!((found, text.as_str()), (status, message), "{query}");
    }
}
