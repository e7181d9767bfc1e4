//! Columns that a tick needs and the catalogue lacks.

use std::sync::Arc;

use super::{Columns, GroupSeries, SeriesKind, SeriesRun, TopicSeries};
use crate::model::{
    GroupId, GroupReading, Partition, TopicName, TopicReading, TopicState, WatchName,
};

/// Runs in the making, one behind the other.
pub(super) struct MissingRuns {
    width: u32,
    pub(super) runs: Vec<SeriesRun>,
}

impl MissingRuns {
    /// None yet; the first will begin at column `width`.
    pub(super) fn after(width: u32) -> Self {
        Self {
            width,
            runs: Vec::new(),
        }
    }

    pub(super) fn of_topic(&mut self, reading: &TopicReading, known: Option<&TopicSeries>) {
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

    pub(super) fn of_group(&mut self, reading: &GroupReading, known: Option<&GroupSeries>) {
        let group = Some(&reading.group);
        let mut extend = |columns: fn(&GroupSeries) -> &Columns, needed, kind| {
            self.extend(known.map(columns), needed, kind, group, None);
        };
        // All three, whatever the queue tells: they mark a task.
        if reading.queue.is_some() {
            extend(|group| &group.oldest_age, 1, SeriesKind::OldestAge);
            extend(|group| &group.added, 1, SeriesKind::Added);
            extend(|group| &group.done, 1, SeriesKind::Done);
        }
        if let Some(membership) = &reading.membership {
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

    pub(super) fn extend_told(
        &mut self,
        known: Option<&Columns>,
        kind: SeriesKind,
        watch: &Arc<WatchName>,
    ) {
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
