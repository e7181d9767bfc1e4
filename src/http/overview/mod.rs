//! `/api/v1/overview`: all groups, those that need attention first, each with
//! its lag over a range in a few points.
//!
//! What is told of the groups is made once for each new board, whoever asks and
//! however often; only points are read from the store. Key invariant: versions
//! follow each other, so that who has one and is told what changed since has
//! the next.

mod lags;
mod newest;
mod summary;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt::Display, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::Uri,
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::model::{ClusterName, TimestampMs};

use super::{
    HttpState, Pages, cluster,
    error::ApiError,
    gate::Allowance,
    history::cadence,
    json,
    openapi::{
        parameters::{accepts, any_text, count_from, from, limit},
        responses::QueryRefusals,
    },
    query::{Parameters, Range},
};
use lags::Points;
pub(super) use newest::{ClusterSummary, Overview, Overviews, PAUSE};
pub(super) use summary::Summary;

const PARAMETERS: [&str; 7] = [
    "cluster", "groups", "limit", "offset", "points", "from", "to",
];

const DEFAULT_LIMIT: usize = 100;
/// 2,000 groups are about 800 kB.
const MAX_LIMIT: usize = 2_000;
/// Of so many groups points are read at once: more than a screen shows.
const MAX_LIMIT_WITH_POINTS: usize = 200;
/// A small chart is some 120 pixels wide.
const MAX_POINTS: usize = 240;
/// As many groups as an installation may have, and more.
const MAX_OFFSET: usize = 1_000_000;
/// Where no `from` is given.
const DEFAULT_RANGE: Duration = Duration::from_hours(1);

const GROUPS: &str = "a JSON array of at most 200 names, such as [\"a\",\"b\"]";

#[derive(Debug)]
struct Request {
    clusters: Vec<ClusterName>,
    /// `None`: all.
    groups: Option<BTreeSet<String>>,
    limit: usize,
    offset: usize,
    points: Option<AskedPoints>,
}

/// All groups, or some of them, those that need attention first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Overview)]
struct OverviewJson<'a> {
    /// Which it is of those that follow each other, as `/api/v1/live` tells.
    version: i64,
    #[schema(value_type = Vec<ClusterSummary>)]
    clusters: Vec<&'a ClusterSummary>,
    /// Of those that were asked for, whether or not they are in this answer.
    total: usize,
    offset: usize,
    /// Where the points of `lags` are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Points)]
    points: Option<&'a Points>,
    groups: Vec<GroupJson<'a>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OverviewGroup)]
struct GroupJson<'a> {
    #[serde(flatten)]
    #[schema(value_type = Summary)]
    summary: &'a Summary,
    /// Its lag at each of the points.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    lags: Option<Vec<Option<i64>>>,
}

accepts!(
    PARAMETERS,
    any_text(
        "groups",
        "These groups only: a JSON array of names.",
        "[\"orders-service\"]"
    ),
    limit(DEFAULT_LIMIT, MAX_LIMIT),
    count_from(
        0,
        MAX_OFFSET,
        "offset",
        "So many groups are left out before the first."
    ),
    count_from(
        1,
        MAX_POINTS,
        "points",
        "Each group with its lag in at most so many points, of at most 200 groups."
    ),
    from("an hour before `to`, or where history begins"),
);

/// All groups, those that need attention first, each with its lag over a range
/// in a few points if they are asked for.
#[utoipa::path(
    get,
    path = "/api/v1/overview",
    params(Accepted),
    responses((status = 200, body = OverviewJson<'static>), QueryRefusals),
)]
pub(super) async fn overview(
    State(pages): State<Arc<Pages>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &PARAMETERS)?;
    let state = pages.state();
    let request = Request::read(&parameters, &state)?;
    let overview = pages.overviews.newest(&pages).await?;
    let work = move |allowance: &Allowance| answer(&state, &overview, &request, allowance);
    Ok(json(pages.queries.run(work).await?).into_response())
}

