//! Of all columns those that one group needs.

use std::sync::Arc;

use crate::{
    model::{Columns, Frame, GroupId, Partition, SeriesIndex, SeriesKind, SeriesRun, TopicName},
    store::Selection,
};

/// One group's columns, perhaps of one topic only: a cluster's frames may be
/// 100,000 cells wide, and a window holds many.
///
/// Narrowed columns keep their order, so that a series that comes later is
/// appended, and a window may hold frames from before and after.
#[derive(Debug)]
pub(super) struct Narrowing {
    /// Where each narrowed column stands in a wide frame; ascending.
    sources: Arc<[u32]>,
    /// The narrowed columns' runs.
    runs: Vec<SeriesRun>,
    /// How many narrowed columns the newest frame had.
    width: usize,
    /// Their catalogue.
    index: Arc<SeriesIndex>,
}

impl Narrowing {
    /// To `group`, and if one is given, to `topic`; `None` if the index does
    /// not know the group.
    pub(super) fn to(
        index: &SeriesIndex,
        group: &GroupId,
        topic: Option<&TopicName>,
    ) -> Option<Self> {
        let mut series = placed_series(index, group, topic)?;
        series.sort_by_key(|placed| placed.source);
        let mut runs: Vec<SeriesRun> = Vec::new();
        for (base, placed) in (0..).zip(&series) {
            match runs.last_mut().filter(|run| placed.continues(run)) {
                Some(run) => run.count += 1,
                None => runs.push(placed.run(base)),
            }
        }
        Some(Self {
            sources: series.iter().map(|placed| placed.source).collect(),
            runs,
            width: 0,
            index: Arc::default(),
        })
    }

    /// Has the group committed in `topic`?
    pub(super) fn reads(&self, topic: &TopicName) -> bool {
        self.runs
            .iter()
            .any(|run| run.kind == SeriesKind::CommittedOffset && run.topic.as_ref() == Some(topic))
    }

    /// How many partitions the group has commits in, in all of its topics.
    pub(super) fn partitions(&self) -> u32 {
        self.commits().map(|run| run.count).sum()
    }

    /// How many topics.
    pub(super) fn topics(&self) -> usize {
        let topics = self.commits().filter(|run| run.first_partition == 0);
        topics.count()
    }

    fn commits(&self) -> impl Iterator<Item = &SeriesRun> {
        let runs = self.runs.iter();
        runs.filter(|run| run.kind == SeriesKind::CommittedOffset)
    }

    /// The columns to read.
    pub(super) fn selection(&self) -> Selection {
        Selection::Columns(Arc::clone(&self.sources))
    }

    /// The catalogue of a frame with these columns only, of the series that
    /// there were when it was taken: a partition that was added later is not
    /// unknown before, it was not there.
    pub(super) fn index(&mut self, frame: &Frame) -> Arc<SeriesIndex> {
        let width = frame.cells().len();
        if width != self.width {
            self.width = width;
            self.index = Arc::new(self.index_of(width));
        }
        Arc::clone(&self.index)
    }

    fn index_of(&self, width: usize) -> SeriesIndex {
        let mut index = SeriesIndex::default();
        for run in &self.runs {
            let left = u32::try_from(width)
                .unwrap_or(u32::MAX)
                .saturating_sub(run.base);
            let run = SeriesRun {
                count: run.count.min(left),
                ..run.clone()
            };
            if run.count > 0 {
                index
                    .restore(&run)
                    .expect("runs follow each other's columns and partitions");
            }
        }
        index
    }
}

/// One series, and its column in wide frames.
struct Placed<'a> {
    source: u32,
    kind: SeriesKind,
    group: Option<&'a GroupId>,
    topic: Option<&'a TopicName>,
    partition: Partition,
}

fn placed_series<'a>(
    index: &'a SeriesIndex,
    group: &'a GroupId,
    topic: Option<&TopicName>,
) -> Option<Vec<Placed<'a>>> {
    let series = index.groups().get(group)?;
    let mut placed = Vec::new();
    for (source, kind) in [
        (series.members(), SeriesKind::Members),
        (series.state(), SeriesKind::State),
        (series.assignment(), SeriesKind::Assignment),
        (series.oldest_age(), SeriesKind::OldestAge),
        (series.added(), SeriesKind::Added),
        (series.done(), SeriesKind::Done),
    ] {
        placed.extend(source.map(|source| Placed::of_group(group, source, kind, 0)));
    }
    let by_rank = (0..).zip(series.assigned_partitions.iter());
    placed.extend(by_rank.map(|(rank, source)| {
        Placed::of_group(group, source, SeriesKind::AssignedPartitions, rank)
    }));
    let wanted = |name: &TopicName| topic.is_none_or(|topic| topic == name);
    for (topic, commits) in series.topics.iter().filter(|(name, _)| wanted(name)) {
        let mut place = |columns: &Columns, kind, group| {
            let columns = (0..).zip(columns.iter());
            placed.extend(columns.map(|(partition, source)| Placed {
                source,
                kind,
                group,
                topic: Some(topic),
                partition,
            }));
        };
        place(commits, SeriesKind::CommittedOffset, Some(group));
        if let Some(logs) = index.topics().get(topic) {
            place(&logs.id, SeriesKind::TopicId, None);
            place(&logs.log_start, SeriesKind::LogStartOffset, None);
            place(&logs.log_end, SeriesKind::LogEndOffset, None);
        }
    }
    Some(placed)
}

impl<'a> Placed<'a> {
    fn of_group(group: &'a GroupId, source: u32, kind: SeriesKind, rank: Partition) -> Self {
        Self {
            source,
            kind,
            group: Some(group),
            topic: None,
            partition: rank,
        }
    }

    /// Neighbours in the narrowed frame that measure the same.
    fn continues(&self, run: &SeriesRun) -> bool {
        let next = i64::from(run.first_partition) + i64::from(run.count);
        run.kind == self.kind
            && run.topic.as_ref() == self.topic
            && i64::from(self.partition) == next
    }

    fn run(&self, base: u32) -> SeriesRun {
        SeriesRun {
            base,
            count: 1,
            kind: self.kind,
            group: self.group.cloned(),
            topic: self.topic.cloned(),
            watch: None,
            first_partition: self.partition,
        }
    }
}
