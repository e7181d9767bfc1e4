//! Which columns belong together: a commit and the log that it is in.

use std::ops::Range;

use super::block::Links;
use crate::{
    model::{Columns, SeriesIndex},
    store::lags::OffsetColumns,
};

/// A group's commits in one topic.
pub(in crate::store) struct GroupTopic {
    pub(in crate::store) commits: Columns,
}

impl GroupTopic {
    /// The column that its totals are kept under: the first, which never changes.
    pub(in crate::store) fn column(&self) -> u32 {
        self.commits
            .single()
            .expect("a group's topic has a partition")
    }

    /// The columns from the first to the last, if there are no others between.
    pub(in crate::store) fn contiguous(&self) -> Option<Range<u32>> {
        let columns = self.column()..self.column() + self.commits.len();
        let is_contiguous = columns.clone().eq(self.commits.iter());
        is_contiguous.then_some(columns)
    }
}

/// All groups' topics in the order of their columns.
pub(in crate::store) fn group_topics(index: &SeriesIndex) -> Vec<GroupTopic> {
    let topics = index
        .groups()
        .values()
        .flat_map(|group| group.topics.values());
    let commits = topics.filter(|commits| !commits.is_empty()).cloned();
    let mut group_topics: Vec<_> = commits.map(|commits| GroupTopic { commits }).collect();
    group_topics.sort_by_key(GroupTopic::column);
    group_topics
}

/// By column; no links for columns that are none of commits.
pub(in crate::store) fn links_by_column(index: &SeriesIndex) -> Vec<Links> {
    let mut links = vec![Links::default(); index.width() as usize];
    for group in index.groups().values() {
        for (topic, commits) in &group.topics {
            for partition in OffsetColumns::of_topic(index, topic, commits) {
                links[partition.committed as usize] = partition.links();
            }
        }
    }
    links
}
