//! Ticks as rows, one for each partition of a group in a topic.

use std::{io::Write, iter::Peekable, sync::Arc};

use super::{Indexed, Request, is_wanted};
use crate::{
    http::recorded::{Known, Offsets},
    model::{
        Cell, ClusterName, Columns, Frame, GroupId, GroupSeries, SeriesIndex, TimestampMs,
        TopicName,
    },
    store::{Frames, Level, ReadError, Selection, Store},
};

/// How rows are written.
pub(super) trait RowFormat {
    /// What comes first.
    fn begin(&mut self, out: &mut impl Write) -> std::io::Result<()>;

    /// One row.
    fn row(&mut self, row: &Row<'_>, out: &mut impl Write) -> std::io::Result<()>;
}

/// One partition of a group in a topic at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row<'a> {
    pub(super) time: TimestampMs,
    pub(super) cluster: &'a str,
    pub(super) group: &'a str,
    pub(super) topic: &'a str,
    pub(super) partition: u32,
    pub(super) reading: Known,
    pub(super) members: Option<i64>,
    pub(super) task: Option<TaskReading>,
}

/// What a queue says of a task in one tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TaskReading {
    pub(super) oldest_age_seconds: Option<f64>,
    pub(super) added: Option<i64>,
    pub(super) done: Option<i64>,
}

impl Row<'_> {
    /// The lag of a queue's task.
    pub(super) fn depth(&self) -> Option<u64> {
        self.task.and(self.reading.lag())
    }
}

/// Writes all rows, by group and topic, in the order of time.
pub(super) fn write(
    store: &Store,
    clusters: &Indexed,
    request: &Request,
    format: &mut impl RowFormat,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    format.begin(out)?;
    for (cluster, index) in clusters {
        for (group, topic) in group_topics(index, request) {
            let columns = GroupTopic::of(index, group, topic);
            for step in columns.steps(store, cluster, request)? {
                let step = step?;
                for (partition, reading) in (0..).zip(&step.readings) {
                    if reading.is_gone() || is_unread(*reading) {
                        continue;
                    }
                    let row = Row {
                        time: step.at,
                        cluster: cluster.as_str(),
                        group: group.as_str(),
                        topic: topic.as_str(),
                        partition,
                        reading: *reading,
                        members: step.members,
                        task: step.task,
                    };
                    format.row(&row, out)?;
                }
            }
        }
    }
    Ok(())
}

fn is_unread(reading: Known) -> bool {
    reading.committed == Cell::ABSENT && reading.log_end == Cell::ABSENT
}

/// Which group has been seen in which topic, as far as it is asked for.
pub(super) fn group_topics<'a>(
    index: &'a SeriesIndex,
    request: &'a Request,
) -> impl Iterator<Item = (&'a GroupId, &'a TopicName)> {
    groups(index, request).flat_map(|(group, series)| {
        let topics = series.topics.keys();
        topics
            .filter(|name| is_wanted(request.topic.as_deref(), name.as_str()))
            .map(move |topic| (group, topic))
    })
}

/// The groups that are asked for.
pub(super) fn groups<'a>(
    index: &'a SeriesIndex,
    request: &'a Request,
) -> impl Iterator<Item = (&'a GroupId, &'a GroupSeries)> {
    let groups = index.groups().iter();
    groups.filter(|(name, _)| is_wanted(request.group.as_deref(), name.as_str()))
}

/// The columns of one group in one topic, or of some of its partitions.
#[derive(Debug, Clone)]
pub(super) struct GroupTopic {
    /// All of them, ascending.
    wanted: Arc<[u32]>,
    members: Option<u32>,
    /// Of a queue's task: of its age and its counters.
    task: Option<[Option<u32>; 3]>,
    /// By partition: of the commit, the log's start and its end.
    partitions: Vec<[Option<u32>; 3]>,
}

impl GroupTopic {
    pub(super) fn of(index: &SeriesIndex, group: &GroupId, topic: &TopicName) -> Self {
        let none = Columns::default();
        let series = index.groups().get(group);
        let commits = series.and_then(|series| series.topics.get(topic));
        let logs = index.topics().get(topic);
        let commits = commits.unwrap_or(&none);
        let (starts, ends) = logs.map_or((&none, &none), |logs| (&logs.log_start, &logs.log_end));
        let of = |partition| {
            [
                commits.of(partition),
                starts.of(partition),
                ends.of(partition),
            ]
        };
        let count = i32::try_from(commits.len()).unwrap_or(i32::MAX);
        let partitions = (0..count).map(of).collect();
        let task = series.filter(|series| series.is_task());
        Self::new(
            series.and_then(|series| series.members()),
            task.map(|task| [task.oldest_age(), task.added(), task.done()]),
            partitions,
        )
    }

