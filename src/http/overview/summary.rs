//! A group in a few words and numbers.

use std::cmp::Ordering;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    estimator::{GroupEstimate, GroupVerdict},
    model::{ClusterName, GroupId, GroupState},
};

use super::super::{
    attention::{Attention, Order},
    openapi::words::{GroupStateWord, GroupStatusWord},
    standing::{FreshnessJson, View},
    status::reason_in_words,
    task::TaskJson,
};

/// A group as of a tick.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct Summary {
    #[serde(serialize_with = "super::as_text")]
    #[schema(value_type = String)]
    pub(in crate::http) cluster: ClusterName,
    #[serde(serialize_with = "super::as_text")]
    #[schema(value_type = String)]
    pub(in crate::http) group: GroupId,
    #[serde(flatten)]
    task: TaskJson,
    attention: Attention,
    /// By Burrow's rules.
    #[schema(value_type = Option<GroupStatusWord>)]
    status: Option<&'static str>,
    /// Why the status is not OK, or what is unknown is so.
    reason: Option<String>,
    #[schema(value_type = Option<GroupStateWord>)]
    state: Option<&'static str>,
    members: Option<u32>,
    partition_count: Option<u32>,
    lag: Option<u64>,
    lost_records: Option<u64>,
    arrival_rate: Option<f64>,
    consumption_rate: Option<f64>,
    time_lag_seconds: Option<f64>,
    time_lag_at_least: Option<bool>,
    eta_seconds: Option<f64>,
    drains: Option<bool>,
    freshness: FreshnessJson,
    /// Of what is not fresh; the rest is as of its cluster's newest tick.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    as_of: Option<String>,
}

impl Summary {
    /// Of a group of which there is no estimate if it was never read.
    pub(super) fn of(view: &View<'_>, group: &GroupId, estimate: Option<&GroupEstimate>) -> Self {
        let (measures, unknown) = view.measured(group, estimate);
        let is_usable = view.age() != FreshnessJson::Unknown;
        let status = view.status(group).filter(|_| is_usable);
        let verdict = status.as_ref().and_then(|status| status.verdict);
        let is_bad = matches!(verdict, Some(GroupVerdict::Err | GroupVerdict::Warn));
        let bad = status.filter(|_| is_bad);
        let membership = estimate.map(|estimate| &estimate.membership);
        let membership = membership.filter(|_| is_usable);
        let is_fresh = measures.freshness == FreshnessJson::Fresh;
        Self {
            cluster: view.cluster.clone(),
            group: group.clone(),
            task: view.task(group, estimate),
            attention: Attention::of(verdict, &measures),
            status: verdict.map(GroupVerdict::as_str),
            reason: bad.map(|status| reason_in_words(&status)).or(unknown),
            state: membership
                .and_then(|membership| membership.state)
                .map(GroupState::as_str),
            members: membership.and_then(|membership| membership.members),
            partition_count: estimate.map(|estimate| estimate.totals.partitions),
            lag: measures.lag,
            lost_records: measures.lost_records,
            arrival_rate: measures.arrival_rate.map(thousandths),
            consumption_rate: measures.consumption_rate.map(thousandths),
            time_lag_seconds: measures.time_lag_seconds.map(thousandths),
            time_lag_at_least: measures.time_lag_at_least,
            eta_seconds: measures.eta_seconds.map(thousandths),
            drains: measures.drains,
            freshness: measures.freshness,
            as_of: measures
                .as_of
                .filter(|_| !is_fresh)
                .map(|at| at.to_string()),
        }
    }

    /// What needs attention comes first.
    pub(super) fn before(&self, other: &Self) -> Ordering {
        let order = |one: &Self| Order::new(one.attention, one.time_lag_seconds, one.lag);
        let named = |one: &Self| (one.group.clone(), one.cluster.clone());
        order(self)
            .cmp(&order(other))
            .then_with(|| named(self).cmp(&named(other)))
    }
}

/// Finer is noise, and would make a change of what has not changed.
fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
