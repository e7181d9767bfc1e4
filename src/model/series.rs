//! Which column of a [`Frame`] holds which series.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Cell, Commit, Frame, GroupId, GroupReading, GroupTopicReading, Membership, Partition,
    PartitionReading, Tick, Told, TopicName, TopicReading, TopicState, WatchName,
};

/// What a series measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeriesKind {
    /// Of a topic's partition: offset of the first record still there.
    LogStartOffset,
    /// Of a topic's partition: offset that the next record will get.
    LogEndOffset,
    /// Of a group in a topic's partition: offset of the next record to read.
    CommittedOffset,
    /// Of a group: how many members it has.
    Members,
    /// Of a group: [`GroupState::number`](super::GroupState::number).
    State,
    /// Of a group's members, the one with the most first: how many partitions
    /// it has. The member's rank stands for a partition.
    AssignedPartitions,
    /// Of a group: [`Assignment::fingerprint`](super::Assignment::fingerprint).
    Assignment,
    /// Of a topic: [`TopicReading::id`].
    TopicId,
    /// Of a watch: [`Told::metric_value`](super::Told::metric_value).
    MetricValue,
    /// Of a watch: [`Told::target`](super::Told::target).
    Target,
    /// Of a watch: [`Told::active`](super::Told::active).
    Active,
}

/// A run of neighbouring columns: the partitions of one thing, from
/// `first_partition` on. The catalogue's unit, on disk and in memory.
///
/// Groups and topics are named by the kind that needs them: `LogStartOffset`,
/// `LogEndOffset` and `TopicId` a topic, `CommittedOffset` both, the others a group.
/// What was told is of a watch, which has a name of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesRun {
    /// Column of the first partition.
    pub base: u32,
    /// How many columns.
    pub count: u32,
    /// What they measure.
    pub kind: SeriesKind,
    /// The group, if the kind has one.
    pub group: Option<GroupId>,
    /// The topic, if the kind has one.
    pub topic: Option<TopicName>,
    /// The watch, if the kind has one.
    pub watch: Option<Arc<WatchName>>,
    /// The partition in column `base`; 0 for kinds without partitions.
    pub first_partition: Partition,
}

/// Where the partitions of one thing stand in a frame: usually one run, one
/// more for each time that partitions were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// `(base, count)`; the runs' partitions follow each other from 0.
    runs: Vec<(u32, u32)>,
}

impl Columns {
    /// How many partitions have a column.
    pub fn len(&self) -> u32 {
        self.runs.iter().map(|(_, count)| count).sum()
    }

    /// No partition has a column.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Columns in the order of their partitions, from 0.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.runs
            .iter()
            .flat_map(|&(base, count)| base..base + count)
    }

    /// The column of `partition`.
    pub fn of(&self, partition: Partition) -> Option<u32> {
        let mut left = u32::try_from(partition).ok()?;
        for &(base, count) in &self.runs {
            if left < count {
                return Some(base + left);
            }
            left -= count;
        }
        None
    }

    /// Puts the cells of `values`, partition by partition, into their columns, and
    /// `beyond` into those of partitions that have none.
    fn place<T>(&self, values: &[T], cell: impl Fn(&T) -> Cell, beyond: Cell, cells: &mut [Cell]) {
        let mut values = values.iter();
        for &(base, count) in &self.runs {
            for place in &mut cells[base as usize..(base + count) as usize] {
                *place = values.next().map_or(beyond, &cell);
            }
        }
    }

    /// The column of what has no partitions.
    pub fn single(&self) -> Option<u32> {
        self.of(0)
    }
}

/// The series of one topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicSeries {
    /// [`SeriesKind::TopicId`]; a single column.
    pub id: Columns,
    /// [`SeriesKind::LogStartOffset`] by partition.
    pub log_start: Columns,
    /// [`SeriesKind::LogEndOffset`] by partition.
    pub log_end: Columns,
}

