//! `/api/v1/history`: what was recorded of a group, step by step.
//!
//! It slides the estimator's window over the recorded ticks, so that each
//! value is what a live answer would have said at that time. A step is judged
//! as of its newest tick, and only by what was read within it: what is missing
//! then is `null`, however fresh the reading before was. Long steps are told
//! from minutes or hours, as far as there are any; a header says which.

mod beside;
mod extremes;
mod grid;
mod metric;
mod request;
mod rows;
mod schema;
mod slide;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    extract::State,
    http::{Uri, header},
    response::{IntoResponse, Response},
};

use crate::{
    board::Board,
    model::{ClusterName, SeriesIndex, TimestampMs},
    store::{Level, ReadError},
};

use super::{
    HttpState, LEVELS, Pages, cluster,
    error::ApiError,
    gate::Allowance,
    joined::{Joined, Span},
    narrow::Narrowing,
    openapi::responses::{LevelsHeader, QueryRefusals},
    outlet::{Head, Outlet},
    query::Parameters,
};
use beside::Beside;
use extremes::{Extremes, Items};

use rows::{JsonRows, RowWriter};
use slide::Slide;

pub(super) use metric::Asked;
pub(super) use request::{DEFAULT_STEPS, Detail, MAX_STEPS, Request, Subject, cadence};
pub(super) use rows::{RowSink, ToldRow};

/// What was recorded of a group, step by step, as a flat array sorted by time.
#[utoipa::path(
    get,
    path = "/api/v1/history",
    params(schema::Accepted),
    responses(
        (status = 200, body = [schema::HistoryRow], headers(("tidegauge-levels" = LevelsHeader))),
        QueryRefusals,
    ),
)]
pub(super) async fn history(
    State(pages): State<Arc<Pages>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &request::PARAMETERS)?;
    let state = pages.state();
    let request = Request::read(&parameters, &state.parameters, TimestampMs::now())?;
    let clusters = cluster::asked(&state, request.cluster.as_deref())?;
    let clusters: Vec<_> = clusters.into_iter().cloned().collect();
    let work = move |allowance: &Allowance, outlet: Outlet| {
        let sink = JsonRows::new(outlet);
        tell(&state, &clusters, &request, allowance, sink)
    };
    let (levels, json) = pages.queries.stream(work).await?;
    let levels: Vec<_> = levels.into_iter().map(Level::name).collect();
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (LEVELS, levels.join(", ")),
    ];
    Ok((headers, json).into_response())
}

/// Tells what is asked for, of the one of `clusters` that the group is in.
pub(super) fn tell<S: RowSink>(
    state: &HttpState,
    clusters: &[ClusterName],
    request: &Request,
    allowance: &Allowance,
    mut sink: S,
) -> Result<S::Made, ApiError> {
    let board = state.newest_board();
    let mut found = Vec::new();
    for cluster in clusters {
        allowance.check()?;
        if let Some(narrowed) = narrowed(state, &board, cluster, request)? {
            found.push((cluster, narrowed));
        }
    }
    let named = request.cluster.as_deref();
    let (cluster, (narrowing, items)) = cluster::only(found, request.group.as_str(), named)?;
    if let Some(topic) = &request.topic
        && !narrowing.reads(topic)
    {
        let place = format!(" in group {:?}", request.group);
        return Err(ApiError::not_found("topic", topic.as_str(), place));
    }
    let Some((oldest, newest)) = state.store.span(&cluster)? else {
        sink.begin(Head::new());
        return sink.finish();
    };
    request.refuse_too_many_rows(&narrowing, oldest, newest)?;
    let reach = request.reach(cluster::look_back(state, &board, &cluster));
    let span = Span {
        cluster: &cluster,
        level: request.level(),
        since: request.grid.from().minus(reach),
        range: request.grid.range(),
        until: newest,
    };
    let frames = Joined::open(&state.store, span, narrowing.selection());
    sink.begin(frames.levels()?);
    let extremes = items.map(|items| Extremes::open(&state.store, span, items));
    let began_before = oldest < request.grid.from();
    let beside = Beside::open(&state.store, &cluster, request)?;
    let writer = RowWriter::new(&cluster, request, beside, sink);
    let slide = Slide::new(
        request,
        &state.parameters,
        reach,
        narrowing,
        extremes,
        writer,
        allowance,
    );
    if request.every_tick {
        return slide.over_each_tick(frames);
    }
    slide.over(frames, began_before)
}

/// What is to be read of the group; `None` if the cluster does not know it.
fn narrowed(
    state: &HttpState,
    board: &Board,
    cluster: &ClusterName,
    request: &Request,
) -> Result<Option<(Narrowing, Option<Items>)>, ReadError> {
    let narrowed = |index: &SeriesIndex| {
        let narrowing = Narrowing::to(index, &request.group, request.topic.as_ref())?;
        let items = request.asks_extremes().then(|| Items::of(index, request));
        Some((narrowing, items))
    };
    let found = cluster::with_index(state, board, cluster, narrowed)?;
    Ok(found.flatten())
}
