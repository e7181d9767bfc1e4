//! What commits are measured against.

use crate::model::Cell;

/// The values of `reference`; where it has none, the last one before, or 0.
///
/// Only bytes depend on that 0, never a value: both sides put it in and take it
/// out again.
pub(super) fn carried(reference: &[Cell]) -> impl Iterator<Item = i64> {
    let mut last = 0;
    reference.iter().map(move |cell| {
        last = cell.value().unwrap_or(last);
        last
    })
}
