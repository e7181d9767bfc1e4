use serde_json::{Value, json};

use super::{
    super::testing::{Setting, T0_MS, gap, group, t0_plus, tick, topic},
    *,
};
use crate::model::{Commit, GapScope, Tick};

/// 400 s of ticks, up to now: `g` is well, `h` stops committing 150 s before the
/// end, and `i` can't be read since the second tick.
fn ticks() -> Vec<Tick> {
    let begin = TimestampMs::now().minus(Duration::from_secs(401));
    let tick = |n: i64| {
        let at = begin.plus(Duration::from_secs(10 * n.unsigned_abs()));
        let mut tick = tick(at, &[(10 * n, 10 * n + 3 * ((n + 1) % 2))]);
        for (name, of, committed) in [("h", "u", 10 * n.min(25)), ("i", "v", n)] {
            let commits = [Commit::At(committed)].into_iter();
            tick.groups.push(group(name, of, commits));
            tick.topics.push(topic(of, [Some(10 * n + 5)].into_iter()));
        }
        if n > 1 {
            tick.groups.pop();
            tick.gaps = vec![gap(GapScope::Group("i".into()), "no answer")];
        }
        tick
    };
    (0..41).map(tick).collect()
}

async fn overview(setting: &Setting, query: &str) -> Value {
    let answer = setting.get(&format!("/api/v1/overview{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn names(json: &Value) -> Vec<&str> {
    let groups = json["groups"].as_array().expect("groups").iter();
    groups.filter_map(|one| one["group"].as_str()).collect()
}

#[tokio::test]
async fn what_needs_attention_comes_first_with_its_reason() {
    let setting = Setting::recorded(ticks());
    let json = overview(&setting, "").await;
    assert_eq!(names(&json), ["h", "i", "g"]);
    assert_eq!((&json["total"], &json["offset"]), (&json!(3), &json!(0)));
    let [h, i, g] = [0, 1, 2].map(|place| &json["groups"][place]);
    assert_eq!(
        (&h["attention"], &h["status"]),
        (&json!("error"), &json!("ERR"))
    );
    let why = "topic u partition 0: records wait and nothing was committed for 150 s, ten \
               commits take 90 s at most";
    assert_eq!(h["reason"], why);
    assert_eq!(h["lag"], 155);
    assert_eq!(i["attention"], "unknown");
    for unknown in [
        "lag",
        "status",
        "time_lag_seconds",
        "eta_seconds",
        "arrival_rate",
    ] {
        assert_eq!(i[unknown], Value::Null, "{unknown}");
    }
    let reason = i["reason"].as_str().expect("a reason");
    assert!(reason.contains("no answer"), "{reason}");
    assert_eq!(
        (&g["attention"], &g["status"]),
        (&json!("none"), &json!("OK"))
    );
    assert_eq!((&g["lag"], &g["reason"]), (&json!(3), &Value::Null));
    assert_eq!(g.get("as_of"), None, "its cluster's");
    let clusters = json["clusters"].as_array().expect("clusters");
    assert_eq!(clusters[0]["freshness"], "fresh");
    assert_eq!(clusters[1]["as_of"], Value::Null);
}

#[tokio::test]
async fn a_group_that_could_never_be_read_is_told_with_its_reason() {
    let mut ticks = ticks();
    let gaps = &mut ticks.last_mut().expect("a tick").gaps;
    gaps.push(gap(GapScope::Group("new".into()), "not allowed"));
    let json = overview(&Setting::recorded(ticks), "?groups=[%22new%22]").await;
    let group = &json["groups"][0];
    assert_eq!(group["attention"], "unknown");
    assert_eq!(
        (&group["lag"], &group["partition_count"]),
        (&Value::Null, &Value::Null)
    );
    let reason = group["reason"].as_str().expect("a reason");
    assert!(reason.contains("not allowed"), "{reason}");
}

#[tokio::test]
async fn groups_are_told_page_by_page_and_by_name() {
    let setting = Setting::recorded(ticks());
    let json = overview(&setting, "?limit=1&offset=1").await;
    assert_eq!((names(&json), &json["total"]), (vec!["i"], &json!(3)));
    let json = overview(&setting, "?groups=[%22g%22,%22i%22,%22x%22]").await;
    assert_eq!((names(&json), &json["total"]), (vec!["i", "g"], &json!(2)));
    let json = overview(&setting, "?cluster=other").await;
    assert_eq!((names(&json), &json["total"]), (vec![], &json!(0)));
}

#[tokio::test]
async fn it_is_made_once_for_all_who_ask() {
    let setting = Setting::recorded(ticks());
    let first = overview(&setting, "").await;
    let second = overview(&setting, "?limit=1").await;
    assert_eq!(first["version"], second["version"]);
}

#[tokio::test]
async fn points_are_lags_over_all_topics_and_unknown_where_one_is() {
    let mut ticks: Vec<_> = (0..12)
        .map(|n| {
            let mut tick = tick(t0_plus(10 * n), &[(n, 3 * n), (0, 1)]);
            let in_u = group("g", "u", [Commit::At(0)].into_iter()).topics;
            tick.groups[0].topics.extend(in_u);
            let end = (n != 6).then_some(100);
            tick.topics.push(topic("u", [end].into_iter()));
            tick
        })
        .collect();
    ticks.push(tick(TimestampMs::now(), &[(0, 1)]));
    let setting = Setting::recorded(ticks);
    let query = format!("?points=60&from={T0_MS}&to={}", T0_MS + 140_000);
    let json = overview(&setting, &query).await;
    // Steps of 20 s and a millisecond: no shorter ones, where ticks are 10 s apart.
    assert_eq!(json["points"]["step_seconds"], 20.001);
    assert_eq!(
        json["groups"][0]["lags"],
        json!([105, 109, null, 117, 121, 123, null])
    );
}

#[tokio::test]
async fn points_begin_with_history_at_the_earliest() {
    let setting = Setting::recorded(ticks());
    let json = overview(&setting, "?points=60&limit=1").await;
    // 400 s in steps of two ticks.
    let lags = json["groups"][0]["lags"].as_array().expect("lags");
    assert_eq!(lags.len(), 21);
    assert_eq!((&lags[0], &lags[19]), (&json!(5), &json!(155)));
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_by_name() {
    let setting = Setting::recorded(ticks());
    let many: Vec<_> = (0..=MAX_LIMIT_WITH_POINTS).map(|n| n.to_string()).collect();
    let many = serde_json::to_string(&many)
        .expect("text")
        .replace('"', "%22");
    for (query, status, message) in [
        ("cluster=moon", 404, "there is no cluster \"moon\""),
        (
            "limit=0",
            400,
            "limit is \"0\", accepted is a number from 1 to 2000",
        ),
        (
            "points=60&limit=201",
            422,
            "the answer would have points of 201 groups, and it may have those of at most 200: \
             ask for fewer with limit, and for the next with offset",
        ),
        (
            "points=241",
            400,
            "points is \"241\", accepted is a number from 1 to 240",
        ),
        (
            "groups=g",
            400,
            "groups is \"g\", accepted is a JSON array of at most 200 names, such as [\"a\",\"b\"]",
        ),
        (
            "sort=lag",
            400,
            "\"sort\" is no parameter of this endpoint, accepted are cluster, groups, limit, \
             offset, points, from, to",
        ),
    ] {
        let answer = setting.get(&format!("/api/v1/overview?{query}")).await;
        let (found, _, text) = answer.error();
        assert_eq!((found, text.as_str()), (status, message), "{query}");
    }
    let answer = setting
        .get(&format!("/api/v1/overview?groups={many}"))
        .await;
    assert_eq!(answer.status, 400);
}
