//! The document, and whether it tells what is accepted.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};

use super::super::{error::CODES, testing::Setting};
use crate::model::EventKind;

async fn document(setting: &Setting) -> Value {
    let answer = setting.get("/api/v1/openapi.json").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/json");
    answer.json()
}

/// `(path, method, operation)`
fn operations(document: &Value) -> Vec<(&String, &String, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let operations = paths.flat_map(|(path, item)| {
        let item = item.as_object().expect("operations");
        item.iter()
            .map(move |(method, operation)| (path, method, operation))
    });
    operations.collect()
}

fn names(operation: &Value, place: &str) -> Vec<String> {
    let parameters = operation["parameters"].as_array();
    let parameters = parameters.into_iter().flatten();
    let in_place = parameters.filter(|parameter| parameter["in"] == place);
    in_place
        .map(|parameter| parameter["name"].as_str().expect("a name").to_owned())
        .collect()
}

fn each_value<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Object(object) => object.values().for_each(|value| each_value(value, visit)),
        Value::Array(items) => items.iter().for_each(|value| each_value(value, visit)),
        _ => {}
    }
}

#[tokio::test]
async fn it_is_openapi_3_1_whose_references_lead_somewhere() {
    let document = document(&Setting::recorded(Vec::new())).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut count = 0;
    each_value(&document, &mut |value| {
        if let Some(reference) = value["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
            count += 1;
        }
    });
    assert!(count > 50, "{count} references");
}

#[tokio::test]
async fn each_operation_is_described() {
    let document = document(&Setting::recorded(Vec::new())).await;
    let operations = operations(&document);
    assert!(operations.len() >= 16, "{operations:?}");
    for (path, method, operation) in operations {
        let summary = operation["summary"].as_str();
        assert!(
            summary.is_some_and(|text| text.len() > 10),
            "{method} {path}"
        );
        let success = &operation["responses"]["200"]["content"];
        let content = success
            .as_object()
            .and_then(|content| content.values().next());
        assert!(
            content.is_some_and(|content| content["schema"].is_object()),
            "{method} {path}"
        );
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["schema"].is_object(), "{path}: {parameter}");
            let is_query = parameter["in"] == "query";
            assert_eq!(
                is_query,
                parameter["description"].is_string(),
                "{path}: {parameter}"
            );
        }
    }
}

/// Who asks with an unknown parameter is told which are accepted.
#[tokio::test]
async fn the_parameters_that_it_tells_are_those_that_are_accepted() {
    let setting = Setting::recorded(Vec::new());
    let document = document(&setting).await;
    let asked = |path: &String| path.starts_with("/api/") && path != "/api/v1/backup";
    for (path, method, operation) in operations(&document) {
        if !asked(path) {
            continue;
        }
        assert_eq!(method, "get");
        let uri = format!("{}?nonsense=1", path.replace("{group}", "g"));
        let (status, _, message) = setting.ask(Method::GET, &uri).await.error();
        let told = names(operation, "query").join(", ");
        let told = if told.is_empty() { "none" } else { &told };
        let expected =
            format!("\"nonsense\" is no parameter of this endpoint, accepted are {told}");
        assert_eq!((status, message), (400, expected), "{path}");
    }
}

#[tokio::test]
async fn words_are_those_of_the_code() {
    let document = document(&Setting::recorded(Vec::new())).await;
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["ErrorCode"]["enum"], json!(CODES));
    assert_eq!(schemas["EventKindWord"]["enum"], json!(EventKind::NAMES));
    let parameters = &document["paths"]["/api/v1/history"]["get"]["parameters"];
    let metric = parameters.as_array().expect("a list").iter();
    let metric = metric
        .clone()
        .find(|parameter| parameter["name"] == "metric");
    let metric = metric.expect("a metric");
    assert_eq!(
        (&metric["style"], &metric["explode"]),
        (&json!("form"), &json!(false))
    );
    let words = metric["schema"]["items"]["enum"].as_array().expect("words");
    let words: BTreeSet<_> = words.iter().filter_map(Value::as_str).collect();
    assert!(
        words.contains("lag_max") && words.contains("active"),
        "{words:?}"
    );
    let row = schemas["HistoryRow"]["properties"]
        .as_object()
        .expect("keys");
    for word in words {
        assert!(row.contains_key(word), "{word}");
    }
}

#[tokio::test]
async fn a_key_that_may_be_null_is_always_there() {
    let document = document(&Setting::recorded(Vec::new())).await;
    let required = |name: &str| {
        let required = document["components"]["schemas"][name]["required"].as_array();
        let keys = required.into_iter().flatten().filter_map(Value::as_str);
        keys.collect::<Vec<_>>()
    };
    assert_eq!(
        required("ToldRow"),
        [
            "active",
            "cluster",
            "group",
            "implied_replicas",
            "metric_name",
            "metric_value",
            "target",
            "time",
            "topic",
            "watch",
        ]
    );
    assert!(!required("LastRow").contains(&"partition"));
    assert_eq!(
        required("HistoryRow"),
        ["time", "cluster", "group", "topic"]
    );
}