impl Request {
    fn read(parameters: &Parameters, state: &HttpState) -> Result<Self, ApiError> {
        let clusters = cluster::asked(state, parameters.text("cluster"))?;
        let points = AskedPoints::read(parameters, state)?;
        let limit = parameters.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
        if points.is_some() && limit > MAX_LIMIT_WITH_POINTS {
            return Err(ApiError::TooLarge {
                found: format!("points of {limit} groups"),
                limit: format!("those of at most {MAX_LIMIT_WITH_POINTS}"),
                remedy: "ask for fewer with limit, and for the next with offset",
            });
        }
        Ok(Self {
            clusters: clusters.into_iter().cloned().collect(),
            groups: parameters.text("groups").map(names).transpose()?,
            limit,
            offset: offset(parameters)?,
            points,
        })
    }

    fn picks(&self, summary: &Summary) -> bool {
        let named = |groups: &BTreeSet<String>| groups.contains(summary.group.as_str());
        self.clusters.contains(&summary.cluster) && self.groups.as_ref().is_none_or(named)
    }
}

/// Points, as they are asked for.
#[derive(Debug, Clone, Copy)]
struct AskedPoints {
    range: Range,
    /// Was a time to begin at given? Else they begin with history, at the
    /// earliest, so that a young one fills a chart too.
    has_begin: bool,
    most: usize,
    cadence: Duration,
}

impl AskedPoints {
    fn read(parameters: &Parameters, state: &HttpState) -> Result<Option<Self>, ApiError> {
        let range = parameters.range(TimestampMs::now(), DEFAULT_RANGE)?;
        if parameters.text("points").is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            range,
            has_begin: parameters.text("from").is_some(),
            most: parameters.count("points", 1, MAX_POINTS)?,
            cadence: cadence(&state.parameters),
        }))
    }

    fn lay_out(&self, state: &HttpState, clusters: &[ClusterName]) -> Result<Points, ApiError> {
        let mut range = self.range;
        if !self.has_begin {
            let mut oldest = None;
            for cluster in clusters {
                let span = state.store.span(cluster)?;
                oldest = oldest.into_iter().chain(span.map(|(first, _)| first)).min();
            }
            let oldest = oldest.filter(|oldest| *oldest < range.to);
            range.from = oldest.map_or(range.from, |oldest| oldest.max(range.from));
        }
        Ok(Points::over(range, self.most, self.cadence))
    }
}

fn offset(parameters: &Parameters) -> Result<usize, ApiError> {
    match parameters.text("offset") {
        Some("0") => Ok(0),
        _ => parameters.count("offset", 0, MAX_OFFSET),
    }
}

fn names(text: &str) -> Result<BTreeSet<String>, ApiError> {
    let wrong = || ApiError::bad("groups", text, GROUPS);
    let names: BTreeSet<String> = serde_json::from_str(text).map_err(|_| wrong())?;
    if names.len() > MAX_LIMIT_WITH_POINTS {
        return Err(wrong());
    }
    Ok(names)
}

fn answer(
    state: &HttpState,
    overview: &Overview,
    request: &Request,
    allowance: &Allowance,
) -> Result<Vec<u8>, ApiError> {
    let groups = overview.groups.iter();
    let picked: Vec<_> = groups.filter(|group| request.picks(group)).collect();
    let shown = picked.iter().skip(request.offset).take(request.limit);
    let shown: Vec<_> = shown.map(|group| &***group).collect();
    let points = request
        .points
        .map(|asked| asked.lay_out(state, &request.clusters));
    let points = points.transpose()?;
    let mut lags = match &points {
        Some(points) => lags::read(state, points, &shown, allowance)?,
        None => Vec::new(),
    }
    .into_iter();
    let groups = shown.into_iter().map(|summary| GroupJson {
        summary,
        lags: lags.next(),
    });
    let json = OverviewJson {
        version: overview.version,
        clusters: overview.clusters_of(&request.clusters),
        total: picked.len(),
        offset: request.offset,
        points: points.as_ref(),
        groups: groups.collect(),
    };
    Ok(serde_json::to_vec(&json).expect("keys are text"))
}

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
