//! `/api/v1/history`: what was recorded of a group, step by step.
//!
//! It slides the estimator's window over the recorded ticks, so that each
//! value is what a live answer would have said at that time. A step is judged
//! as of its newest tick, and only by what was read within it: what is missing
//! then is `null`, however fresh the reading before was. Long steps are told
//! from minutes or hours, as far as there are any; a header says which.

mod beside;
mod grid;
mod metric;
mod narrow;
mod request;
mod rows;
mod slide;

#[cfg(test)]
mod tests;

use std::{cmp::max, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderName, Uri, header},
    response::{IntoResponse, Response},
};

use crate::{
    board::Board,
    model::{ClusterName, TimestampMs},
    store::ReadError,
};

use super::{HttpState, Pages, cluster, error::ApiError, gate::Allowance, query::Parameters};
use beside::Beside;
use narrow::Narrowing;
use request::Request;
use slide::{Slide, Told};

/// Says which levels of history an answer was told from.
const LEVELS: HeaderName = HeaderName::from_static("tidegauge-levels");

/// `/api/v1/history`
pub(super) async fn history(
    State(pages): State<Arc<Pages>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &request::PARAMETERS)?;
    let state = Arc::clone(&pages.state);
    let request = Request::read(&parameters, &state.parameters, TimestampMs::now())?;
    let clusters = cluster::asked(&state, request.cluster.as_deref())?;
    let clusters: Vec<_> = clusters.into_iter().cloned().collect();
    let work = move |allowance: &Allowance| answer(&state, &clusters, &request, allowance);
    let told = pages.queries.run(work).await?;
    let levels: Vec<_> = told.levels.iter().map(|level| level.name()).collect();
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (LEVELS, levels.join(", ")),
    ];
    Ok((headers, told.json).into_response())
}

fn answer(
    state: &HttpState,
    clusters: &[ClusterName],
    request: &Request,
    allowance: &Allowance,
) -> Result<Told, ApiError> {
    let board = state.newest_board();
    let mut found = Vec::new();
    for cluster in clusters {
        allowance.check()?;
        if let Some(narrowing) = narrowing(state, &board, cluster, request)? {
            found.push((cluster, narrowing));
        }
    }
    let named = request.cluster.as_deref();
    let (cluster, narrowing) = cluster::only(found, request.group.as_str(), named)?;
    if let Some(topic) = &request.topic
        && !narrowing.reads(topic)
    {
        let place = format!(" in group {:?}", request.group);
        return Err(ApiError::not_found("topic", topic.as_str(), place));
    }
    let Some((oldest, newest)) = state.store.span(&cluster)? else {
        return Ok(Told::nothing());
    };
    // As far as a live answer looks back, so that both say the same.
    let reach = match board.cluster(&cluster) {
        Some(snapshot) => snapshot.window.span(),
        None => max(state.parameters.window, state.parameters.max_staleness),
    };
    let reach = request.reach(reach);
    let frames = state.store.frames_of(
        &cluster,
        narrowing.selection(),
        request.level(),
        request.grid.from().minus(reach),
        newest,
    )?;
    let began_before = oldest < request.grid.from();
    let slide = Slide::new(
        &cluster,
        request,
        &state.parameters,
        reach,
        narrowing,
        Beside::open(&state.store, &cluster, request)?,
        allowance,
    );
    if request.every_tick {
        return slide.over_each_tick(frames);
    }
    slide.over(frames, began_before)
}

fn narrowing(
    state: &HttpState,
    board: &Board,
    cluster: &ClusterName,
    request: &Request,
) -> Result<Option<Narrowing>, ReadError> {
    let (group, topic) = (&request.group, request.topic.as_ref());
    if let Some(snapshot) = board.cluster(cluster) {
        return Ok(Narrowing::to(snapshot.window.index(), group, topic));
    }
    let index = state.store.index(cluster)?;
    Ok(index.and_then(|index| Narrowing::to(&index, group, topic)))
}
