//! `/metrics`, in OpenMetrics' text format.
//!
//! Everything is read when it is asked for; there are no counters here. What
//! is not known has no sample.

pub(crate) mod families;
mod lag;
mod own;
mod page;

use std::{fmt, sync::Arc};

use axum::{
    extract::State,
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};

use crate::model::TimestampMs;

use super::{
    HttpState, Pages, error::ApiError, gate::Allowance, openapi::responses::QueryRefusals,
    query::Parameters,
};
use lag::LagReadings;
pub(crate) use page::Family;
use page::Page;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics, in OpenMetrics' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    responses(
        (status = 200, content(
            (String = "application/openmetrics-text"),
            (String = "text/plain"),
        )),
        QueryRefusals,
    ),
)]
pub(super) async fn scrape(
    State(pages): State<Arc<Pages>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    Parameters::read(&uri, &[])?;
    let state = pages.state();
    let work = move |allowance: &Allowance| text(state, allowance);
    let text = pages.scrapes.run(work).await?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

fn text(state: Arc<HttpState>, allowance: &Allowance) -> Result<String, ApiError> {
    let readings = LagReadings::of(&state, TimestampMs::now(), allowance)?;
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { state, readings }));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("writing to a string does not fail");
    Ok(text)
}

/// All metrics at one time.
#[derive(Debug)]
struct Scrape {
    state: Arc<HttpState>,
    readings: LagReadings,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        own::encode(&mut page, &self.state)?;
        self.readings.encode(&mut page)?;
        lag::encode_poll_times(&mut page, &self.state)
    }
}

#[cfg(test)]
mod tests;
