//! Which series, labels and metrics there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::http::{
    HttpState, Pages, error::shown, gate::Allowance, json, metrics::families::RECORDED,
};

use super::{
    answer::{self, Limit},
    failure::Failure,
    form::Form,
    guard,
    labels::Labels,
    select::{Catalogue, MAX_SERIES, Selector},
};

/// The version of Prometheus whose semantics are followed.
const PROMETHEUS_VERSION: &str = "2.42.0";

/// `labels`
pub(super) async fn labels(
    State(pages): State<Arc<Pages>>,
    request: Request,
) -> Result<Response, Failure> {
    let form = Form::read(request).await?;
    let limit = Limit(form.limit()?);
    let names = found(
        &pages,
        &form,
        usize::MAX,
        |names: &mut BTreeSet<String>, labels| {
            for (name, _) in labels.iter() {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        },
    );
    let names: Vec<_> = names.await?.into_iter().collect();
    Ok(json(answer::list(&names, limit)).into_response())
}

/// `label/{name}/values`
pub(super) async fn values(
    State(pages): State<Arc<Pages>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_part) {
        let why = format!("invalid label name: {:?}", shown(&name));
        return Err(Failure::BadData(why));
    }
    let form = Form::read(request).await?;
    let limit = Limit(form.limit()?);
    let values = found(
        &pages,
        &form,
        usize::MAX,
        move |values: &mut BTreeSet<String>, labels| {
            let value = labels.get(&name);
            if !value.is_empty() && !values.contains(value) {
                values.insert(value.to_owned());
            }
        },
    );
    let values: Vec<_> = values.await?.into_iter().collect();
    Ok(json(answer::list(&values, limit)).into_response())
}

/// `series`
pub(super) async fn series(
    State(pages): State<Arc<Pages>>,
    request: Request,
) -> Result<Response, Failure> {
    let form = Form::read(request).await?;
    let limit = Limit(form.limit()?);
    if form.selectors()?.is_empty() {
        return Err(Failure::BadData("no match[] parameter provided".to_owned()));
    }
    let sets = found(
        &pages,
        &form,
        MAX_SERIES,
        |sets: &mut BTreeSet<Labels>, labels| {
            sets.insert(labels);
        },
    );
    let sets: Vec<_> = sets.await?.into_iter().collect();
    Ok(json(answer::label_sets(&sets, limit)).into_response())
}

/// Visits the series that match any of `match[]`, all without one; an error if
/// there are more than `most`.
async fn found<T: Default + Send + 'static>(
    pages: &Pages,
    form: &Form,
    most: usize,
    visit: impl Fn(&mut T, Labels) + Send + 'static,
) -> Result<T, Failure> {
    form.check_range()?;
    let texts: Vec<_> = form.selectors()?.into_iter().map(str::to_owned).collect();
    let state = pages.state();
    let work = move |allowance: &Allowance| Ok(walk(&state, &texts, most, allowance, visit));
    pages.queries.run(work).await?
}

fn walk<T: Default>(
    state: &HttpState,
    texts: &[String],
    most: usize,
    allowance: &Allowance,
    visit: impl Fn(&mut T, Labels),
) -> Result<T, Failure> {
    let mut selectors = Vec::new();
    for text in texts {
        let selector = guard::parse_selector("match[]", text)?;
        selectors.push(Selector::of(&selector)?);
    }
    if selectors.is_empty() {
        selectors.push(Selector::all());
    }
    let board = state.newest_board();
    let catalogue = Catalogue {
        state,
        board: &board,
    };
    let (mut found, mut left) = (T::default(), most);
    for selector in &selectors {
        allowance.check()?;
        catalogue.each(selector, &mut left, |cluster, series| {
            allowance.check()?;
            visit(&mut found, Labels::of(cluster, &series));
            Ok(())
        })?;
    }
    Ok(found)
}

/// `metadata`
pub(super) async fn metadata(request: Request) -> Result<Response, Failure> {
    let form = Form::read(request).await?;
    let wanted = form.text("metric");
    let limit = form.limit()?.unwrap_or(usize::MAX);
    let families = RECORDED.iter().map(|recorded| recorded.family);
    let families = families.filter(|family| wanted.is_none_or(|wanted| wanted == family.name));
    let entry = |family: crate::http::metrics::Family| {
        let unit = family.unit().map_or("", |unit| unit.as_str());
        let entry = json!([{"type": "gauge", "unit": unit, "help": family.help}]);
        (family.name, entry)
    };
    let data: BTreeMap<_, _> = families.take(limit).map(entry).collect();
    success(&json!(data))
}

/// `status/buildinfo`
pub(super) async fn build_info() -> Result<Response, Failure> {
    success(&json!({
        "version": PROMETHEUS_VERSION,
        "revision": concat!("tidegauge ", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

fn success(data: &serde_json::Value) -> Result<Response, Failure> {
    let body = json!({"status": "success", "data": data}).to_string();
    Ok(json(body.into_bytes()).into_response())
}
