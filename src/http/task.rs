//! What is told of a queue's task that a consumer group has not.

use serde::Serialize;
use utoipa::ToSchema;

use crate::estimator::{GroupEstimate, RatesFrom};

use super::openapi::words::RatesFromWord;

/// A consumer group of Kafka's, or a task of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Group,
    Task,
}

impl Kind {
    pub(super) fn of(is_task: bool) -> Self {
        if is_task { Self::Task } else { Self::Group }
    }
}

/// What a queue tells of a task; all but `rates_from` is `null` of a group of
/// Kafka's.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Task)]
pub(super) struct TaskJson {
    kind: Kind,
    /// Items that wait: the lag.
    depth: Option<u64>,
    /// For how long the oldest of them has waited, as the queue says it.
    oldest_age_seconds: Option<f64>,
    /// The queue's own count of items that have come.
    added: Option<i64>,
    /// The queue's own count of items that are done.
    done: Option<i64>,
    /// From `depth` alone both rates are lower bounds; their difference is exact.
    #[schema(value_type = Option<RatesFromWord>)]
    rates_from: Option<&'static str>,
}

impl TaskJson {
    /// Without an estimate it was never read.
    pub(super) fn of(is_task: bool, estimate: Option<&GroupEstimate>) -> Self {
        let task = estimate.and_then(|estimate| estimate.task);
        let rates_from = estimate.and_then(GroupEstimate::rates_from);
        Self {
            kind: Kind::of(is_task),
            depth: estimate.and_then(GroupEstimate::depth),
            oldest_age_seconds: task.and_then(|task| task.oldest_age_seconds),
            added: task.and_then(|task| task.added),
            done: task.and_then(|task| task.done),
            rates_from: rates_from.map(RatesFrom::as_str),
        }
    }
}

#[cfg(test)]
mod tests;
