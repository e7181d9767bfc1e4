//! The newest estimates, as JSON.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    board::{Board, Snapshot},
    estimator::GroupEstimate,
    model::{ClusterName, GroupId, TimestampMs},
};

use super::{
    HttpState, Pages,
    attention::Order,
    cluster,
    error::{ApiError, shown},
    gate::Allowance,
    openapi::{
        parameters::accepts,
        responses::{QueryRefusals, Refusals},
    },
    query::Parameters,
    standing::{FreshnessJson, GroupDetailJson, GroupJson, JudgedGroupJson, View},
};

/// The parameters of what is asked of groups.
const PARAMETERS: [&str; 1] = ["cluster"];

accepts!(PARAMETERS);

/// Where what is told comes from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SourceKind {
    Kafka,
    Queue,
}

/// A cluster or a queue, as of its newest tick.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cluster)]
pub(super) struct ClusterJson {
    cluster: String,
    kind: SourceKind,
    #[schema(format = DateTime)]
    as_of: Option<String>,
    freshness: FreshnessJson,
    group_count: Option<usize>,
    topic_count: Option<usize>,
    gap_count: Option<usize>,
}

/// The configured clusters and queues, and how they are read.
#[utoipa::path(
    get,
    path = "/api/v1/clusters",
    responses((status = 200, body = [ClusterJson]), Refusals),
)]
pub(super) async fn clusters(
    State(pages): State<Arc<Pages>>,
    uri: Uri,
) -> Result<Json<Vec<ClusterJson>>, ApiError> {
    Parameters::read(&uri, &[])?;
    let state = pages.state();
    let (board, now) = (state.newest_board(), TimestampMs::now());
    let told = |cluster| cluster_json(&state, cluster, board.cluster(cluster), now);
    Ok(Json(state.clusters.iter().map(told).collect()))
}

fn cluster_json(
    state: &HttpState,
    cluster: &ClusterName,
    snapshot: Option<&Snapshot>,
    now: TimestampMs,
) -> ClusterJson {
    let index = snapshot.map(|snapshot| snapshot.window.index());
    ClusterJson {
        cluster: cluster.to_string(),
        kind: match state.queues.contains(cluster) {
            true => SourceKind::Queue,
            false => SourceKind::Kafka,
        },
        as_of: snapshot.and_then(Snapshot::as_of).map(|at| at.to_string()),
        freshness: snapshot.map_or(FreshnessJson::Unknown, |snapshot| {
            FreshnessJson::of(snapshot, &state.parameters, now)
        }),
        group_count: index.map(|index| index.groups().len()),
        topic_count: index.map(|index| index.topics().len()),
        gap_count: snapshot.map(|snapshot| snapshot.gaps.len()),
    }
}

/// The groups that were read lately, without their topics.
#[utoipa::path(
    get,
    path = "/api/v1/groups",
    params(Accepted),
    responses((status = 200, body = [GroupJson]), QueryRefusals),
)]
pub(super) async fn groups(
    State(pages): State<Arc<Pages>>,
    uri: Uri,
) -> Result<Json<Vec<GroupJson>>, ApiError> {
    let parameters = Parameters::read(&uri, &PARAMETERS)?;
    let state = pages.state();
    let asked = cluster::asked(&state, parameters.text("cluster"))?;
    let asked: Vec<_> = asked.into_iter().cloned().collect();
    let board = state.newest_board();
    let work = move |allowance: &Allowance| summaries(&state, &board, &asked, allowance);
    pages.queries.run(work).await.map(Json)
}

fn summaries(
    state: &HttpState,
    board: &Board,
    clusters: &[ClusterName],
    allowance: &Allowance,
) -> Result<Vec<GroupJson>, ApiError> {
    let mut summaries = Vec::new();
    for cluster in clusters {
        let Some(snapshot) = board.cluster(cluster) else {
            continue;
        };
        let view = view(state, cluster, snapshot);
        for group in snapshot.window.index().groups().keys() {
            allowance.check()?;
            let Some(estimate) = view.estimate(group).filter(was_read_lately) else {
                continue;
            };
            summaries.push(view.summary(group, &estimate));
        }
    }
    Ok(summaries)
}

/// One of them with its status, and its place among others; `None` if it was not
/// read lately.
pub(super) fn judged(
    state: &HttpState,
    cluster: &ClusterName,
    snapshot: &Snapshot,
    group: &GroupId,
) -> Option<(Order, JudgedGroupJson)> {
    let view = view(state, cluster, snapshot);
    let estimate = view.estimate(group).filter(was_read_lately)?;
    Some(view.judged(group, &estimate))
}

/// Has the window any reading of the group? The index knows each group that
/// ever was.
pub(super) fn was_read_lately(estimate: &GroupEstimate) -> bool {
    let totals = &estimate.totals;
    let has_reading = totals.as_of.is_some() || totals.unknown_since.is_some();
    has_reading || estimate.membership.state.is_some()
}

/// One group, by topic and partition.
#[utoipa::path(
    get,
    path = "/api/v1/groups/{group}",
    params(("group" = String, Path, example = "orders-service"), Accepted),
    responses((status = 200, body = GroupDetailJson), QueryRefusals),
)]
pub(super) async fn group(
    State(pages): State<Arc<Pages>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<GroupDetailJson>, ApiError> {
    let Path(group) = path.map_err(|_| ApiError::NoSuchPath {
        path: shown(uri.path()),
    })?;
    let parameters = Parameters::read(&uri, &PARAMETERS)?;
    let named = parameters.text("cluster");
    let group = GroupId::from(group);
    let state = pages.state();
    let board = state.newest_board();
    let knowing = cluster::asked(&state, named)?
        .into_iter()
        .filter_map(|cluster| Some((cluster, cluster::knowing(&board, cluster, &group)?)));
    let (cluster, snapshot) = cluster::only(knowing.collect(), group.as_str(), named)?;
    let snapshot = snapshot.clone();
    let work = move |_: &Allowance| {
        let view = view(&state, &cluster, &snapshot);
        let estimate = view.estimate(&group);
        Ok(view.detail(&group, estimate.as_ref()))
    };
    pages.queries.run(work).await.map(Json)
}

fn view<'a>(state: &'a HttpState, cluster: &'a ClusterName, snapshot: &'a Snapshot) -> View<'a> {
    View {
        cluster,
        snapshot,
        parameters: &state.parameters,
        now: TimestampMs::now(),
    }
}

#[cfg(test)]
mod tests;
