//! Ticks as rows, one for each partition of a group in a topic.

use std::{io::Write, iter::Peekable, sync::Arc, time::Duration};

use super::{Indexed, Request, is_wanted};
use crate::{
    model::{
        Cell, ClusterName, Columns, Frame, GroupId, GroupSeries, SeriesIndex, TimestampMs,
        TopicName, lag_records,
    },
    store::{Frames, Level, ReadError, Selection, Store},
};

/// The log start is read every few minutes only: so long before the first row
/// one is looked for.
const LOOK_BACK: Duration = Duration::from_secs(15 * 60);

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
    pub(super) reading: Reading,
    pub(super) members: Option<i64>,
}

/// What is known of one partition at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) committed: Cell,
    /// The newest one up to then.
    pub(super) log_start: Cell,
    pub(super) log_end: Cell,
}

impl Reading {
    /// Records that the group has yet to read. At the log's end there are none,
    /// wherever the log begins.
    pub(super) fn lag(self) -> Option<u64> {
        let (committed, end) = (self.committed.value()?, self.log_end.value()?);
        match self.log_start.value() {
            Some(start) => Some(lag_records(committed, start, end)),
            None => (committed >= end).then_some(0),
        }
    }

    /// Is it known not to exist?
    pub(super) fn is_gone(self) -> bool {
        self.committed == Cell::GONE || self.log_end == Cell::GONE
    }

    /// Is it known that there is nothing to count from?
    pub(super) fn has_no_commit(self) -> bool {
        self.committed == Cell::NO_COMMIT && self.log_end != Cell::ABSENT
    }

    fn is_unread(self) -> bool {
        self.committed == Cell::ABSENT && self.log_end == Cell::ABSENT
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
                    if reading.is_gone() || reading.is_unread() {
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
                    };
                    format.row(&row, out)?;
                }
            }
        }
    }
    Ok(())
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
        Self::new(series.and_then(|series| series.members()), partitions)
    }

    /// All topics of a group, one after the other.
    pub(super) fn of_group(index: &SeriesIndex, group: &GroupId) -> Self {
        let series = index.groups().get(group);
        let topics = series.into_iter().flat_map(|series| series.topics.keys());
        let partitions = topics.flat_map(|topic| Self::of(index, group, topic).partitions);
        Self::new(None, partitions.collect())
    }

    /// A topic's logs, without any group.
    pub(super) fn of_logs(index: &SeriesIndex, topic: &TopicName) -> Self {
        let logs = index.topics().get(topic);
        let count = logs.map(|logs| logs.log_end.len().max(logs.log_start.len()));
        let count = count.and_then(|count| i32::try_from(count).ok());
        let of = |partition| {
            let start = logs.and_then(|logs| logs.log_start.of(partition));
            let end = logs.and_then(|logs| logs.log_end.of(partition));
            [None, start, end]
        };
        Self::new(None, (0..count.unwrap_or_default()).map(of).collect())
    }

    fn new(members: Option<u32>, partitions: Vec<[Option<u32>; 3]>) -> Self {
        let columns = partitions.iter().flatten().copied();
        let mut wanted: Vec<u32> = columns.chain([members]).flatten().collect();
        wanted.sort_unstable();
        wanted.dedup();
        Self {
            wanted: wanted.into(),
            members,
            partitions,
        }
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// The partitions from `first` on, `count` at most.
    pub(super) fn part(&self, first: usize, count: usize) -> Self {
        let end = self.partitions.len().min(first + count);
        Self::new(None, self.partitions[first..end].to_vec())
    }

    /// What was read of them, in the order of time.
    pub(super) fn steps(
        &self,
        store: &Store,
        cluster: &ClusterName,
        request: &Request,
    ) -> Result<Steps<'_>, ReadError> {
        let frames = store.frames_of(
            cluster,
            Selection::Columns(Arc::clone(&self.wanted)),
            request.level,
            request.from.minus(LOOK_BACK),
            request.to,
        )?;
        Ok(Steps {
            columns: self,
            frames: frames.peekable(),
            from: request.from,
            level: request.level,
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
    pub(super) readings: Vec<Reading>,
    pub(super) members: Option<i64>,
}

/// See [`GroupTopic::steps`].
pub(super) struct Steps<'a> {
    columns: &'a GroupTopic,
    frames: Peekable<Frames>,
    from: TimestampMs,
    level: Level,
    newest_starts: Vec<Cell>,
}

impl Steps<'_> {
    /// The next frame; where finer ticks stand in for those of a coarser level,
    /// the newest readings of a whole minute or hour.
    fn next_frame(&mut self) -> Option<Result<Frame, ReadError>> {
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

    fn step(&mut self, frame: &Frame) -> Step {
        let columns = self.columns;
        let partitions = columns.partitions.iter().zip(&mut self.newest_starts);
        let readings = partitions.map(|(&[commit, start, end], newest_start)| {
            let is_to_come = commit.is_some_and(|commit| columns.is_to_come(frame, commit));
            let start = columns.cell(frame, start);
            if start != Cell::ABSENT {
                *newest_start = start;
            }
            Reading {
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
            let frame = match self.next_frame()? {
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
