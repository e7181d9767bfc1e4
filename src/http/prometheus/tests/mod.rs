mod levels;

use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use crate::{
    http::testing::{Answer, Setting, T0_MS, gap, group, t0_plus, tick, told_change, topic},
    model::{Commit, GapScope, Tick, TopicReading, TopicState},
};

const API: &str = "/prometheus/api/v1";
const T0: i64 = T0_MS / 1000;

fn escaped(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// Every 10 s for 10 minutes: 10 records a tick come, and 9 are read; partition 1
/// is not touched.
fn steady() -> Vec<Tick> {
    let at = |step: i64| tick(t0_plus(step * 10), &[(step * 9, step * 10), (5, 7)]);
    (0..=60).map(at).collect()
}

async fn ask(setting: &Setting, query: &str, seconds: i64) -> Answer {
    let query = escaped(query);
    let uri = format!("{API}/query?query={query}&time={}", T0 + seconds);
    setting.get(&uri).await
}

/// The values of an instant query, by labels that differ.
async fn values(setting: &Setting, query: &str, seconds: i64) -> Vec<(String, String)> {
    let answer = ask(setting, query, seconds).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    let result = answer.json()["data"]["result"].clone();
    let rows = result.as_array().expect("a vector").iter();
    rows.map(|row| {
        let metric = row["metric"].as_object().expect("labels");
        let labels = metric.iter().filter(|(name, _)| *name != "cluster_name");
        let labels = labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")));
        let value = row["value"][1].as_str().expect("a text").to_owned();
        (labels.collect::<Vec<_>>().join(","), value)
    })
    .collect()
}

async fn one(setting: &Setting, query: &str, seconds: i64) -> Option<String> {
    let values = values(setting, query, seconds).await;
    assert!(values.len() <= 1, "{query}: {values:?}");
    values.into_iter().next().map(|(_, value)| value)
}

#[tokio::test]
async fn grafanas_test_of_a_connection_is_answered() {
    let setting = Setting::recorded(steady());
    let expected =
        json!({"status": "success", "data": {"resultType": "scalar", "result": [1.5, "2"]}});
    let uri = format!("{API}/query?query=1%2B1&time=1.5");
    assert_eq!(setting.get(&uri).await.json(), expected);
    let posted = setting
        .post_form(&format!("{API}/query"), "query=1%2B1&time=1.5")
        .await;
    assert_eq!(posted.json(), expected);
    let info = setting.get(&format!("{API}/status/buildinfo")).await.json();
    assert_eq!(info["data"]["version"], "2.42.0");
}

#[tokio::test]
async fn vectors_and_matrices_have_prometheus_shape() {
    let setting = Setting::recorded(steady());
    let lag = "kafka_consumergroup_group_lag";
    let metric = json!({"__name__": lag, "cluster_name": "main", "group": "g", "topic": "t", "partition": "0"});
    let query = format!("{lag}{{partition=\"0\"}}");
    let vector = ask(&setting, &query, 100).await.json();
    assert_eq!(
        vector["data"],
        json!({"resultType": "vector", "result": [{"metric": metric, "value": [T0 + 100, "10"]}]})
    );

    let uri = format!(
        "{API}/query_range?query={}&start={}&end={}&step=5.5",
        escaped(&query),
        T0 + 20,
        T0 + 31
    );
    let matrix = setting.get(&uri).await.json();
    let first = T0 + 20;
    let second: Value = serde_json::from_str(&format!("{}.500", T0 + 25)).expect("a number");
    assert_eq!(
        matrix["data"],
        json!({"resultType": "matrix", "result": [{"metric": metric, "values": [
            [first, "2"], [second, "2"], [T0 + 31, "3"],
        ]}]})
    );

    let samples = ask(&setting, &format!("{query}[10s]"), 105).await.json();
    assert_eq!(
        samples["data"],
        json!({"resultType": "matrix", "result": [{"metric": metric, "values": [[T0 + 100, "10"]]}]})
    );
    let text = ask(&setting, "\"a\"", 0).await.json();
    assert_eq!(
        text["data"],
        json!({"resultType": "string", "result": [T0, "a"]})
    );
}

#[tokio::test]
async fn queries_are_evaluated() {
    let setting = Setting::recorded(steady());
    let lag = "kafka_consumergroup_group_lag";
    for (query, expected) in [
        ("kafka_consumergroup_group_sum_lag", "12"),
        ("kafka_consumergroup_group_max_lag{group=~\"g|x\"}", "10"),
        (
            "kafka_consumergroup_group_topic_sum_lag{topic!~\"x.*\"}",
            "12",
        ),
        (
            "kafka_partition_latest_offset{partition!=\"1\"} offset 10s",
            "90",
        ),
        (
            &format!("kafka_partition_latest_offset{{partition=\"0\"}} @ {T0}"),
            "0",
        ),
        (&format!("sum({lag})"), "12"),
        (&format!("max by (group) ({lag}) > bool 9"), "1"),
        (&format!("count without (partition) ({lag})"), "2"),
        (&format!("topk(1, {lag})"), "10"),
        (
            "rate(kafka_partition_latest_offset{partition=\"0\"}[1m])",
            "1",
        ),
        (
            "increase(kafka_consumergroup_group_offset{partition=\"0\"}[1m])",
            "54",
        ),
        (
            "avg_over_time(kafka_consumergroup_group_sum_lag[20s])",
            "11",
        ),
        (
            "quantile_over_time(0.5, kafka_consumergroup_group_sum_lag[20s])",
            "11",
        ),
        (
            "absent(kafka_consumergroup_group_sum_lag{group=\"x\"})",
            "1",
        ),
        (
            &format!(
                "{lag}{{partition=\"0\"}} / on (group) kafka_consumergroup_group_sum_lag * 12"
            ),
            "10",
        ),
        (
            &format!("sum({lag} * on (group) group_left kafka_consumergroup_group_max_lag)"),
            "120",
        ),
        (
            &format!("count({lag} unless {lag}{{partition=\"0\"}})"),
            "1",
        ),
        (&format!("scalar(sum({lag})) + vector(1)"), "13"),
        ("tidegauge_group_members", "2"),
        ("tidegauge_group_lost_records", "0"),
        ("tidegauge_group_status{status=\"ERR\"}", "1"),
        ("tidegauge_group_topic_arrival_records_per_second", "1"),
    ] {
        assert_eq!(
            one(&setting, query, 100).await.as_deref(),
            Some(expected),
            "{query}"
        );
    }
    let replaced = format!("label_replace({lag}, \"p\", \"p$1\", \"partition\", \"(.*)\")");
    let labels = values(&setting, &format!("sum by (p) ({replaced})"), 100).await;
    assert_eq!(
        labels,
        [("p=p0".into(), "10".into()), ("p=p1".into(), "2".into())]
    );
    let sorted = values(&setting, &format!("sort(sum by (partition) ({lag}))"), 100).await;
    assert_eq!(sorted[0], ("partition=1".into(), "2".into()));
}

#[tokio::test]
async fn what_is_gone_ends_at_once_and_what_is_unread_after_five_minutes() {
    let mut unread = tick(t0_plus(20), &[(5, 10)]);
    unread.topics.clear();
    unread.groups.clear();
    unread.gaps = vec![gap(GapScope::Membership("g".into()), "no")];
    let sum = "kafka_consumergroup_group_sum_lag";
    let setting = Setting::recorded(vec![tick(t0_plus(10), &[(5, 10)]), unread]);
    assert_eq!(one(&setting, sum, 310).await.as_deref(), Some("5"));
    assert_eq!(one(&setting, sum, 311).await, None);
    assert_eq!(one(&setting, sum, 9).await, None);

    let mut gone = tick(t0_plus(20), &[(5, 10)]);
    gone.topics = vec![TopicReading {
        topic: "t".into(),
        id: None,
        state: TopicState::Missing,
    }];
    let setting = Setting::recorded(vec![tick(t0_plus(10), &[(5, 10)]), gone]);
    assert_eq!(one(&setting, sum, 19).await.as_deref(), Some("5"));
    assert_eq!(one(&setting, sum, 20).await, None);

    let mut uncommitted = tick(t0_plus(20), &[(5, 10)]);
    uncommitted.groups = vec![group("g", "t", [Commit::None].into_iter())];
    let setting = Setting::recorded(vec![tick(t0_plus(10), &[(5, 10)]), uncommitted]);
    assert_eq!(
        one(&setting, sum, 20).await,
        None,
        "no commit to count from"
    );
}

#[tokio::test]
async fn an_unknown_partition_makes_sums_unknown_and_no_zero() {
    let mut half = tick(t0_plus(10), &[(5, 10), (5, 10)]);
    half.topics = vec![topic("t", [Some(10), None].into_iter())];
    let setting = Setting::recorded(vec![half]);
    for query in [
        "kafka_consumergroup_group_sum_lag",
        "kafka_consumergroup_group_max_lag",
    ] {
        assert_eq!(one(&setting, query, 10).await, None, "{query}");
    }
    let known = values(&setting, "kafka_consumergroup_group_lag", 10).await;
    assert_eq!(known.len(), 1);
}

#[tokio::test]
async fn what_keda_was_told_is_told_at_each_tick() {
    let change = |seconds, value| told_change(seconds, "g", [value, Some(10_000), Some(1)]);
    // What was told is recorded with the tick that follows.
    let told = vec![
        change(0, Some(1_500)),
        change(45, Some(2_500)),
        change(80, None),
    ];
    let setting = Setting::recorded_and_told(steady(), told);
    let value = "tidegauge_told_metric_value";
    assert_eq!(one(&setting, value, 40).await.as_deref(), Some("1.5"));
    assert_eq!(one(&setting, value, 50).await.as_deref(), Some("2.5"));
    assert_eq!(one(&setting, value, 80).await, None);
    let replicas = format!("ceil({value} / tidegauge_told_target)");
    assert_eq!(one(&setting, &replicas, 50).await.as_deref(), Some("1"));
    let labels = values(&setting, "tidegauge_told_active{group=\"g\"}", 50).await;
    let expected = "__name__=tidegauge_told_active,group=g,metric_name=kafka-t,topic=t,watch=consumerGroup=\"g\"";
    assert_eq!(labels, [(expected.to_owned(), "1".to_owned())]);
    let count = format!("count_over_time({value}[30s])");
    assert_eq!(one(&setting, &count, 50).await.as_deref(), Some("4"));
}

#[tokio::test]
async fn lists_tell_what_is_recorded() {
    let setting = Setting::recorded(steady());
    let data =
        async |path: &str| setting.get(&format!("{API}/{path}")).await.json()["data"].clone();
    assert_eq!(
        data("labels").await,
        json!([
            "__name__",
            "cluster_name",
            "group",
            "partition",
            "status",
            "topic"
        ])
    );
    let matched = format!(
        "labels?match[]={}",
        escaped("kafka_consumergroup_group_max_lag")
    );
    assert_eq!(
        data(&matched).await,
        json!(["__name__", "cluster_name", "group"])
    );
    assert_eq!(data("label/group/values").await, json!(["g"]));
    assert_eq!(data("label/partition/values").await, json!(["0", "1"]));
    assert_eq!(data("label/nothing/values").await, json!([]));
    assert_eq!(
        data("label/__name__/values?limit=1").await,
        json!(["kafka_consumergroup_group_lag"])
    );
    let series = format!(
        "series?match[]={}",
        escaped("{__name__=~\".*_max_lag\",group=\"g\"}")
    );
    assert_eq!(
        data(&series).await,
        json!([{"__name__": "kafka_consumergroup_group_max_lag", "cluster_name": "main", "group": "g"}])
    );
    let posted = format!(
        "match[]={}",
        escaped("kafka_partition_latest_offset{partition=\"1\"}")
    );
    let answer = setting.post_form(&format!("{API}/series"), &posted).await;
    assert_eq!(answer.json()["data"][0]["topic"], "t");
    let metadata = data("metadata?metric=tidegauge_group_eta_seconds").await;
    assert_eq!(metadata["tidegauge_group_eta_seconds"][0]["type"], "gauge");
    assert_eq!(
        metadata["tidegauge_group_eta_seconds"][0]["unit"],
        "seconds"
    );
}

#[tokio::test]
async fn mistakes_are_told_in_prometheus_shape() {
    let setting = Setting::recorded(steady());
    let deep = ["(".repeat(101), "1".to_owned(), ")".repeat(101)].concat();
    let patterns = format!("{{{}__name__=\"x\"}}", "a=~\"b\",".repeat(33));
    let long = format!("\"{}\"", "x".repeat(17_000));
    let lag = "kafka_consumergroup_group_lag";
    for (path, status, kind, message) in [
        ("query".to_owned(), 400, "bad_data", "query is missing"),
        (
            "query?query=1%2B".to_owned(),
            400,
            "bad_data",
            "invalid parameter \"query\": ",
        ),
        (
            "query?query=1&time=soon".to_owned(),
            400,
            "bad_data",
            "time is \"soon\", accepted is RFC 3339",
        ),
        (
            "query?query=1&timeout=-1".to_owned(),
            400,
            "bad_data",
            "timeout is \"-1\"",
        ),
        (
            "query?query=1&limit=x".to_owned(),
            400,
            "bad_data",
            "limit is \"x\"",
        ),
        (
            format!("query?query={}", escaped(&deep)),
            400,
            "bad_data",
            "it has 101 brackets and operators, accepted are 100 at most",
        ),
        (
            format!("query?query={}", escaped(&patterns)),
            400,
            "bad_data",
            "it has 33 patterns, accepted are 32 at most",
        ),
        (
            format!("query?query={}", escaped(&long)),
            400,
            "bad_data",
            "it has 17002 bytes, accepted are 16384 at most",
        ),
        (
            format!("query?query={}", escaped("{a=~\"((x{100}){100}){100}\"}")),
            400,
            "bad_data",
            "takes more than 1048576 bytes compiled",
        ),
        (
            format!(
                "query?query={}",
                escaped(&format!("max_over_time({lag}[1m:10s])"))
            ),
            400,
            "bad_data",
            "a subquery is not supported",
        ),
        (
            format!(
                "query?query={}",
                escaped(&format!("histogram_quantile(0.9, {lag})"))
            ),
            400,
            "bad_data",
            "histogram_quantile() is not supported",
        ),
        (
            format!(
                "query?query={}",
                escaped(&format!("count_values(\"v\", {lag})"))
            ),
            400,
            "bad_data",
            "count_values is not supported",
        ),
        (
            format!("query?query={}", escaped(&format!("rate({lag}[500d])"))),
            400,
            "bad_data",
            "a range is 500 days, accepted are 400 at most",
        ),
        (
            format!(
                "query?query={}&time=1767225700",
                escaped(&format!("{lag} + on (group) {lag}"))
            ),
            422,
            "execution",
            "many-to-many matching not allowed",
        ),
        (
            format!(
                "query?query={}",
                escaped("label_replace(vector(1), \"1\", \"\", \"\", \"\")")
            ),
            422,
            "execution",
            "invalid destination label name",
        ),
        (
            "query_range?query=1&end=2&step=1".to_owned(),
            400,
            "bad_data",
            "start is missing",
        ),
        (
            "query_range?query=1&start=3&end=2&step=1".to_owned(),
            400,
            "bad_data",
            "end is ",
        ),
        (
            "query_range?query=1&start=1&end=2&step=0".to_owned(),
            400,
            "bad_data",
            "step is \"0\"",
        ),
        (
            "query_range?query=1&start=1&end=11002&step=1".to_owned(),
            400,
            "bad_data",
            "11000 points per timeseries",
        ),
        (
            "query_range?query=1&start=1&end=1767225600&step=1d".to_owned(),
            422,
            "execution",
            "at most 400 days",
        ),
        (
            "query_range?query=%22a%22&start=1&end=2&step=1".to_owned(),
            400,
            "bad_data",
            "invalid expression type \"string\" for range query",
        ),
        (
            "series".to_owned(),
            400,
            "bad_data",
            "no match[] parameter provided",
        ),
        (
            "series?match[]=1".to_owned(),
            400,
            "bad_data",
            "is no series selector",
        ),
        (
            "label/a-b/values".to_owned(),
            400,
            "bad_data",
            "invalid label name",
        ),
        ("rules".to_owned(), 404, "not_found", "/rules"),
    ] {
        let answer = setting.get(&format!("{API}/{path}")).await;
        let json = answer.json();
        assert_eq!(answer.status, status, "{path}: {json}");
        assert_eq!(
            (&json["status"], &json["errorType"]),
            (&json!("error"), &json!(kind)),
            "{path}"
        );
        let error = json["error"].as_str().expect("a text");
        assert!(error.contains(message), "{path}: {error}");
        assert!(error.len() < 1_000, "{path}: {error}");
    }
}

#[tokio::test]
async fn what_would_take_too_much_memory_is_refused() {
    let wide = |seconds| tick(t0_plus(seconds), &vec![(5, 10); 2_000]);
    let setting = Setting::recorded(vec![wide(0), wide(10)]);
    let uri = format!(
        "{API}/query_range?query=kafka_consumergroup_group_lag&start={}&end={}&step=1",
        T0,
        T0 + 10_000
    );
    let answer = setting.get(&uri).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    let error = answer.json()["error"].clone();
    let expected = "67108864 bytes of samples to load";
    assert!(
        error.as_str().is_some_and(|why| why.contains(expected)),
        "{error}"
    );
    let cut = ask(&setting, "kafka_consumergroup_group_lag", 10)
        .await
        .json();
    assert_eq!(cut["data"]["result"].as_array().map(Vec::len), Some(2_000));
    let uri = format!(
        "{API}/query?query=kafka_consumergroup_group_lag&time={}&limit=3",
        T0 + 10
    );
    let cut = setting.get(&uri).await.json();
    assert_eq!(cut["data"]["result"].as_array().map(Vec::len), Some(3));
    assert_eq!(cut["warnings"], json!(["results truncated due to limit"]));
}

#[tokio::test]
async fn labels_are_listed_however_many_series_there_are() {
    let setting = Setting::recorded(vec![tick(t0_plus(0), &vec![(5, 10); 40_000])]);
    let groups = setting
        .get(&format!("{API}/label/group/values"))
        .await
        .json();
    assert_eq!(groups["data"], json!(["g"]));
    let every = format!("{API}/series?match[]={}", escaped("{topic=\"t\"}"));
    let answer = setting.get(&every).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    let error = answer.json()["error"].clone();
    let expected = "more than 100000 series to read";
    assert!(
        error.as_str().is_some_and(|why| why.contains(expected)),
        "{error}"
    );
    let sum = one(&setting, "sum(kafka_consumergroup_group_lag)", 0).await;
    assert_eq!(sum.as_deref(), Some("200000"));
}
