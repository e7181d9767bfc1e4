//! `/api/v1/openapi.json`: what the JSON API accepts and answers, in OpenAPI 3.1.
//!
//! It is generated from the handlers, so that a path of the JSON API is served
//! only with its description: all of them are listed in [`routes`]. The names of
//! parameters are the ones that each endpoint reads by, and words such as metrics
//! or statuses come from the lists that the code goes by. Its key invariant: a
//! key that may be `null` is always there.

pub(super) mod parameters;
pub(super) mod responses;
pub(super) mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{Router, body::Bytes, http::Uri, response::IntoResponse, routing::get};
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use responses::LevelsHeader;

use super::{
    Pages,
    error::{ApiError, ErrorJson},
    events, groups,
    guard::PROBES,
    health, history, json as json_answer, last, live, metrics, overview, plugins,
    query::Parameters,
    series, status, store, told, top,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidegauge",
        description = "Offsets, lag and rates of Kafka consumer groups, and depths of queues: the \
                   newest, and those of months ago. Times are RFC 3339 in answers, and RFC 3339, epoch seconds or \
                   epoch milliseconds in queries. What is not known is null, never 0. A \
                   parameter without a value counts as not given; one that is not listed, or \
                   is given twice, is an error.",
    ),
    components(schemas(ErrorJson, LevelsHeader))
)]
struct Document;

/// All paths that are described, and the description.
pub(super) fn routes_with_document() -> Router<Arc<Pages>> {
    let (router, document) = documented().split_for_parts();
    let document = serde_json::to_value(document).expect("a document is JSON");
    let text = completed(document).to_string();
    let document = Bytes::from(text);
    let tell = async move |uri: Uri| {
        Parameters::read(&uri, &[])?;
        Ok::<_, ApiError>(json_answer(document.clone()).into_response())
    };
    router.route("/api/v1/openapi.json", get(tell))
}

/// A new path of the JSON API gets its line here, and `#[utoipa::path]` at its
/// handler.
fn documented() -> OpenApiRouter<Arc<Pages>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::livez))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::scrape))
        .routes(routes!(groups::clusters))
        .routes(routes!(groups::groups))
        .routes(routes!(groups::group))
        .routes(routes!(status::status))
        .routes(routes!(history::history))
        .routes(routes!(last::last))
        .routes(routes!(series::series))
        .routes(routes!(told::told))
        .routes(routes!(top::top))
        .routes(routes!(events::events))
        .routes(routes!(overview::overview))
        .routes(routes!(live::live))
        .routes(routes!(plugins::plugins))
        .routes(routes!(store::contents))
        .routes(routes!(store::backup))
}

fn completed(mut document: Value) -> Value {
    require_nullable(&mut document);
    describe_successes(&mut document);
    describe_guard(&mut document);
    document
}

/// What is refused before any handler is reached.
fn describe_guard(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        let operations = item.as_object_mut().into_iter().flatten();
        let responses =
            operations.filter_map(|(_, operation)| operation["responses"].as_object_mut());
        for responses in responses {
            if !PROBES.contains(&path.as_str()) {
                let unknown = "Nobody knows who asks, where [http.auth] is configured.";
                responses.entry("401").or_insert_with(|| error(unknown));
            }
            let foreign = "The name that is asked for is not this machine's.";
            responses.entry("403").or_insert_with(|| error(foreign));
        }
    }
}

fn error(description: &str) -> Value {
    let schema = json!({"$ref": "#/components/schemas/Error"});
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

/// What an operation is about is what it answers when it goes well.
fn describe_successes(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    let items = paths.filter_map(|(_, item)| item.as_object_mut());
    for (_, operation) in items.flatten() {
        let summary = operation["summary"].clone();
        let responses = operation["responses"].as_object_mut();
        for (_, response) in responses.into_iter().flatten() {
            if response["description"].is_null() {
                response["description"] = summary.clone();
            }
        }
    }
}

/// Types say which keys may be `null`; that those are always there is a rule of
/// this API, not of its types.
fn require_nullable(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let properties = object.get("properties").and_then(Value::as_object);
            let nullable: Vec<_> = properties
                .into_iter()
                .flatten()
                .filter(|(_, schema)| is_nullable(schema))
                .map(|(key, _)| json!(key))
                .collect();
            if !nullable.is_empty() {
                let required = object.entry("required").or_insert_with(|| json!([]));
                let required = required.as_array_mut().expect("a list of keys");
                required.extend(nullable);
                required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
                required.dedup();
            }
            object.values_mut().for_each(require_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(require_nullable),
        _ => {}
    }
}

fn is_nullable(schema: &Value) -> bool {
    let types = schema["type"].as_array();
    let choices = schema["oneOf"].as_array();
    let is_null = |choice: &Value| choice["type"] == "null";
    types.is_some_and(|types| types.contains(&json!("null")))
        || choices.is_some_and(|choices| choices.iter().any(is_null))
}
