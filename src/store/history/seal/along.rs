//! Totals that are added up while their columns go by.

use std::{collections::VecDeque, ops::Range};

use super::work::Work;
use crate::store::history::{block::Links, links::GroupTopic, rollup::Total};

/// Totals that are added up while their columns go by: of group and topic whose
/// columns stand together.
#[derive(Default)]
pub(super) struct Along {
    /// Ascending.
    columns: VecDeque<Range<u32>>,
    pub(super) total: Total,
}

impl Along {
    /// Takes what it can of these, as far as ticks of this width have them.
    pub(super) fn of(group_topics: &mut VecDeque<GroupTopic>, width: u32) -> Self {
        let mut columns = VecDeque::new();
        group_topics.retain(|group_topic| match group_topic.contiguous() {
            Some(contiguous) => {
                columns.push_back(contiguous.start..contiguous.end.min(width));
                false
            }
            None => true,
        });
        Self {
            columns,
            total: Total::default(),
        }
    }

    /// Adds the lags of `column`, if it is one of commits. The total is whole
    /// when this returns the column that it is kept under.
    pub(super) fn add(
        &mut self,
        column: u32,
        links: Links,
        widths: &[u32],
        work: &Work,
    ) -> Option<u32> {
        let columns = self.columns.front()?.clone();
        if !columns.contains(&column) {
            return None;
        }
        if column == columns.start {
            self.total.begin(widths.len());
        }
        self.total.add(work.lags(links), column, widths);
        if column + 1 < columns.end {
            return None;
        }
        self.columns.pop_front();
        Some(columns.start)
    }
}
