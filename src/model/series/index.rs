//! The catalogue of one stream's series.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    GroupSeries, SeriesKind, SeriesRun, ToldSeries, TopicSeries,
    missing::MissingRuns,
    place::{place_group, place_topic},
};
use crate::model::{Cell, Frame, GroupId, Tick, TopicName, WatchName};

/// The catalogue of one stream's series: places ticks into frames and finds
/// columns by name.
///
/// Columns are given out in order and never taken back, so that a frame can be
/// read with any later index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesIndex {
    topics: BTreeMap<TopicName, TopicSeries>,
    groups: BTreeMap<GroupId, GroupSeries>,
    watches: BTreeMap<Arc<WatchName>, ToldSeries>,
    width: u32,
}

/// Why a run read from disk does not fit the index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("series run at column {base} does not follow the ones before it ({reason})")]
pub struct MisplacedRun {
    base: u32,
    reason: &'static str,
}

const NAMELESS: &str = "its kind needs a name that it lacks";

impl SeriesIndex {
    /// How many columns a frame placed now has.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// All topics, by name.
    pub fn topics(&self) -> &BTreeMap<TopicName, TopicSeries> {
        &self.topics
    }

    /// All groups, by name.
    pub fn groups(&self) -> &BTreeMap<GroupId, GroupSeries> {
        &self.groups
    }

    /// All watches of which KEDA was told something, by name.
    pub fn watches(&self) -> &BTreeMap<Arc<WatchName>, ToldSeries> {
        &self.watches
    }

    /// Takes in a run that was placed before, as read from disk. Runs come in
    /// the order of their columns.
    pub fn restore(&mut self, run: &SeriesRun) -> Result<(), MisplacedRun> {
        let misplaced = |reason| MisplacedRun {
            base: run.base,
            reason,
        };
        let end = run.base.checked_add(run.count);
        if run.base != self.width || end.is_none() {
            return Err(misplaced("it leaves a hole or overlaps"));
        }
        let columns = match (run.kind, &run.topic, &run.group) {
            (SeriesKind::MetricValue | SeriesKind::Target | SeriesKind::Active, ..) => {
                let watch = run.watch.as_ref().ok_or_else(|| misplaced(NAMELESS))?;
                let series = self.watches.entry(Arc::clone(watch)).or_default();
                match run.kind {
                    SeriesKind::MetricValue => &mut series.metric_value,
                    SeriesKind::Target => &mut series.target,
                    _ => &mut series.active,
                }
            }
            (SeriesKind::LogStartOffset, Some(topic), _) => {
                &mut self.topics.entry(topic.clone()).or_default().log_start
            }
            (SeriesKind::LogEndOffset, Some(topic), _) => {
                &mut self.topics.entry(topic.clone()).or_default().log_end
            }
            (SeriesKind::TopicId, Some(topic), _) => {
                &mut self.topics.entry(topic.clone()).or_default().id
            }
            (SeriesKind::CommittedOffset, Some(topic), Some(group)) => self
                .groups
                .entry(group.clone())
                .or_default()
                .topics
                .entry(topic.clone())
                .or_default(),
            (kind, _, Some(group)) => {
                let series = self.groups.entry(group.clone()).or_default();
                match kind {
                    SeriesKind::Members => &mut series.members,
                    SeriesKind::State => &mut series.state,
                    SeriesKind::Assignment => &mut series.assignment,
                    SeriesKind::AssignedPartitions => &mut series.assigned_partitions,
                    SeriesKind::OldestAge => &mut series.oldest_age,
                    SeriesKind::Added => &mut series.added,
                    SeriesKind::Done => &mut series.done,
                    SeriesKind::LogStartOffset
                    | SeriesKind::LogEndOffset
                    | SeriesKind::TopicId
                    | SeriesKind::CommittedOffset
                    | SeriesKind::MetricValue
                    | SeriesKind::Target
                    | SeriesKind::Active => return Err(misplaced(NAMELESS)),
                }
            }
            _ => return Err(misplaced(NAMELESS)),
        };
        if i64::from(run.first_partition) != i64::from(columns.len()) {
            return Err(misplaced("its partitions don't follow"));
        }
        columns.runs.push((run.base, run.count));
        self.width += run.count;
        Ok(())
    }

    /// The runs that `tick` needs and the index lacks. Nothing changes until
    /// they are [restored](Self::restore), which can wait until they are safe
    /// on disk.
    pub fn missing_runs(&self, tick: &Tick) -> Vec<SeriesRun> {
        self.walk(tick).1
    }

    /// The runs that these watches need and the index lacks, as
    /// [`missing_runs`](Self::missing_runs) has them for ticks.
    pub fn missing_runs_of<'a>(
        &self,
        watches: impl IntoIterator<Item = &'a Arc<WatchName>>,
    ) -> Vec<SeriesRun> {
        let mut missing = MissingRuns::after(self.width);
        let watches: BTreeSet<_> = watches.into_iter().collect();
        for watch in watches {
            let known = self.watches.get(watch);
            for (kind, columns) in [
                (
                    SeriesKind::MetricValue,
                    known.map(|watch| &watch.metric_value),
                ),
                (SeriesKind::Target, known.map(|watch| &watch.target)),
                (SeriesKind::Active, known.map(|watch| &watch.active)),
            ] {
                missing.extend_told(columns, kind, watch);
            }
        }
        missing.runs
    }

    /// The tick as a frame. Readings without a column are left out: restore
    /// the [missing runs](Self::missing_runs) first.
    pub fn place(&self, tick: &Tick) -> Frame {
        self.walk(tick).0
    }

    /// The tick as a frame, or the [missing runs](Self::missing_runs): most ticks
    /// bring no series that is new, and are walked through only once.
    pub fn place_whole(&self, tick: &Tick) -> Result<Frame, Vec<SeriesRun>> {
        let (frame, missing) = self.walk(tick);
        if missing.is_empty() {
            Ok(frame)
        } else {
            Err(missing)
        }
    }

    /// The readings that have a column, and the runs that the others need.
    fn walk(&self, tick: &Tick) -> (Frame, Vec<SeriesRun>) {
        let mut cells = vec![Cell::ABSENT; self.width as usize];
        let mut missing = MissingRuns::after(self.width);
        for (reading, series) in found(&self.topics, &tick.topics, |reading| &reading.topic) {
            missing.of_topic(reading, series);
            if let Some(series) = series {
                place_topic(reading, series, &mut cells);
            }
        }
        for (reading, series) in found(&self.groups, &tick.groups, |reading| &reading.group) {
            missing.of_group(reading, series);
            if let Some(series) = series {
                place_group(reading, series, &mut cells);
            }
        }
        (Frame::new(tick.at, cells), missing.runs)
    }
}

/// Each reading with the series of its name. Both sides are sorted by name, so
/// this is a walk along both, and no search for each of thousands.
fn found<'a, K: Ord, S, R>(
    series: &'a BTreeMap<K, S>,
    readings: &'a [R],
    name: impl Fn(&R) -> &K,
) -> impl Iterator<Item = (&'a R, Option<&'a S>)> {
    let mut walk = series.iter().peekable();
    readings.iter().map(move |reading| {
        let name = name(reading);
        let mut order = Ordering::Less;
        while let Some((known, _)) = walk.peek() {
            order = (*known).cmp(name);
            if order != Ordering::Less {
                break;
            }
            walk.next();
        }
        match (order, walk.peek()) {
            (Ordering::Equal, Some((_, series))) => (reading, Some(*series)),
            // New, or not in its place.
            _ => (reading, series.get(name)),
        }
    })
}
