//! The series of one topic, group or watch.

use std::collections::BTreeMap;

use super::Columns;
use crate::model::{Cell, Frame, Told, TopicName};

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
    pub(super) members: Columns,
    pub(super) state: Columns,
    pub(super) assignment: Columns,
    pub(super) oldest_age: Columns,
    pub(super) added: Columns,
    pub(super) done: Columns,
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

    /// Is it a queue's task, and no consumer group of Kafka's?
    pub fn is_task(&self) -> bool {
        !self.oldest_age.is_empty()
    }

    /// Column of [`SeriesKind::OldestAge`]; `None` if it is no queue's task.
    pub fn oldest_age(&self) -> Option<u32> {
        self.oldest_age.single()
    }

    /// Column of [`SeriesKind::Added`]; `None` if it is no queue's task.
    pub fn added(&self) -> Option<u32> {
        self.added.single()
    }

    /// Column of [`SeriesKind::Done`]; `None` if it is no queue's task.
    pub fn done(&self) -> Option<u32> {
        self.done.single()
    }

    /// All columns of the group.
    pub fn columns(&self) -> impl Iterator<Item = u32> + '_ {
        [
            &self.members,
            &self.state,
            &self.assignment,
            &self.assigned_partitions,
            &self.oldest_age,
            &self.added,
            &self.done,
        ]
        .into_iter()
        .chain(self.topics.values())
        .flat_map(Columns::iter)
    }
}

/// The series of one watch, of which KEDA was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToldSeries {
    pub(super) metric_value: Columns,
    pub(super) target: Columns,
    pub(super) active: Columns,
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
