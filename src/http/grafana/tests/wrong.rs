//! What is asked wrongly, or for too much.

use std::{convert::Infallible, time::Duration};

use axum::body::Bytes;
use futures::stream;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::super::super::{Pages, gate::Gate, routes};
use super::*;

#[tokio::test]
async fn what_is_wrong_is_named_in_the_shape_that_the_plugin_shows() {
    let setting = three_groups();
    let of = |metric: &str, payload: Value| panel(0, 20, json!([target(metric, payload)]));
    let with = |key: &str, value: Value| {
        let mut body = of("lag", json!({}));
        body[key] = value;
        body
    };
    for (path, body, status, message) in [
        ("query", json!({}), 400, "missing field `range`"),
        ("query", json!([]), 400, "the body can't be read"),
        (
            "query",
            of("speed", json!({})),
            400,
            "target is \"speed\", accepted is one of lag, ",
        ),
        (
            "query",
            of("lag", json!({"colour": "red"})),
            400,
            "\"colour\" is no parameter",
        ),
        (
            "query",
            of("lag", json!({"group": "nobody"})),
            404,
            "there is no group \"nobody\"",
        ),
        (
            "query",
            of("lag", json!({"cluster": "main", "group": "nobody"})),
            404,
            "there is no group \"nobody\" in cluster \"main\"",
        ),
        (
            "query",
            of("lag", json!({"group": "g", "topic": "u"})),
            404,
            "there is no topic \"u\" in group \"g\"",
        ),
        (
            "query",
            of("lag", json!({"cluster": "x"})),
            404,
            "there is no cluster \"x\"",
        ),
        (
            "query",
            of("top", json!({"limit": "0"})),
            400,
            "limit is \"0\"",
        ),
        (
            "query",
            of("top", json!({"by": "name"})),
            400,
            "by is \"name\"",
        ),
        (
            "query",
            with("range", json!({"from": "yesterday", "to": "now"})),
            400,
            "range.from is \"yesterday\", accepted is RFC 3339",
        ),
        (
            "query",
            with("range", json!({"from": 2, "to": 1})),
            400,
            "a time before to",
        ),
        (
            "query",
            with("range", json!({"from": 0, "to": 99_999_999})),
            422,
            "at most 400 days",
        ),
        (
            "query",
            with("maxDataPoints", json!(0)),
            400,
            "maxDataPoints is \"0\"",
        ),
        (
            "query",
            with("intervalMs", json!(-5)),
            400,
            "intervalMs is \"-5\"",
        ),
        (
            "query",
            with(
                "filters",
                json!([{"key": "group", "operator": "<", "value": "g"}]),
            ),
            400,
            "operator is \"<\"",
        ),
        (
            "query",
            with("targets", json!(vec![target("lag", json!({})); 53])),
            422,
            "53 targets, and it may have at most 52",
        ),
        (
            "variable",
            json!({"payload": {"target": "colours"}}),
            400,
            "target is \"colours\", accepted is clusters, ",
        ),
        (
            "variable",
            json!({"payload": {"target": "groups(a, b)"}}),
            400,
            "target is \"groups(",
        ),
        (
            "variable",
            json!({"payload": {"target": "topics(g"}}),
            400,
            "target is \"topics(g\"",
        ),
        ("variable", json!({"payload": {}}), 400, "target is \"\""),
        ("variable", json!({}), 400, "missing field `payload`"),
        (
            "tag-values",
            json!({"key": "colour"}),
            400,
            "key is \"colour\"",
        ),
        (
            "metric-payload-options",
            json!({"name": "colour"}),
            400,
            "key is \"colour\"",
        ),
        ("annotations", json!({}), 400, "missing field `range`"),
    ] {
        let answered = ask(&setting, &format!("/grafana/{path}"), body.clone()).await;
        let (found, text) = answered.error();
        assert_eq!(found, status, "{path} {body}: {text}");
        assert!(text.contains(message), "{path} {body}: {text}");
    }
}

#[tokio::test]
async fn more_series_or_values_than_fit_are_refused() {
    let names: Vec<_> = (0..600).map(|n| format!("g{n}")).collect();
    let groups: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), "t", Some(0)))
        .collect();
    let setting = Setting::recorded(vec![many(0, &groups), many(10, &groups)]);
    let each = json!({"partition": "*"});
    let answered = query(&setting, 20, "lag", each.clone()).await;
    assert_eq!(
        answered.error(),
        (
            422,
            "the answer would have more than 1000 series, and it \
        may have at most 1000: ask for fewer groups or topics, a longer interval, or a sum"
        )
    );
    let mut sum = each;
    sum["aggregation"] = json!("sum");
    let answered = query(&setting, 20, "lag", sum).await;
    assert_eq!(
        values(&answered)[0].1,
        [json!(600.0 * 110.0), json!(600.0 * 110.0)]
    );
}

