//! From readings to cells.

use super::{Columns, GroupSeries, TopicSeries};
use crate::model::{
    Cell, Commit, GroupReading, Membership, PartitionReading, QueueReading, TopicReading,
    TopicState,
};

pub(super) fn place_topic(reading: &TopicReading, series: &TopicSeries, cells: &mut [Cell]) {
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

pub(super) fn place_group(reading: &GroupReading, series: &GroupSeries, cells: &mut [Cell]) {
    if let Some(membership) = &reading.membership {
        place_membership(membership, series, cells);
    }
    if let Some(queue) = &reading.queue {
        place_queue(queue, series, cells);
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

fn place_queue(reading: &QueueReading, series: &GroupSeries, cells: &mut [Cell]) {
    for (column, value) in [
        (series.oldest_age(), reading.oldest_age_ms),
        (series.added(), reading.added),
        (series.done(), reading.done),
    ] {
        if let Some(column) = column {
            cells[column as usize] = value.into();
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
