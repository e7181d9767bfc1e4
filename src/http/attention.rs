//! Which groups are shown first.

use std::cmp::Reverse;

use serde::Serialize;
use utoipa::ToSchema;

use crate::estimator::GroupVerdict;

use super::standing::{FreshnessJson, Measures};

/// A lag that grows is told apart from one that breathes when the oldest record
/// that waits has done so for longer than this.
const LONG_WAIT_S: f64 = 60.0;

/// Why a group is worth looking at; the first of these that holds, in the order
/// in which groups are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Attention {
    /// Its status is ERR.
    Error,
    /// Its status is WARN.
    Warning,
    /// It consumes no faster than records arrive, and they wait for long.
    Growing,
    /// It could not be read, or not lately.
    Unknown,
    /// None of these.
    None,
}

/// The place of a group among others. What needs attention comes first; within
/// that what waits for longest, then what has the most lag. What is not known is
/// less than any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order(Attention, Reverse<Option<i64>>, Reverse<Option<u64>>);

impl Order {
    pub(super) fn new(
        attention: Attention,
        time_lag_seconds: Option<f64>,
        lag: Option<u64>,
    ) -> Self {
        let waits_ms = time_lag_seconds.map(|seconds| (seconds * 1000.0) as i64);
        Self(attention, Reverse(waits_ms), Reverse(lag))
    }

    pub(super) fn of(verdict: Option<GroupVerdict>, measures: &Measures) -> Self {
        let attention = Attention::of(verdict, measures);
        Self::new(attention, measures.time_lag_seconds, measures.lag)
    }
}

impl Attention {
    pub(super) fn of(verdict: Option<GroupVerdict>, measures: &Measures) -> Self {
        let waits = measures.time_lag_seconds;
        match verdict {
            Some(GroupVerdict::Err) => Self::Error,
            Some(GroupVerdict::Warn) => Self::Warning,
            _ if measures.drains == Some(false)
                && waits.is_some_and(|seconds| seconds > LONG_WAIT_S) =>
            {
                Self::Growing
            }
            _ if measures.freshness != FreshnessJson::Fresh => Self::Unknown,
            _ => Self::None,
        }
    }
}
