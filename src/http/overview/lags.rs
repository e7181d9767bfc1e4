//! The lag of groups over a range, in a few points.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    model::{Cell, ClusterName, Frame, GroupId, SeriesIndex, TimestampMs},
    store::{LagOf, LagSelection, Lags, Level, OffsetColumns, Selection},
};

use super::{
    super::{
        HttpState, cluster,
        error::ApiError,
        gate::Allowance,
        joined::{Joined, Span},
        query::Range,
    },
    summary::Summary,
};

/// A range in steps of equal length. A point is the lag as of the newest tick
/// in its step.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Points {
    #[serde(serialize_with = "super::as_text")]
    #[schema(value_type = String, format = DateTime)]
    from: TimestampMs,
    #[serde(rename = "step_seconds", serialize_with = "as_seconds")]
    #[schema(value_type = f64)]
    step: Duration,
    count: usize,
}

impl Points {
    /// At most `most` over the range. Where ticks are `cadence` apart, shorter
    /// steps than two of them would leave some without a tick.
    pub(super) fn over(range: Range, most: usize, cadence: Duration) -> Self {
        let length = range.to.since(range.from);
        let steps = u32::try_from(most).expect("points are bounded");
        let step = (length / steps).max(cadence * 2);
        // Ticks have times of whole milliseconds.
        let step = Duration::from_millis(step.as_millis() as u64 + 1);
        Self {
            from: range.from,
            step,
            count: length.div_duration_f64(step).ceil() as usize,
        }
    }

    fn range(&self) -> Range {
        let steps = u32::try_from(self.count).expect("points are bounded");
        let to = self.from.plus(self.step * steps);
        Range {
            from: self.from,
            to: TimestampMs(to.0 - 1),
        }
    }

    fn place(&self, at: TimestampMs) -> Option<usize> {
        let place = at.since(self.from).as_millis() / self.step.as_millis();
        usize::try_from(place).ok().filter(|_| at >= self.from)
    }
}

/// Where the lags of one group in one topic are found.
struct Item {
    /// In the order of the groups that are asked for.
    group: usize,
    of: LagOf,
}

/// For each of `groups` its lag at each of the points; `None`: not known.
pub(super) fn read(
    state: &HttpState,
    points: &Points,
    groups: &[&Summary],
    allowance: &Allowance,
) -> Result<Vec<Vec<Option<i64>>>, ApiError> {
    let board = state.newest_board();
    let mut lags = vec![vec![Cell::ABSENT; points.count]; groups.len()];
    for (name, places) in by_cluster(groups) {
        let items = |index: &SeriesIndex| items(index, groups, &places);
        let items = cluster::with_index(state, &board, name, items)?;
        let items = items.unwrap_or_default();
        if !items.is_empty() {
            read_cluster(state, name, points, items, &mut lags, allowance)?;
        }
    }
    let known = |lags: Vec<Cell>| lags.into_iter().map(Cell::value).collect();
    Ok(lags.into_iter().map(known).collect())
}

fn by_cluster<'a>(groups: &[&'a Summary]) -> BTreeMap<&'a ClusterName, Vec<usize>> {
    let mut places = BTreeMap::<_, Vec<_>>::new();
    for (place, summary) in groups.iter().enumerate() {
        places.entry(&summary.cluster).or_default().push(place);
    }
    places
}

fn items(index: &SeriesIndex, groups: &[&Summary], places: &[usize]) -> Vec<Item> {
    let of_group = |&group: &usize| {
        let topics = topics(index, &groups[group].group);
        topics.into_iter().map(move |of| Item { group, of })
    };
    places.iter().flat_map(of_group).collect()
}

fn topics(index: &SeriesIndex, group: &GroupId) -> Vec<LagOf> {
    let topics = index.groups().get(group).map(|series| &series.topics);
    let topics = topics.into_iter().flatten();
    let with_commits = topics.filter(|(_, commits)| !commits.is_empty());
    with_commits
        .map(|(topic, commits)| LagOf::Total(OffsetColumns::of_topic(index, topic, commits)))
        .collect()
}

fn read_cluster(
    state: &HttpState,
    cluster: &ClusterName,
    points: &Points,
    items: Vec<Item>,
    lags: &mut [Vec<Cell>],
    allowance: &Allowance,
) -> Result<(), ApiError> {
    let (groups, of): (Vec<_>, Vec<_>) =
        items.into_iter().map(|item| (item.group, item.of)).unzip();
    let range = points.range();
    let span = Span {
        cluster,
        level: Level::serving(points.step),
        since: range.from,
        range,
        until: range.to,
    };
    let selection = Selection::Lags(Arc::new(LagSelection::new(of)));
    let mut newest = vec![Cell::GONE; lags.len()];
    for frame in Joined::open(&state.store, span, selection) {
        allowance.check()?;
        let frame = frame?;
        let Some(place) = points.place(frame.at) else {
            continue;
        };
        sum_up(&frame, &groups, &mut newest);
        for group in &groups {
            lags[*group][place] = newest[*group];
        }
    }
    Ok(())
}

/// The lag of each group over its topics.
fn sum_up(frame: &Frame, groups: &[usize], sums: &mut [Cell]) {
    for group in groups {
        sums[*group] = Cell::GONE;
    }
    for (item, group) in groups.iter().enumerate() {
        let sum = &mut sums[*group];
        *sum = sum.plus(Lags::of(frame, item).newest);
    }
}

fn as_seconds<S: Serializer>(step: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(step.as_secs_f64())
}
