//! What one tick says: offsets, lags, lost records, members.

use std::{ops::Range, sync::Arc, time::Duration};

use crate::{
    http::metrics::families::Measure,
    model::{Cell, Columns, Frame, GroupId, Partition, SeriesIndex, TopicName, lag_records},
    store::Selection,
};

use super::{Of, Reading, Series};

/// Some series of one cluster, and where their cells stand in a frame.
#[derive(Debug)]
pub(crate) struct Offsets {
    /// All columns, ascending.
    wanted: Arc<[u32]>,
    places: Vec<Partition3>,
    /// By place: the newest log start so far, since it is not read in each tick.
    newest_starts: Vec<Cell>,
    series: Vec<Item>,
}

/// The columns of one partition: of the commit, the log's start and its end. Of a
/// group as a whole the first is that of its members, and of a task's age that of
/// the age.
#[derive(Debug, Clone, Copy, Default)]
struct Partition3 {
    committed: Option<u32>,
    log_start: Option<u32>,
    log_end: Option<u32>,
}

#[derive(Debug)]
struct Item {
    measure: Measure,
    places: Range<usize>,
}

/// What is known of one partition at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) committed: Cell,
    /// The newest one up to then.
    pub(crate) log_start: Cell,
    pub(crate) log_end: Cell,
}

impl Offsets {
    /// The log start is read every few minutes only: so long before the first
    /// tick that counts one is to be looked for.
    pub(crate) const LOOK_BACK: Duration = Duration::from_secs(15 * 60);

    pub(crate) fn new<'a>(
        index: &SeriesIndex,
        series: impl IntoIterator<Item = &'a Series>,
    ) -> Self {
        let mut places = Vec::new();
        let mut items = Vec::new();
        for series in series {
            let first = places.len();
            append_places(index, series, &mut places);
            items.push(Item {
                measure: series.recorded.measure,
                places: first..places.len(),
            });
        }
        let columns = places
            .iter()
            .flat_map(|it| [it.committed, it.log_start, it.log_end]);
        let mut wanted: Vec<u32> = columns.flatten().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let place = |column: Option<u32>| {
            let place = wanted.binary_search(&column?).ok()?;
            u32::try_from(place).ok()
        };
        for it in &mut places {
            it.committed = place(it.committed);
            it.log_start = place(it.log_start);
            it.log_end = place(it.log_end);
        }
        Self {
            wanted: wanted.into(),
            newest_starts: vec![Cell::ABSENT; places.len()],
            places,
            series: items,
        }
    }

    /// The columns to read.
    pub(crate) fn selection(&self) -> Selection {
        Selection::Columns(Arc::clone(&self.wanted))
    }

    /// Takes in the next frame, which has the columns of
    /// [`selection`](Self::selection).
    pub(crate) fn push(&mut self, frame: &Frame) {
        for (place, newest) in self.places.iter().zip(&mut self.newest_starts) {
            let start = frame.optional_cell(place.log_start);
            if start != Cell::ABSENT {
                *newest = start;
            }
        }
    }

    /// What `frame`, which was taken in last, says of each series.
    pub(crate) fn readings<'a>(&'a self, frame: &'a Frame) -> impl Iterator<Item = Reading> + 'a {
        self.series.iter().map(|item| {
            let places = item.places.clone();
            match item.measure {
                Measure::MaxLag | Measure::SumLag | Measure::Lost => {
                    self.total(item.measure, places, frame)
                }
                measure => self.single(measure, places.start, frame),
            }
        })
    }

    fn known(&self, place: usize, frame: &Frame) -> Known {
        let Partition3 {
            committed, log_end, ..
        } = self.places[place];
        // The tick did not have the series yet: it is not unknown then.
        let is_to_come = committed.is_some_and(|place| place as usize >= frame.cells().len());
        Known {
            committed: match is_to_come {
                true => Cell::GONE,
                false => frame.optional_cell(committed),
            },
            log_start: self.newest_starts[place],
            log_end: frame.optional_cell(log_end),
        }
    }

    fn single(&self, measure: Measure, place: usize, frame: &Frame) -> Reading {
        let known = self.known(place, frame);
        if known.is_gone() {
            return Reading::Gone;
        }
        let cell = match measure {
            Measure::Lag => return known.lag_reading(),
            Measure::OldestAge => return known.age_reading(),
            Measure::LogEnd => known.log_end,
            Measure::LogStart => known.log_start,
            _ => known.committed,
        };
        match cell.value() {
            Some(value) => Reading::Value(value as f64),
            None if cell == Cell::ABSENT => Reading::Unknown,
            None => Reading::Gone,
        }
    }

    /// Over partitions, of which each has to be known.
    fn total(&self, measure: Measure, places: Range<usize>, frame: &Frame) -> Reading {
        let mut total = None;
        for place in places {
            let known = self.known(place, frame);
            if known.is_gone() || known.has_no_commit() {
                continue;
            }
            let value = match measure {
                Measure::Lost => known.lost(),
                _ => known.lag(),
            };
            let Some(value) = value else {
                return Reading::Unknown;
            };
            total = Some(match (total, measure) {
                (None, _) => value,
                (Some(total), Measure::MaxLag) => value.max(total),
                (Some(total), _) => value.saturating_add(total),
            });
        }
        Reading::or_gone(total.map(|total: u64| total as f64))
    }
}