/// The series of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupSeries {
    members: Columns,
    state: Columns,
    assignment: Columns,
    /// [`SeriesKind::AssignedPartitions`] by rank of the member.
    pub assigned_partitions: Columns,
    /// [`SeriesKind::CommittedOffset`] by topic and partition.
    pub topics: BTreeMap<TopicName, Columns>,
}

impl GroupSeries {
    /// Column of [`SeriesKind::Members`]; `None` if it was never read.
    pub fn members(&self) -> Option<u32> {
        self.members.single()
    }

    /// Column of [`SeriesKind::State`]; `None` if it was never read.
    pub fn state(&self) -> Option<u32> {
        self.state.single()
    }

    /// Column of [`SeriesKind::Assignment`]; `None` if it was never read.
    pub fn assignment(&self) -> Option<u32> {
        self.assignment.single()
    }

    /// All columns of the group.
    pub fn columns(&self) -> impl Iterator<Item = u32> + '_ {
        [
            &self.members,
            &self.state,
            &self.assignment,
            &self.assigned_partitions,
        ]
        .into_iter()
        .chain(self.topics.values())
        .flat_map(Columns::iter)
    }
}

/// The series of one watch, of which KEDA was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToldSeries {
    metric_value: Columns,
    target: Columns,
    active: Columns,
}

impl ToldSeries {
    /// What `frame` says of the watch.
    pub fn told(&self, frame: &Frame) -> Told {
        let cell = |columns: &Columns| frame.optional_cell(columns.single());
        Told {
            metric_value: cell(&self.metric_value),
            target: cell(&self.target),
            active: cell(&self.active),
        }
    }

    /// Where each part of `told` stands in a frame.
    pub fn place(&self, told: Told) -> impl Iterator<Item = (u32, Cell)> {
        let cells = [
            (&self.metric_value, told.metric_value),
            (&self.target, told.target),
            (&self.active, told.active),
        ];
        cells
            .into_iter()
            .filter_map(|(columns, cell)| Some((columns.single()?, cell)))
    }
}

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
        let mut missing = MissingRuns {
            width: self.width,
            runs: Vec::new(),
        };
        for (reading, known) in found(&self.topics, &tick.topics, |reading| &reading.topic) {
            missing.of_topic(reading, known);
        }
        for (reading, known) in found(&self.groups, &tick.groups, |reading| &reading.group) {
            missing.of_group(reading, known);
        }
        missing.runs
    }

    /// The runs that these watches need and the index lacks, as
    /// [`missing_runs`](Self::missing_runs) has them for ticks.
    pub fn missing_runs_of<'a>(
        &self,
        watches: impl IntoIterator<Item = &'a Arc<WatchName>>,
    ) -> Vec<SeriesRun> {
        let mut missing = MissingRuns {
            width: self.width,
            runs: Vec::new(),
        };
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
        self.place_known(tick).0
    }

    /// The tick as a frame, if there are no [missing runs](Self::missing_runs):
    /// most ticks bring no series that is new, and are walked through only once.
    pub fn place_whole(&self, tick: &Tick) -> Option<Frame> {
        let (frame, is_whole) = self.place_known(tick);
        is_whole.then_some(frame)
    }

    /// The readings that have a column, and whether all have.
    fn place_known(&self, tick: &Tick) -> (Frame, bool) {
        let mut cells = vec![Cell::ABSENT; self.width as usize];
        let mut is_whole = true;
        for (reading, series) in found(&self.topics, &tick.topics, |reading| &reading.topic) {
            match series {
                Some(series) => {
                    is_whole &= has_columns_of_topic(reading, series);
                    place_topic(reading, series, &mut cells);
                }
                None => is_whole &= reading.state == TopicState::Missing,
            }
        }
        for (reading, series) in found(&self.groups, &tick.groups, |reading| &reading.group) {
            match series {
                Some(series) => {
                    is_whole &= has_columns_of_group(reading, series);
                    place_group(reading, series, &mut cells);
                }
                None => is_whole = false,
            }
        }
        (Frame::new(tick.at, cells), is_whole)
    }
}

