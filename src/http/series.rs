//! `/api/v1/series`: which groups and topics are in history.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{ClusterName, SeriesIndex};

use super::{
    HttpState, Pages,
    array::JsonArray,
    cluster,
    error::ApiError,
    gate::Allowance,
    json,
    openapi::{
        parameters::{accepts, any_text, limit},
        responses::QueryRefusals,
    },
    query::Parameters,
};

const PARAMETERS: [&str; 5] = ["cluster", "group", "topic", "limit", "after"];

const DEFAULT_LIMIT: usize = 1_000;
const MAX_LIMIT: usize = 10_000;

accepts!(
    PARAMETERS,
    limit(DEFAULT_LIMIT, MAX_LIMIT),
    any_text(
        "after",
        "What `tidegauge-next` of the page before said.",
        "WyJtYWluIiwiYSIsInQiXQ"
    ),
);

/// Where there are more, what to send as `after` to get them.
const NEXT: HeaderName = HeaderName::from_static("tidegauge-next");

const REMEDY: &str = "ask for fewer";

#[derive(Debug)]
struct Request {
    clusters: Vec<ClusterName>,
    group: Option<String>,
    topic: Option<String>,
    limit: usize,
    after: Option<Place>,
}

/// Where a page ends: the last row's cluster, group and topic.
#[derive(Debug)]
struct Place([String; 3]);

/// A group and a topic that it has committed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SeriesRow)]
struct Row<'a> {
    cluster: &'a str,
    group: &'a str,
    topic: &'a str,
    partitions: u32,
}

/// A page in the making.
struct Page {
    array: JsonArray,
    room: usize,
    last: Option<Place>,
    has_more: bool,
}

/// Which groups and topics are in history, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/series",
    params(Accepted),
    responses(
        (
            status = 200,
            body = [Row<'static>],
            headers(("tidegauge-next" = String, description = "Where there are more: their `after`.")),
        ),
        QueryRefusals,
    ),
)]
pub(super) async fn series(
    State(pages): State<Arc<Pages>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &PARAMETERS)?;
    let state = pages.state();
    let request = Request::read(&parameters, &state)?;
    let work = move |allowance: &Allowance| answer(&state, &request, allowance);
    let page = pages.queries.run(work).await?;
    let next = page.last.filter(|_| page.has_more).map(|last| last.name());
    let mut response = json(page.array.finish()).into_response();
    if let Some(next) = next {
        response.headers_mut().insert(NEXT, next);
    }
    Ok(response)
}

impl Request {
    fn read(parameters: &Parameters, state: &HttpState) -> Result<Self, ApiError> {
        let mut clusters = cluster::asked(state, parameters.text("cluster"))?;
        clusters.sort();
        let text = |name| parameters.text(name).map(str::to_owned);
        Ok(Self {
            clusters: clusters.into_iter().cloned().collect(),
            group: text("group"),
            topic: text("topic"),
            limit: parameters.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?,
            after: parameters.text("after").map(Place::parse).transpose()?,
        })
    }

    fn picks(&self, row: &Row<'_>) -> bool {
        let is = |asked: &Option<String>, found| asked.as_deref().is_none_or(|it| it == found);
        let names = [row.cluster, row.group, row.topic];
        let is_after = |after: &Place| names[..] > after.0.each_ref().map(String::as_str)[..];
        is(&self.group, row.group)
            && is(&self.topic, row.topic)
            && self.after.as_ref().is_none_or(is_after)
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            serde_json::from_slice(&bytes).ok().map(Self)
        };
        read().ok_or_else(|| {
            let accepted = format!("what the header {NEXT} of the page before said");
            ApiError::bad("after", text, accepted)
        })
    }

    fn name(&self) -> HeaderValue {
        let bytes = serde_json::to_vec(&self.0).expect("texts");
        let name = URL_SAFE_NO_PAD.encode(bytes);
        HeaderValue::from_str(&name).expect("base64 is fit for a header")
    }
}

fn answer(state: &HttpState, request: &Request, allowance: &Allowance) -> Result<Page, ApiError> {
    let board = state.newest_board();
    let mut page = Page {
        array: JsonArray::new(REMEDY),
        room: request.limit,
        last: None,
        has_more: false,
    };
    for cluster in &request.clusters {
        let tell = |index: &SeriesIndex| page.tell(index, cluster, request, allowance);
        cluster::with_index(state, &board, cluster, tell)?.transpose()?;
    }
    Ok(page)
}

impl Page {
    fn tell(
        &mut self,
        index: &SeriesIndex,
        cluster: &ClusterName,
        request: &Request,
        allowance: &Allowance,
    ) -> Result<(), ApiError> {
        for (group, series) in index.groups() {
            allowance.check()?;
            for (topic, commits) in &series.topics {
                let row = Row {
                    cluster: cluster.as_str(),
                    group: group.as_str(),
                    topic: topic.as_str(),
                    partitions: commits.len(),
                };
                if request.picks(&row) && !self.push(&row)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// `false` when there is no more room.
    fn push(&mut self, row: &Row<'_>) -> Result<bool, ApiError> {
        if self.room == 0 {
            self.has_more = true;
            return Ok(false);
        }
        self.room -= 1;
        self.array.push(row)?;
        let names = [row.cluster, row.group, row.topic];
        self.last = Some(Place(names.map(str::to_owned)));
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
