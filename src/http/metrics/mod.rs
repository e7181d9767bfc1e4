//! `/metrics`, in OpenMetrics' text format for who asks for it, else in Prometheus'.
//!
//! Everything is read when it is asked for; there are no counters here. What
//! is not known has no sample.

mod bounds;
mod callers;
pub(crate) mod families;
mod format;
mod lag;
mod own;
mod page;
mod plugins;
mod queue;
mod told;

use std::{fmt, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder,
        prometheus_protobuf::{self, prometheus_data_model::MetricFamily},
        text,
    },
    registry::Registry,
};

use crate::model::TimestampMs;

use super::{
    HttpState, Pages, error::ApiError, gate::Allowance, openapi::responses::QueryRefusals,
    query::Parameters,
};
use format::Format;
use lag::LagReadings;
pub(crate) use page::Family;
use page::Page;
use told::ToldReadings;

/// All metrics, in OpenMetrics' text format for who asks for it, else in that of
/// Prometheus.
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
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    Parameters::read(&uri, &[])?;
    let format = Format::accepted(&headers);
    let state = pages.state();
    let work = move |allowance: &Allowance| Ok(format.of(text(state, allowance)?));
    let text = pages.scrapes.run(work).await?;
    Ok(([(header::CONTENT_TYPE, format.content_type())], text).into_response())
}

fn text(state: Arc<HttpState>, allowance: &Allowance) -> Result<String, ApiError> {
    let now = TimestampMs::now();
    let readings = LagReadings::of(&state, now, allowance)?;
    let told = ToldReadings::of(&state, now)?;
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape {
        state,
        readings,
        told,
    }));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("writing to a string does not fail");
    Ok(text)
}

/// What the page tells of the process itself, without groups, topics and watches.
pub fn of_process(state: Arc<HttpState>) -> Vec<MetricFamily> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(OfProcess(state)));
    prometheus_protobuf::encode(&registry).expect("writing to a list does not fail")
}

#[derive(Debug)]
struct OfProcess(Arc<HttpState>);

impl Collector for OfProcess {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        own::encode(&mut page, &self.0)?;
        plugins::encode(&mut page, &self.0)?;
        callers::encode(&mut page, &self.0)
    }
}

/// All metrics at one time.
#[derive(Debug)]
struct Scrape {
    state: Arc<HttpState>,
    readings: LagReadings,
    told: ToldReadings,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        own::encode(&mut page, &self.state)?;
        plugins::encode(&mut page, &self.state)?;
        callers::encode(&mut page, &self.state)?;
        let left_out = self.readings.encode(&mut page)?;
        self.told.encode(&mut page, left_out)?;
        lag::encode_poll_times(&mut page, &self.state)
    }
}

#[cfg(test)]
mod tests;