fn has_columns_of_topic(reading: &TopicReading, series: &TopicSeries) -> bool {
    let TopicState::Present(partitions) = &reading.state else {
        return true;
    };
    (reading.id.is_none() || !series.id.is_empty())
        && series.log_start.len() as usize >= partitions.len()
        && series.log_end.len() as usize >= partitions.len()
}

fn has_columns_of_group(reading: &GroupReading, series: &GroupSeries) -> bool {
    let membership = reading.membership.as_ref();
    let members = membership.and_then(|membership| membership.members.as_ref());
    let assignment = members.and_then(|members| members.assignment.as_ref());
    let has_commits = |topic: &GroupTopicReading| {
        let columns = series.topics.get(&topic.topic);
        columns.map_or(0, Columns::len) as usize >= topic.commits.len()
    };
    (membership.is_none() || !series.state.is_empty())
        && (members.is_none() || !series.members.is_empty())
        && assignment.is_none_or(|assignment| {
            let by_member = assignment.partitions_by_member.len();
            !series.assignment.is_empty() && series.assigned_partitions.len() as usize >= by_member
        })
        && reading.topics.iter().all(has_commits)
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

struct MissingRuns {
    width: u32,
    runs: Vec<SeriesRun>,
}

impl MissingRuns {
    fn of_topic(&mut self, reading: &TopicReading, known: Option<&TopicSeries>) {
        let TopicState::Present(partitions) = &reading.state else {
            return;
        };
        if reading.id.is_some() {
            let id = known.map(|topic| &topic.id);
            self.extend(id, 1, SeriesKind::TopicId, None, Some(&reading.topic));
        }
        for (kind, columns) in [
            (
                SeriesKind::LogStartOffset,
                known.map(|topic| &topic.log_start),
            ),
            (SeriesKind::LogEndOffset, known.map(|topic| &topic.log_end)),
        ] {
            self.extend(columns, partitions.len(), kind, None, Some(&reading.topic));
        }
    }

    fn of_group(&mut self, reading: &GroupReading, known: Option<&GroupSeries>) {
        let group = Some(&reading.group);
        if let Some(membership) = &reading.membership {
            let mut extend = |columns: fn(&GroupSeries) -> &Columns, needed, kind| {
                self.extend(known.map(columns), needed, kind, group, None);
            };
            extend(|group| &group.state, 1, SeriesKind::State);
            if let Some(members) = &membership.members {
                extend(|group| &group.members, 1, SeriesKind::Members);
                let assigned = members.assignment.as_ref();
                if let Some(assignment) = assigned {
                    let by_member = assignment.partitions_by_member.len();
                    extend(|group| &group.assignment, 1, SeriesKind::Assignment);
                    extend(
                        |group| &group.assigned_partitions,
                        by_member,
                        SeriesKind::AssignedPartitions,
                    );
                }
            }
        }
        for topic in &reading.topics {
            let columns = known.and_then(|group| group.topics.get(&topic.topic));
            let kind = SeriesKind::CommittedOffset;
            self.extend(
                columns,
                topic.commits.len(),
                kind,
                group,
                Some(&topic.topic),
            );
        }
    }

    fn extend(
        &mut self,
        known: Option<&Columns>,
        needed: usize,
        kind: SeriesKind,
        group: Option<&GroupId>,
        topic: Option<&TopicName>,
    ) {
        let first = known.map_or(0, Columns::len);
        // `restore` refuses what would overflow a column's number.
        let count = u32::try_from(needed)
            .unwrap_or(u32::MAX)
            .saturating_sub(first);
        if count == 0 {
            return;
        }
        self.runs.push(SeriesRun {
            base: self.width,
            count,
            kind,
            group: group.cloned(),
            topic: topic.cloned(),
            watch: None,
            first_partition: Partition::try_from(first).unwrap_or(Partition::MAX),
        });
        self.width = self.width.saturating_add(count);
    }

    fn extend_told(&mut self, known: Option<&Columns>, kind: SeriesKind, watch: &Arc<WatchName>) {
        if known.is_some_and(|columns| !columns.is_empty()) {
            return;
        }
        self.runs.push(SeriesRun {
            base: self.width,
            count: 1,
            kind,
            group: None,
            topic: None,
            watch: Some(Arc::clone(watch)),
            first_partition: 0,
        });
        self.width = self.width.saturating_add(1);
    }
}

fn place_topic(reading: &TopicReading, series: &TopicSeries, cells: &mut [Cell]) {
    if let Some(column) = series.id.single() {
        cells[column as usize] = reading.id.into();
    }
    match &reading.state {
        TopicState::Present(partitions) => {
            place_log(&series.log_start, partitions, |p| p.log_start_offset, cells);
            place_log(&series.log_end, partitions, |p| p.log_end_offset, cells);
        }
        TopicState::Missing => {
            for column in series.log_start.iter().chain(series.log_end.iter()) {
                cells[column as usize] = Cell::GONE;
            }
        }
    }
}

/// Partitions beyond the topic's last are of one that was deleted and made
/// again, smaller: a topic never loses partitions otherwise.
fn place_log(
    columns: &Columns,
    partitions: &[PartitionReading],
    offset: impl Fn(&PartitionReading) -> Option<i64>,
    cells: &mut [Cell],
) {
    columns.place(partitions, |read| offset(read).into(), Cell::GONE, cells);
}

fn place_group(reading: &GroupReading, series: &GroupSeries, cells: &mut [Cell]) {
    if let Some(membership) = &reading.membership {
        place_membership(membership, series, cells);
    }
    for (topic, columns) in &series.topics {
        // Both sides are sorted by topic, but a group rarely has more than a few.
        let found = reading
            .topics
            .binary_search_by(|reading| reading.topic.cmp(topic))
            .ok();
        match found.map(|index| &reading.topics[index].commits) {
            Some(commits) => {
                columns.place(commits, |commit| (*commit).into(), Cell::ABSENT, cells);
            }
            // The group was read whole, and this topic is not among its own.
            None => {
                columns.place::<Commit>(&[], |commit| (*commit).into(), Cell::GONE, cells);
            }
        }
    }
}

fn place_membership(membership: &Membership, series: &GroupSeries, cells: &mut [Cell]) {
    let mut place = |column: Option<u32>, value: i64| {
        if let Some(column) = column {
            cells[column as usize] = Cell::of(value);
        }
    };
    place(series.state(), membership.state.number());
    let Some(members) = &membership.members else {
        return;
    };
    place(series.members(), i64::from(members.count));
    let Some(assignment) = &members.assignment else {
        return;
    };
    place(series.assignment(), assignment.fingerprint);
    let assigned = assignment.partitions_by_member.iter();
    let assigned = assigned.map(|partitions| Cell::of(i64::from(*partitions)));
    let left = std::iter::repeat(Cell::GONE);
    for (column, cell) in series.assigned_partitions.iter().zip(assigned.chain(left)) {
        cells[column as usize] = cell;
    }
}

impl From<Commit> for Cell {
    fn from(commit: Commit) -> Self {
        match commit {
            Commit::At(offset) => Cell::of(offset),
            Commit::None => Cell::NO_COMMIT,
            Commit::Unread => Cell::ABSENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Assignment, GroupState, GroupTopicReading, Members, PartitionReading, TimestampMs,
    };

    fn topic(name: &str, ends: &[i64]) -> TopicReading {
        let partitions = ends.iter().map(|&end| PartitionReading {
            log_start_offset: Some(0),
            log_end_offset: Some(end),
        });
        TopicReading {
            topic: name.into(),
            id: None,
            state: TopicState::Present(partitions.collect()),
        }
    }

    fn membership(partitions_by_member: &[u32]) -> Membership {
        Membership {
            state: GroupState::Stable,
            members: Some(Members {
                count: u32::try_from(partitions_by_member.len()).expect("few"),
                assignment: Some(Assignment {
                    partitions_by_member: partitions_by_member.into(),
                    fingerprint: 42,
                }),
            }),
        }
    }

    fn group(name: &str, topics: &[(&str, &[Commit])]) -> GroupReading {
        GroupReading {
            group: name.into(),
            membership: Some(membership(&[2, 1, 0])),
            topics: topics
                .iter()
                .map(|(topic, commits)| GroupTopicReading {
                    topic: (*topic).into(),
                    commits: commits.to_vec(),
                })
                .collect(),
        }
    }

    fn tick(topics: Vec<TopicReading>, groups: Vec<GroupReading>) -> Tick {
        Tick {
            cluster: "c".into(),
            at: TimestampMs(1),
            topics,
            groups,
            gaps: Vec::new(),
        }
    }

    fn take_in(index: &mut SeriesIndex, tick: &Tick) -> Frame {
        for run in index.missing_runs(tick) {
            index.restore(&run).expect("a run just made fits");
        }
        index.place(tick)
    }

    #[test]
    fn readings_are_found_again_by_name() {
        let mut index = SeriesIndex::default();
        let tick = tick(
            vec![topic("t", &[10, 20])],
            vec![group("g", &[("t", &[Commit::At(4), Commit::None])])],
        );
        let frame = take_in(&mut index, &tick);

        let ends = &index.topics()["t"].log_end;
        assert_eq!(frame.cell(ends.of(1).expect("column")).value(), Some(20));
        let series = &index.groups()["g"];
        let commits = &series.topics["t"];
        assert_eq!(frame.cell(commits.of(0).expect("column")).value(), Some(4));
        assert_eq!(frame.cell(commits.of(1).expect("column")), Cell::NO_COMMIT);
        let members = series.members().expect("column");
        assert_eq!(frame.cell(members).value(), Some(3));
        assert_eq!(commits.of(2), None);
        assert_eq!(commits.of(-1), None);
    }

    #[test]
    fn added_partitions_get_columns_behind_the_old_ones() {
        let mut index = SeriesIndex::default();
        take_in(&mut index, &tick(vec![topic("t", &[1])], vec![]));
        let width = index.width();
        let grown = tick(vec![topic("t", &[2, 3, 4])], vec![]);
        let frame = take_in(&mut index, &grown);
        assert_eq!(index.width(), width + 4);
        let ends: Vec<_> = index.topics()["t"]
            .log_end
            .iter()
            .map(|column| frame.cell(column).value())
            .collect();
        assert_eq!(ends, [Some(2), Some(3), Some(4)]);
        assert!(index.missing_runs(&grown).is_empty());
    }

    #[test]
    fn partitions_of_a_topic_made_again_smaller_are_gone() {
        let mut index = SeriesIndex::default();
        take_in(&mut index, &tick(vec![topic("t", &[5, 6])], vec![]));
        let frame = index.place(&tick(vec![topic("t", &[1])], vec![]));
        let ends = &index.topics()["t"].log_end;
        assert_eq!(frame.cell(ends.of(0).expect("column")).value(), Some(1));
        assert_eq!(frame.cell(ends.of(1).expect("column")), Cell::GONE);
    }

    #[test]
    fn what_was_left_is_gone_and_what_was_not_read_is_absent() {
        let mut index = SeriesIndex::default();
        let commits: &[Commit] = &[Commit::At(1)];
        take_in(
            &mut index,
            &tick(
                vec![topic("a", &[5]), topic("b", &[5])],
                vec![
                    group("g", &[("a", commits), ("b", commits)]),
                    group("h", &[("a", commits)]),
                ],
            ),
        );
        let deleted = TopicReading {
            topic: "b".into(),
            id: None,
            state: TopicState::Missing,
        };
        let frame = index.place(&tick(vec![deleted], vec![group("g", &[("a", commits)])]));

        let cell = |columns: &Columns| frame.cell(columns.of(0).expect("column"));
        assert_eq!(cell(&index.topics()["b"].log_end), Cell::GONE);
        assert_eq!(cell(&index.groups()["g"].topics["b"]), Cell::GONE);
        assert_eq!(cell(&index.topics()["a"].log_end), Cell::ABSENT);
        assert_eq!(cell(&index.groups()["h"].topics["a"]), Cell::ABSENT);
    }

    #[test]
    fn members_are_found_again_by_rank_and_go_again() {
        let mut index = SeriesIndex::default();
        let mut reading = group("g", &[]);
        let frame = take_in(&mut index, &tick(vec![], vec![reading.clone()]));
        let cells = |index: &SeriesIndex, frame: &Frame| {
            let series = &index.groups()["g"];
            let columns = series.assigned_partitions.iter();
            columns.map(|column| frame.cell(column)).collect::<Vec<_>>()
        };
        assert_eq!(cells(&index, &frame), [2, 1, 0].map(Cell::of));
        let fingerprint = frame.optional_cell(index.groups()["g"].assignment());
        assert_eq!(fingerprint, Cell::of(42));

        reading.membership = Some(membership(&[2, 1, 1, 1]));
        let frame = take_in(&mut index, &tick(vec![], vec![reading.clone()]));
        assert_eq!(cells(&index, &frame), [2, 1, 1, 1].map(Cell::of));
        reading.membership = Some(membership(&[5]));
        let frame = take_in(&mut index, &tick(vec![], vec![reading.clone()]));
        let gone = Cell::GONE;
        assert_eq!(cells(&index, &frame), [Cell::of(5), gone, gone, gone]);

        // While partitions are dealt out, nobody knows who has which.
        let members = reading
            .membership
            .as_mut()
            .and_then(|it| it.members.as_mut());
        members.expect("members").assignment = None;
        let frame = take_in(&mut index, &tick(vec![], vec![reading]));
        assert_eq!(cells(&index, &frame), [Cell::ABSENT; 4]);
    }

    #[test]
    fn what_was_told_is_found_by_its_watch() {
        let watch = |key: &str| {
            Arc::new(WatchName {
                cluster: "c".into(),
                group: Some("g".into()),
                topic: None,
                metric_name: "m".into(),
                key: key.into(),
            })
        };
        let (one, other) = (watch("one"), watch("other"));
        let mut index = SeriesIndex::default();
        let runs = index.missing_runs_of([&one, &other, &one]);
        assert_eq!(runs.len(), 6, "three series for each");
        for run in &runs {
            index.restore(run).expect("a run just made fits");
        }
        assert_eq!(index.missing_runs_of([&other]), []);

        let told = Told {
            metric_value: Cell::of(1),
            ..Told::NOTHING
        };
        let mut cells = vec![Cell::ABSENT; index.width() as usize];
        for (column, cell) in index.watches()[&other].place(told) {
            cells[column as usize] = cell;
        }
        let frame = Frame::new(TimestampMs(1), cells);
        assert_eq!(index.watches()[&other].told(&frame), told);
        assert_eq!(index.watches()[&one].told(&frame), Told::NOTHING);

        let nameless = SeriesRun {
            watch: None,
            base: index.width(),
            ..runs[0].clone()
        };
        assert!(index.restore(&nameless).is_err());
    }

    #[test]
    fn a_run_that_does_not_fit_is_refused() {
        let run = |base, kind, first_partition| SeriesRun {
            base,
            count: 1,
            kind,
            group: None,
            topic: Some("t".into()),
            watch: None,
            first_partition,
        };
        let mut index = SeriesIndex::default();
        assert!(index.restore(&run(1, SeriesKind::LogEndOffset, 0)).is_err());
        assert!(index.restore(&run(0, SeriesKind::LogEndOffset, 1)).is_err());
        assert!(
            index
                .restore(&run(0, SeriesKind::CommittedOffset, 0))
                .is_err()
        );
        assert!(index.restore(&run(0, SeriesKind::LogEndOffset, 0)).is_ok());
        assert!(index.restore(&run(0, SeriesKind::LogEndOffset, 1)).is_err());
    }
}
