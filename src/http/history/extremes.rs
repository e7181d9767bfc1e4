//! The first, the least and the most lag of each step.
//!
//! They are over all ticks of a step in which the lag was known, while all else
//! is judged by the step's newest tick. Of a topic they are those of the sum
//! over its partitions, not the sum of theirs.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    model::{Cell, Frame, GroupId, Partition, SeriesIndex, TimestampMs, TopicName},
    store::{LagOf, LagSelection, Lags, OffsetColumns, Selection, Store},
};

use super::{
    super::{
        error::ApiError,
        gate::Allowance,
        joined::{Joined, Span},
    },
    request::{Detail, Request},
};

/// What there is to read of a group.
#[derive(Debug)]
pub(super) struct Items {
    /// By topic and partition, or topic as a whole, its place.
    places: BTreeMap<TopicName, BTreeMap<Option<Partition>, usize>>,
    selection: Arc<LagSelection>,
}

impl Items {
    /// Of the group and topics that are asked for; nothing of an unknown group.
    pub(super) fn of(index: &SeriesIndex, request: &Request) -> Self {
        let (mut places, mut items) = (BTreeMap::new(), Vec::new());
        for (topic, partitions) in topics(index, &request.group, request.topic.as_ref()) {
            let of_topic = of_topic(partitions, request.detail);
            let numbers = items.len()..;
            let keys = of_topic.iter().map(|(partition, _)| *partition);
            places.insert(topic.clone(), keys.zip(numbers).collect());
            items.extend(of_topic.into_iter().map(|(_, item)| item));
        }
        Self {
            places,
            selection: Arc::new(LagSelection::new(items)),
        }
    }

    fn len(&self) -> usize {
        self.places.values().map(BTreeMap::len).sum()
    }
}

fn topics<'a>(
    index: &'a SeriesIndex,
    group: &GroupId,
    topic: Option<&'a TopicName>,
) -> impl Iterator<Item = (&'a TopicName, Vec<OffsetColumns>)> {
    let series = index.groups().get(group).into_iter();
    let topics = series.flat_map(|series| &series.topics);
    let wanted = topics.filter(move |(name, _)| topic.is_none_or(|topic| topic == *name));
    wanted.map(|(name, commits)| (name, OffsetColumns::of_topic(index, name, commits)))
}

fn of_topic(partitions: Vec<OffsetColumns>, detail: Detail) -> Vec<(Option<Partition>, LagOf)> {
    let numbered = (0..).zip(partitions.iter().copied());
    let of = |(partition, columns)| (Some(partition), LagOf::Partition(columns));
    match detail {
        Detail::Topics => vec![(None, LagOf::Total(partitions))],
        Detail::AllPartitions => numbered.map(of).collect(),
        Detail::OnePartition(asked) => numbered
            .filter(|(partition, _)| *partition == asked)
            .map(of)
            .collect(),
    }
}

/// What is known of the lags in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LagRange {
    pub(super) first: Option<i64>,
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
}

impl LagRange {
    fn take_in(&mut self, lags: Lags) {
        let [first, min, max] = [lags.first, lags.min, lags.max].map(Cell::value);
        self.first = self.first.or(first);
        self.min = self.min.into_iter().chain(min).min();
        self.max = self.max.max(max);
    }
}

/// Reads along with what else is told.
#[derive(Debug)]
pub(super) struct Extremes {
    items: Items,
    frames: Joined,
    next: Option<Frame>,
    /// By place.
    ranges: Vec<LagRange>,
}

impl Extremes {
    pub(super) fn open(store: &Store, span: Span<'_>, items: Items) -> Self {
        let selection = Selection::Lags(Arc::clone(&items.selection));
        Self {
            ranges: vec![LagRange::default(); items.len()],
            items,
            frames: Joined::open(store, span, selection),
            next: None,
        }
    }

    /// Goes on to the ticks from `since` to `until`, which is after those before.
    pub(super) fn advance(
        &mut self,
        since: TimestampMs,
        until: TimestampMs,
        allowance: &Allowance,
    ) -> Result<(), ApiError> {
        self.ranges.fill(LagRange::default());
        loop {
            allowance.check()?;
            let next = match self.next.take() {
                Some(next) => Some(next),
                None => self.frames.next().transpose()?,
            };
            match next {
                Some(next) if next.at > until => {
                    self.next = Some(next);
                    return Ok(());
                }
                Some(next) if next.at >= since => self.take_in(&next),
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }

    fn take_in(&mut self, frame: &Frame) {
        for (place, range) in self.ranges.iter_mut().enumerate() {
            range.take_in(Lags::of(frame, place));
        }
    }

    /// Those of a partition, or of a topic as a whole.
    pub(super) fn of(&self, topic: &TopicName, partition: Option<Partition>) -> LagRange {
        let of_topic = self.items.places.get(topic);
        let place = of_topic.and_then(|places| places.get(&partition));
        place.map_or(LagRange::default(), |place| self.ranges[*place])
    }
}