    fn new(
        members: Option<u32>,
        task: Option<[Option<u32>; 3]>,
        partitions: Vec<[Option<u32>; 3]>,
    ) -> Self {
        let columns = partitions.iter().chain(&task).flatten().copied();
        let mut wanted: Vec<u32> = columns.chain([members]).flatten().collect();
        wanted.sort_unstable();
        wanted.dedup();
        Self {
            wanted: wanted.into(),
            members,
            task,
            partitions,
        }
    }

    /// What was read of them, in the order of time.
    pub(super) fn steps(
        &self,
        store: &Store,
        cluster: &ClusterName,
        request: &Request,
    ) -> Result<Steps<'_>, ReadError> {
        let selection = Selection::Columns(Arc::clone(&self.wanted));
        Ok(Steps {
            columns: self,
            ticks: Ticks::open(store, cluster, request, selection)?,
            from: request.from,
            newest_starts: vec![Cell::ABSENT; self.partitions.len()],
        })
    }

    /// Did the tick not have the series yet? It is not unknown then.
    fn is_to_come(&self, frame: &Frame, column: u32) -> bool {
        let place = self.wanted.binary_search(&column);
        place.is_ok_and(|place| place >= frame.cells().len())
    }

    fn cell(&self, frame: &Frame, column: Option<u32>) -> Cell {
        let place = column.and_then(|column| self.wanted.binary_search(&column).ok());
        place.map_or(Cell::ABSENT, |place| frame.cell(place as u32))
    }
}

/// All partitions at one time.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) at: TimestampMs,
    pub(super) readings: Vec<Known>,
    pub(super) members: Option<i64>,
    pub(super) task: Option<TaskReading>,
}

/// Frames of the level that is asked for, from some time before the range on.
pub(super) struct Ticks {
    frames: Peekable<Frames>,
    level: Level,
}

impl Ticks {
    pub(super) fn open(
        store: &Store,
        cluster: &ClusterName,
        request: &Request,
        selection: Selection,
    ) -> Result<Self, ReadError> {
        let since = request.from.minus(Offsets::LOOK_BACK);
        let frames = store.frames_of(cluster, selection, request.level, since, request.to)?;
        Ok(Self {
            frames: frames.peekable(),
            level: request.level,
        })
    }
}

impl Iterator for Ticks {
    type Item = Result<Frame, ReadError>;

    /// Where finer ticks stand in for those of a coarser level, the newest readings
    /// of a whole minute or hour.
    fn next(&mut self) -> Option<Self::Item> {
        let mut frame = match self.frames.next()? {
            Ok(frame) => frame,
            Err(error) => return Some(Err(error)),
        };
        let resolution = self.level.resolution_ms();
        if resolution == 0 {
            return Some(Ok(frame));
        }
        let bucket = |frame: &Frame| frame.at.0.div_euclid(resolution);
        let of = bucket(&frame);
        let is_same = |next: &Result<Frame, _>| next.as_ref().is_ok_and(|next| bucket(next) == of);
        while let Some(Ok(next)) = self.frames.next_if(is_same) {
            frame = newest_of(&frame, &next);
        }
        Some(Ok(frame))
    }
}

/// See [`GroupTopic::steps`].
pub(super) struct Steps<'a> {
    columns: &'a GroupTopic,
    ticks: Ticks,
    from: TimestampMs,
    newest_starts: Vec<Cell>,
}

impl Steps<'_> {
    fn step(&mut self, frame: &Frame) -> Step {
        let columns = self.columns;
        let partitions = columns.partitions.iter().zip(&mut self.newest_starts);
        let readings = partitions.map(|(&[commit, start, end], newest_start)| {
            let is_to_come = commit.is_some_and(|commit| columns.is_to_come(frame, commit));
            let start = columns.cell(frame, start);
            if start != Cell::ABSENT {
                *newest_start = start;
            }
            Known {
                committed: match is_to_come {
                    true => Cell::GONE,
                    false => columns.cell(frame, commit),
                },
                log_start: *newest_start,
                log_end: columns.cell(frame, end),
            }
        });
        Step {
            at: frame.at,
            readings: readings.collect(),
            members: columns.cell(frame, columns.members).value(),
            task: columns.task.map(|task| {
                let [age_ms, added, done] = task.map(|column| columns.cell(frame, column).value());
                TaskReading {
                    oldest_age_seconds: age_ms.map(|ms| ms.max(0) as f64 / 1000.0),
                    added,
                    done,
                }
            }),
        }
    }
}

fn newest_of(earlier: &Frame, later: &Frame) -> Frame {
    let newest = |(column, cell): (u32, &Cell)| match *cell {
        Cell::ABSENT => earlier.cell(column),
        cell => cell,
    };
    Frame::new(later.at, (0..).zip(later.cells()).map(newest).collect())
}

impl Iterator for Steps<'_> {
    type Item = Result<Step, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let frame = match self.ticks.next()? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(error)),
            };
            let step = self.step(&frame);
            if step.at >= self.from {
                return Some(Ok(step));
            }
        }
    }
}
