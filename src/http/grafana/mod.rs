//! `/grafana`: a data source for Grafana's JSON plugin.
//!
//! It speaks as simPod's plugin does (`simpod-json-datasource`), and knows the
//! older names. Its key invariant: series are what `/api/v1/history` tells of
//! the same groups, made by the same code; what several are put together to is
//! unknown while one of them is. It knows nothing of how Grafana draws, and
//! keeps nothing between requests.

mod annotations;
mod catalogue;
mod fault;
mod filter;
mod metrics;
mod names;
mod payload;
mod query;
mod scoped;
mod series;
mod table;
mod variable;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Pages, body, error::ApiError, gate::Allowance};
use annotations::Annotation;
use fault::Fault;
use filter::{FilterJson, Filters, Key};
use metrics::{MetricJson, OptionJson};
use payload::Payload;
use query::{QueryJson, RangeJson};
use variable::{Variable, VariableValue};

/// What an editor offers to choose from; other values can be typed.
const MAX_OPTIONS: usize = 1_000;

pub(super) fn routes() -> Router<Arc<Pages>> {
    Router::new()
        .route("/grafana", get(alive))
        .route("/grafana/", get(alive))
        .route("/grafana/metrics", post(list_metrics))
        .route("/grafana/metric-payload-options", post(options))
        .route("/grafana/query", post(answer_query))
        .route("/grafana/variable", post(variable))
        .route("/grafana/search", post(search))
        .route("/grafana/annotations", post(older_annotations))
        .route("/grafana/tag-keys", post(tag_keys))
        .route("/grafana/tag-values", post(tag_values))
}

/// Grafana's test of a data source.
async fn alive() -> &'static str {
    "ok\n"
}

/// `/metrics`: the body tells what is chosen, on which nothing here depends.
async fn list_metrics(body: Body) -> Result<Json<Vec<MetricJson>>, Fault> {
    body::json::<Value>(body, "an object").await?;
    Ok(Json(metrics::all()))
}

#[derive(Debug, Deserialize)]
struct OptionsJson {
    name: String,
    #[serde(default)]
    payload: Value,
}

/// `/metric-payload-options`: what a field can be, where the others are as they
/// are.
async fn options(
    State(pages): State<Arc<Pages>>,
    body: Body,
) -> Result<Json<Vec<OptionJson>>, Fault> {
    let asked: OptionsJson = body::json(body, "an object with name and payload").await?;
    if let Some(options) = metrics::options(&asked.name) {
        return Ok(Json(options));
    }
    let key = Key::parse(&asked.name)?;
    let payload = without(asked.payload, key);
    let payload = Payload::read(&payload, &Filters::default())?;
    let names = names(&pages, key, payload).await?;
    Ok(Json(names.into_iter().map(OptionJson::of).collect()))
}

/// The payload as it is before anything is chosen for `key`.
fn without(mut payload: Value, key: Key) -> Value {
    if let Value::Object(fields) = &mut payload {
        fields.remove(key.name());
    }
    payload
}

/// The first names of what is recorded.
async fn names(pages: &Arc<Pages>, key: Key, payload: Payload) -> Result<Vec<String>, ApiError> {
    let state = pages.state();
    let work = move |allowance: &Allowance| {
        catalogue::names(&state, key, &payload, MAX_OPTIONS, allowance)
    };
    let mut names = pages.queries.run(work).await?;
    names.truncate(MAX_OPTIONS);
    Ok(names)
}

/// `/query`
async fn answer_query(State(pages): State<Arc<Pages>>, body: Body) -> Result<Response, Fault> {
    let query: QueryJson = body::json(body, "a panel's request, with range and targets").await?;
    let query = query.read()?;
    let state = pages.state();
    let work = move |allowance: &Allowance| {
        let items = query.answer(&state, allowance)?;
        Ok(encoded(&items))
    };
    Ok(super::json(pages.queries.run(work).await?).into_response())
}

fn encoded(items: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(items).expect("answers have text keys only")
}

#[derive(Debug, Deserialize)]
struct VariableJson {
    payload: Value,
}

/// `/variable`
async fn variable(
    State(pages): State<Arc<Pages>>,
    body: Body,
) -> Result<Json<Vec<VariableValue>>, Fault> {
    let asked: VariableJson = body::json(body, "an object with payload").await?;
    let variable = Variable::read(&asked.payload)?;
    Ok(Json(values(&pages, variable).await?))
}

async fn values(pages: &Arc<Pages>, variable: Variable) -> Result<Vec<VariableValue>, ApiError> {
    let state = pages.state();
    let work = move |allowance: &Allowance| variable.values(&state, allowance);
    pages.queries.run(work).await
}

#[derive(Debug, Deserialize)]
struct SearchJson {
    #[serde(default)]
    target: Option<String>,
}

/// `/search`, of older versions: metrics, or where a target is given, a
/// variable's values.
async fn search(State(pages): State<Arc<Pages>>, body: Body) -> Result<Json<Vec<String>>, Fault> {
    let asked: SearchJson = body::json(body, "an object with target").await?;
    let target = asked.target.unwrap_or_default();
    if target.is_empty() {
        return Ok(Json(metrics::names().map(str::to_owned).collect()));
    }
    let values = values(&pages, Variable::read(&Value::String(target))?).await?;
    Ok(Json(values.into_iter().map(|value| value.value).collect()))
}

#[derive(Debug, Deserialize)]
struct AnnotationsJson {
    range: RangeJson,
    #[serde(default)]
    annotation: AnnotationJson,
}

#[derive(Debug, Default, Deserialize)]
struct AnnotationJson {
    /// A payload as text.
    #[serde(default)]
    query: Value,
}

/// `/annotations`, of older versions.
async fn older_annotations(
    State(pages): State<Arc<Pages>>,
    body: Body,
) -> Result<Json<Vec<Annotation>>, Fault> {
    let asked: AnnotationsJson = body::json(body, "an object with range and annotation").await?;
    let range = asked.range.read()?;
    let payload = Payload::read(&asked.annotation.query, &Filters::default())?;
    let state = pages.state();
    let work = move |allowance: &Allowance| annotations::tell(&state, &payload, range, allowance);
    Ok(Json(pages.queries.run(work).await?))
}

#[derive(Debug, Serialize)]
struct TagKey {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'static str,
}

/// `/tag-keys`: what ad hoc filters can be about.
async fn tag_keys(body: Body) -> Result<Json<[TagKey; 4]>, Fault> {
    body::json::<Value>(body, "an object").await?;
    Ok(Json(Key::ALL.map(|key| TagKey {
        kind: "string",
        text: key.name(),
    })))
}

#[derive(Debug, Deserialize)]
struct TagValuesJson {
    key: String,
    /// Those of the other keys.
    #[serde(default)]
    filters: Option<Vec<FilterJson>>,
}

#[derive(Debug, Serialize)]
struct TagValue {
    text: String,
}

/// `/tag-values`: what a filter's key can be compared with.
async fn tag_values(
    State(pages): State<Arc<Pages>>,
    body: Body,
) -> Result<Json<Vec<TagValue>>, Fault> {
    let asked: TagValuesJson = body::json(body, "an object with key").await?;
    let key = Key::parse(&asked.key)?;
    let filters = Filters::read(&asked.filters.unwrap_or_default())?;
    let payload = Payload::read(&Value::Null, &filters)?;
    let names = names(&pages, key, payload).await?;
    Ok(Json(
        names.into_iter().map(|text| TagValue { text }).collect(),
    ))
}