impl Known {
    /// Is it known not to exist?
    pub(crate) fn is_gone(self) -> bool {
        self.committed == Cell::GONE || self.log_end == Cell::GONE
    }

    /// Is it known that there is nothing to count from?
    fn has_no_commit(self) -> bool {
        self.committed == Cell::NO_COMMIT && self.log_end != Cell::ABSENT
    }

    /// Records that the group has yet to read. At the log's end there are none,
    /// wherever the log begins.
    pub(crate) fn lag(self) -> Option<u64> {
        let (committed, end) = (self.committed.value()?, self.log_end.value()?);
        match self.log_start.value() {
            Some(start) => Some(lag_records(committed, start, end)),
            None => (committed >= end).then_some(0),
        }
    }

    fn lag_reading(self) -> Reading {
        match self.lag() {
            Some(lag) => Reading::Value(lag as f64),
            None if self.has_no_commit() => Reading::Gone,
            None => Reading::Unknown,
        }
    }

    /// Of a task's age in the place of a commit, in seconds. Where the depth was
    /// read without one, the queue does not say it, or nothing waits.
    fn age_reading(self) -> Reading {
        match self.committed.value() {
            Some(age_ms) => Reading::Value(age_ms.max(0) as f64 / 1000.0),
            None if self.log_end == Cell::ABSENT => Reading::Unknown,
            None => Reading::Gone,
        }
    }

    /// Records that were deleted before the group read them; none beyond the
    /// log's end.
    fn lost(self) -> Option<u64> {
        let (committed, end) = (self.committed.value()?, self.log_end.value()?);
        match self.log_start.value() {
            Some(start) => Some(start.saturating_sub(committed).max(0).unsigned_abs()),
            None => (committed >= end).then_some(0),
        }
    }
}

fn append_places(index: &SeriesIndex, series: &Series, places: &mut Vec<Partition3>) {
    match &series.of {
        Of::Group(group) if series.recorded.measure == Measure::Members => {
            let members = index.groups().get(group).and_then(|it| it.members());
            places.push(Partition3 {
                committed: members,
                ..Partition3::default()
            });
        }
        Of::Group(group) if series.recorded.measure == Measure::OldestAge => {
            let age = index.groups().get(group).and_then(|it| it.oldest_age());
            let logs = index.topics().get(group.as_str());
            places.push(Partition3 {
                committed: age,
                log_start: None,
                log_end: logs.and_then(|logs| logs.log_end.of(0)),
            });
        }
        Of::Group(group) | Of::Status(group, _) | Of::RatesFrom(group, _) => {
            let topics = index.groups().get(group).map(|it| it.topics.keys());
            for topic in topics.into_iter().flatten() {
                append_topic(index, group, topic, places);
            }
        }
        Of::GroupTopic(group, topic) => append_topic(index, group, topic, places),
        Of::GroupPartition(group, topic, partition) => {
            let commits = commits(index, group, topic);
            places.push(partition3(index, commits, topic, *partition));
        }
        Of::TopicPartition(topic, partition) => {
            places.push(partition3(index, None, topic, *partition));
        }
        Of::Watch(_) => {}
    }
}

fn append_topic(
    index: &SeriesIndex,
    group: &GroupId,
    topic: &TopicName,
    places: &mut Vec<Partition3>,
) {
    let commits = commits(index, group, topic);
    let count = commits.map_or(0, Columns::len);
    let count = Partition::try_from(count).unwrap_or(Partition::MAX);
    places.extend((0..count).map(|partition| partition3(index, commits, topic, partition)));
}

fn commits<'a>(index: &'a SeriesIndex, group: &GroupId, topic: &TopicName) -> Option<&'a Columns> {
    index.groups().get(group)?.topics.get(topic)
}

fn partition3(
    index: &SeriesIndex,
    commits: Option<&Columns>,
    topic: &TopicName,
    partition: Partition,
) -> Partition3 {
    let logs = index.topics().get(topic);
    Partition3 {
        committed: commits.and_then(|commits| commits.of(partition)),
        log_start: logs.and_then(|logs| logs.log_start.of(partition)),
        log_end: logs.and_then(|logs| logs.log_end.of(partition)),
    }
}
