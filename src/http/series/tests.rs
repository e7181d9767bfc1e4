use serde_json::{Value, json};

use super::super::testing::{Setting, group, t0_plus, topic};
use crate::model::{Commit, Tick};

fn setting() -> Setting {
    let groups = ["a", "b", "c"];
    let one = |name| group(name, "t", [Commit::At(1), Commit::None].into_iter());
    let mut both = one("d");
    both.topics
        .extend(group("d", "u", [Commit::At(2)].into_iter()).topics);
    Setting::recorded(vec![Tick {
        cluster: "main".into(),
        at: t0_plus(0),
        topics: vec![
            topic("t", [Some(1), Some(2)].into_iter()),
            topic("u", [Some(3)].into_iter()),
        ],
        groups: groups.map(one).into_iter().chain([both]).collect(),
        gaps: Vec::new(),
    }])
}

fn names(rows: &Value) -> Vec<Value> {
    let rows = rows.as_array().expect("rows").iter();
    rows.map(|row| json!([row["group"], row["topic"], row["partitions"]]))
        .collect()
}

#[tokio::test]
async fn each_group_and_topic_is_listed_and_pages_follow_each_other() {
    let setting = setting();
    let all = setting.get("/api/v1/series").await;
    let expected = [
        json!(["a", "t", 2]),
        json!(["b", "t", 2]),
        json!(["c", "t", 2]),
        json!(["d", "t", 2]),
        json!(["d", "u", 1]),
    ];
    assert_eq!(names(&all.json()), expected);
    assert_eq!(all.json()[0]["cluster"], "main");
    assert!(!all.headers.contains_key("tidegauge-next"), "that was all");

    for limit in 1..=6 {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = setting
                .get(&format!("/api/v1/series?limit={limit}&after={after}"))
                .await;
            let rows = names(&page.json());
            assert!(rows.len() <= limit, "{limit}");
            found.extend(rows);
            match page.headers.get("tidegauge-next") {
                Some(next) => after = next.to_str().expect("text").to_owned(),
                None => break,
            }
        }
        assert_eq!(found, expected, "{limit} at a time");
    }
}

#[tokio::test]
async fn one_group_or_topic_can_be_asked_for() {
    let setting = setting();
    for (query, expected) in [
        ("group=d", 2),
        ("topic=u", 1),
        ("group=a&topic=u", 0),
        ("cluster=other", 0),
        ("group=x", 0),
    ] {
        let rows = setting.get(&format!("/api/v1/series?{query}")).await.json();
        assert_eq!(names(&rows).len(), expected, "{query}");
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_by_name() {
    let setting = setting();
    for (query, message) in [
        (
            "after=zzz",
            "after is \"zzz\", accepted is what the header tidegauge-next of the page before said",
        ),
        (
            "limit=10001",
            "limit is \"10001\", accepted is a number from 1 to 10000",
        ),
        (
            "from=1",
            "\"from\" is no parameter of this endpoint, accepted are cluster, group, topic, limit, after",
        ),
    ] {
        let (status, _, found) = setting
            .get(&format!("/api/v1/series?{query}"))
            .await
            .error();
        assert_eq!((status, found.as_str()), (400, message), "{query}");
    }
}
