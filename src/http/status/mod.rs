//! `/api/v1/groups/{group}/status`: Burrow's status of a group, with the evidence.
//!
//! Without a time it is judged from the newest ticks in memory, else from those
//! that were in memory at that time, as far as history has them still.

mod json;
mod past;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
    response::{IntoResponse, Response},
};

use crate::{
    board::Board,
    estimator::Finding,
    model::{ClusterName, GroupId, SeriesIndex, TimestampMs},
    store::Level,
};

use super::{
    HttpState, LEVELS, Pages, cluster,
    error::{ApiError, shown},
    gate::Allowance,
    narrow::Narrowing,
    openapi::{
        parameters::{accepts, moment},
        responses::{LevelsHeader, QueryRefusals},
    },
    query::Parameters,
    reasons::Reasons,
};
pub(super) use json::reason_in_words;
use json::{StatusJson, finding_text};
use past::Past;

const PARAMETERS: [&str; 2] = ["cluster", "at"];

accepts!(PARAMETERS, moment("at", "As of when. Now, unless given."));

#[derive(Debug)]
struct Request {
    cluster: Option<String>,
    group: GroupId,
    /// `None`: now.
    at: Option<TimestampMs>,
}

/// What was found, and in which levels of history.
type Answer = (StatusJson, BTreeSet<Level>);

/// A group's status by Burrow's rules, with the evidence, now or at any time.
#[utoipa::path(
    get,
    path = "/api/v1/groups/{group}/status",
    params(("group" = String, Path, example = "orders-service"), Accepted),
    responses(
        (status = 200, body = StatusJson, headers(("tidegauge-levels" = LevelsHeader))),
        QueryRefusals,
    ),
)]
pub(super) async fn status(
    State(pages): State<Arc<Pages>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Path(group) = path.map_err(|_| ApiError::NoSuchPath {
        path: shown(uri.path()),
    })?;
    let parameters = Parameters::read(&uri, &PARAMETERS)?;
    let request = Request {
        cluster: parameters.text("cluster").map(str::to_owned),
        group: group.into(),
        at: parameters.time("at")?,
    };
    let state = pages.state();
    let clusters = cluster::asked(&state, request.cluster.as_deref())?;
    let clusters: Vec<_> = clusters.into_iter().cloned().collect();
    let work = move |allowance: &Allowance| {
        let board = state.newest_board();
        match request.at {
            Some(at) => then(&state, &board, &clusters, &request, at, allowance),
            None => now(&state, &board, &clusters, &request),
        }
    };
    let (json, levels) = pages.queries.run(work).await?;
    let levels: Vec<_> = levels.into_iter().map(Level::name).collect();
    Ok(([(LEVELS, levels.join(", "))], Json(json)).into_response())
}

fn now(
    state: &HttpState,
    board: &Board,
    clusters: &[ClusterName],
    request: &Request,
) -> Result<Answer, ApiError> {
    let group = &request.group;
    let knowing = clusters.iter();
    let knowing = knowing.filter_map(|name| Some((name, cluster::knowing(board, name, group)?)));
    let named = request.cluster.as_deref();
    let (cluster, snapshot) = cluster::only(knowing.collect(), group.as_str(), named)?;
    let at = TimestampMs::now();
    let window = &snapshot.window;
    let status = window.status(group.as_str(), &state.parameters, at);
    let reasons = Reasons::of(snapshot, group);
    let json = StatusJson::new(
        (&cluster, group),
        at,
        window.as_of(),
        status,
        |one| match one.finding {
            Finding::Unread { since } => reasons.of_partition(&one.topic, one.partition, since),
            _ => finding_text(one),
        },
    );
    Ok((json, BTreeSet::from([Level::Raw])))
}

fn then(
    state: &HttpState,
    board: &Board,
    clusters: &[ClusterName],
    request: &Request,
    at: TimestampMs,
    allowance: &Allowance,
) -> Result<Answer, ApiError> {
    let group = &request.group;
    let mut found = Vec::new();
    for name in clusters {
        allowance.check()?;
        let narrowed = |index: &SeriesIndex| Narrowing::to(index, group, None);
        let narrowing = cluster::with_index(state, board, name, narrowed)?.flatten();
        found.extend(narrowing.map(|narrowing| (name, narrowing)));
    }
    let named = request.cluster.as_deref();
    let (cluster, narrowing) = cluster::only(found, group.as_str(), named)?;
    let past = Past {
        store: &state.store,
        cluster: &cluster,
        allowance,
        look_back: cluster::look_back(state, board, &cluster),
        parameters: &state.parameters,
    };
    let judged = past.judge(group, narrowing, at)?;
    let whose = (&cluster, group);
    let json = StatusJson::new(whose, at, judged.as_of, judged.status, finding_text);
    Ok((json, judged.levels))
}
