//! Which cluster a request is about.

use std::{cmp::max, time::Duration};

use crate::{
    board::{Board, Snapshot},
    model::{ClusterName, GapScope, GroupId, SeriesIndex},
    store::ReadError,
};

use super::{HttpState, error::ApiError};

/// The configured cluster of this name.
pub(super) fn configured<'a>(
    state: &'a HttpState,
    name: &str,
) -> Result<&'a ClusterName, ApiError> {
    let found = state
        .clusters
        .iter()
        .find(|cluster| cluster.as_str() == name);
    found.ok_or_else(|| ApiError::no_cluster(name))
}

/// The clusters that are asked about: the named one, or all.
pub(super) fn asked<'a>(
    state: &'a HttpState,
    name: Option<&str>,
) -> Result<Vec<&'a ClusterName>, ApiError> {
    match name {
        Some(name) => Ok(vec![configured(state, name)?]),
        None => Ok(state.clusters.iter().collect()),
    }
}

/// The only one of `found`, in which the group is.
pub(super) fn only<T>(
    mut found: Vec<(&ClusterName, T)>,
    group: &str,
    asked: Option<&str>,
) -> Result<(ClusterName, T), ApiError> {
    if found.len() > 1 {
        let names: Vec<_> = found.iter().map(|(name, _)| format!("{name:?}")).collect();
        return Err(ApiError::AmbiguousGroup {
            group: group.to_owned(),
            clusters: names.join(" or "),
        });
    }
    let place = || match asked {
        Some(cluster) => format!(" in cluster {cluster:?}"),
        None => String::new(),
    };
    let (cluster, value) = found
        .pop()
        .ok_or_else(|| ApiError::not_found("group", group, place()))?;
    Ok((cluster.clone(), value))
}

/// What `read` finds in the newest catalogue of `cluster`, if it has one.
pub(super) fn with_index<T>(
    state: &HttpState,
    board: &Board,
    cluster: &ClusterName,
    read: impl FnOnce(&SeriesIndex) -> T,
) -> Result<Option<T>, ReadError> {
    if let Some(snapshot) = board.cluster(cluster) {
        return Ok(Some(read(snapshot.window.index())));
    }
    Ok(state.store.index(cluster)?.as_ref().map(read))
}

/// How far back a live answer about `cluster` looks; one about the past looks as
/// far, so that both say the same.
pub(super) fn look_back(state: &HttpState, board: &Board, cluster: &ClusterName) -> Duration {
    match board.cluster(cluster) {
        Some(snapshot) => snapshot.window.reach().dense,
        None => max(state.parameters.reach(), state.parameters.max_staleness),
    }
}

/// The newest state of `cluster`, if it knows of `group`: has read it, or says
/// why it can't.
pub(super) fn knowing<'a>(
    board: &'a Board,
    cluster: &ClusterName,
    group: &GroupId,
) -> Option<&'a Snapshot> {
    let snapshot = board.cluster(cluster)?;
    let is_read = snapshot.window.index().groups().contains_key(group);
    let has_gap = || {
        let mut gaps = snapshot.gaps.iter();
        gaps.any(|gap| matches!(&gap.scope, GapScope::Group(id) if id == group))
    };
    (is_read || has_gap()).then_some(snapshot)
}
