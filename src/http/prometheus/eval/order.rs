//! Which of two numbers comes first.

use std::cmp::Ordering;

/// NaN comes last, whichever way it goes.
pub(super) fn ranking(one: f64, other: f64, lowest_first: bool) -> Ordering {
    match (one.is_nan(), other.is_nan()) {
        (false, false) if lowest_first => one.total_cmp(&other),
        (false, false) => other.total_cmp(&one),
        (one, other) => one.cmp(&other),
    }
}

/// The q-quantile of at least one value, interpolated as Prometheus does.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|one, other| match (one.is_nan(), other.is_nan()) {
        (false, false) => one.total_cmp(other),
        (one, other) => other.cmp(&one),
    });
    let last = values.len() - 1;
    let rank = q * last as f64;
    let lower = (rank.floor() as usize).min(last);
    let upper = (lower + 1).min(last);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}