#[tokio::test]
async fn more_groups_than_may_be_read_are_refused() {
    let names: Vec<_> = (0..1_001).map(|n| format!("g{n}")).collect();
    let groups: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), "t", Some(0)))
        .collect();
    let setting = Setting::recorded(vec![many(0, &groups)]);
    let answered = query(&setting, 20, "lag", json!({"aggregation": "sum"})).await;
    let (status, message) = answered.error();
    assert_eq!(status, 422);
    assert!(message.contains("those of at most 1000"), "{message}");
}

#[tokio::test]
async fn a_body_without_an_end_is_refused() {
    let setting = three_groups();
    let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b' '; 1 << 10])));
    let answered = post(&setting.state, "/grafana/query", Body::from_stream(endless)).await;
    let (status, message) = answered.error();
    assert_eq!(status, 413, "{message}");
}

#[tokio::test]
async fn who_finds_no_place_is_told_so_and_when_to_come_again() {
    let setting = three_groups();
    let mut pages = Pages::new(watch::channel(Arc::clone(&setting.state)).1);
    pages.queries = Gate::new(0, 0, Duration::from_secs(60), CancellationToken::new());
    let request = Request::builder()
        .method(Method::POST)
        .uri("/grafana/query");
    let body = panel(0, 20, json!([target("lag", json!({}))])).to_string();
    let request = request.body(Body::from(body)).expect("a request");
    let response = routes(pages).oneshot(request);
    let response = response.await.expect("an answer");
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");
    let body = to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    let json: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(json["error"]["code"], "busy");
    assert!(json["message"].is_string());
}

const PATHS: [&str; 8] = [
    "metrics",
    "metric-payload-options",
    "query",
    "variable",
    "search",
    "annotations",
    "tag-keys",
    "tag-values",
];

/// Texts that mean something somewhere, and others.
fn text() -> impl Strategy<Value = String> {
    let known = vec![
        "lag",
        "groups",
        "top",
        "told",
        "events",
        "status",
        "g",
        "h.1",
        "t",
        "*",
        "All",
        "$g",
        "[[g]]",
        "(g|h.1)",
        "=",
        "!=",
        "=~",
        "!~",
        "group",
        "partition",
        "sum",
        "topics(g)",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:01:00Z",
        "1767225600000",
        "0",
        "-1",
    ];
    prop_oneof![
        4 => proptest::sample::select(known).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
    ]
}

fn key() -> impl Strategy<Value = String> {
    let known = vec![
        "range",
        "from",
        "to",
        "targets",
        "target",
        "payload",
        "filters",
        "key",
        "operator",
        "value",
        "scopedVars",
        "maxDataPoints",
        "intervalMs",
        "hide",
        "refId",
        "name",
        "group",
        "topic",
        "partition",
        "cluster",
        "aggregation",
        "kind",
        "annotation",
        "query",
        "by",
        "limit",
        "includeHistoric",
    ];
    prop_oneof![
        6 => proptest::sample::select(known).prop_map(str::to_owned),
        1 => "[ -~]{0,8}",
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        4 => text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key(), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A panel's request with anything in one place.
fn nearly_right() -> impl Strategy<Value = Value> {
    let places = vec![
        "/range",
        "/range/from",
        "/range/to",
        "/intervalMs",
        "/maxDataPoints",
        "/scopedVars",
        "/filters",
        "/targets",
        "/targets/0/target",
        "/targets/0/payload",
        "/targets/0/refId",
        "/targets/0/hide",
        "/targets/0/payload/group",
        "/targets/0/payload/topic",
        "/targets/0/payload/partition",
        "/targets/0/payload/aggregation",
        "/targets/0/payload/kind",
        "/targets/0/payload/limit",
    ];
    (proptest::sample::select(places), any_json(), text()).prop_map(|(place, json, metric)| {
        let payload = json!({
            "group": "g", "topic": "", "partition": "*", "aggregation": "none", "kind": [],
            "limit": 5,
        });
        let mut body = panel(0, 60, json!([target(&metric, payload)]));
        body["targets"][0]["hide"] = json!(false);
        *body.pointer_mut(place).expect("a place") = json;
        body
    })
}

fn answered_in_shape(path: &str, body: &str) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let setting = SETTING.with(Arc::clone);
    let answered = runtime.block_on(post(&setting.state, path, body.to_owned()));
    match answered.status {
        200 => prop_assert!(answered.json.is_array(), "{}", answered.json),
        400..=499 => {
            answered.error();
        }
        other => prop_assert!(false, "{other} for {body}: {}", answered.json),
    }
    Ok(())
}

thread_local! {
    static SETTING: Arc<Setting> = Arc::new(three_groups());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_body_is_answered_or_refused_in_shape(
        path in proptest::sample::select(PATHS.to_vec()),
        body in prop_oneof![3 => any_json().prop_map(|json| json.to_string()), 1 => "[ -~]{0,60}"],
    ) {
        answered_in_shape(&format!("/grafana/{path}"), &body)?;
    }

    #[test]
    fn any_panel_is_answered_or_refused_in_shape(body in nearly_right()) {
        answered_in_shape("/grafana/query", &body.to_string())?;
    }
}
