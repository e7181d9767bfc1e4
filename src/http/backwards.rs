//! Looks back over all of history for the newest of something.

use std::time::Duration;

use crate::{
    model::{ClusterName, TimestampMs},
    store::Store,
};

use super::{error::ApiError, query::Range};

/// Each range is so many times as long as the one after it: what is not there
/// lately is seldom, and then may be long ago.
const GROWTH: u32 = 4;

/// What `find` finds in the newest range up to `until` that has any, of ranges
/// that begin with one as long as `first`; `None`: history has nothing.
pub(super) fn newest<T>(
    store: &Store,
    cluster: &ClusterName,
    until: TimestampMs,
    first: Duration,
    mut find: impl FnMut(Range) -> Result<Option<T>, ApiError>,
) -> Result<Option<T>, ApiError> {
    let Some((oldest, newest)) = store.span(cluster)? else {
        return Ok(None);
    };
    let (mut to, mut length) = (until.min(newest), first);
    while to >= oldest {
        let from = to.minus(length).max(oldest);
        if let Some(found) = find(Range { from, to })? {
            return Ok(Some(found));
        }
        to = from.minus(Duration::from_millis(1));
        length = length.saturating_mul(GROWTH);
    }
    Ok(None)
}
