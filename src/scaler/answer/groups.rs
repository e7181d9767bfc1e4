//! The groups that a metric is about, and their partitions in one snapshot.

use std::time::Duration;

use crate::{
    estimator::{BacklogTerms, PartitionStanding, Wanted},
    model::{GroupId, GroupSeries, Partition, TimestampMs, TopicName},
    scaler::trigger::{Measure, PartitionSet},
};

use super::{Moment, NoAnswer, Picked, Selection, sum::Sum};

/// The groups that a metric is about, each of which has been read.
pub(super) struct Groups<'a> {
    selection: &'a Selection,
    moment: Moment<'a>,
    groups: Vec<GroupId>,
}

impl<'a> Groups<'a> {
    pub(super) fn of(
        selection: &'a Selection,
        picked: &mut Picked,
        moment: Moment<'a>,
    ) -> Result<Self, NoAnswer> {
        let mut groups = Self {
            selection,
            moment,
            groups: Vec::new(),
        };
        groups.groups = match selection {
            Selection::Matching(rule) => {
                let picked = picked.by(rule, &moment.snapshot.window);
                groups.matching(picked, |group| rule.matches(group))?
            }
            Selection::Group {
                group, historic, ..
            } => {
                if groups.series(group).is_none() {
                    return Err(groups.unread(group));
                }
                let historic = historic.iter();
                let historic = historic.filter(|group| groups.exists(group));
                [group].into_iter().chain(historic).cloned().collect()
            }
        };
        Ok(groups)
    }

    fn topic(&self) -> Option<&'a TopicName> {
        match self.selection {
            Selection::Group { topic, .. } => topic.as_ref(),
            Selection::Matching(_) => None,
        }
    }

    fn partitions(&self) -> Option<&'a PartitionSet> {
        match self.selection {
            Selection::Group { partitions, .. } => partitions.as_ref(),
            Selection::Matching(_) => None,
        }
    }

    fn series(&self, group: &GroupId) -> Option<&'a GroupSeries> {
        self.moment.snapshot.window.index().groups().get(group)
    }

    /// Known groups are read on while the list can't be; but that there is none
    /// at all, only the list can tell.
    fn matching(
        &self,
        picked: &[GroupId],
        matches: impl Fn(&str) -> bool,
    ) -> Result<Vec<GroupId>, NoAnswer> {
        let matching = self
            .moment
            .snapshot
            .known_groups(picked, matches)
            .map_err(|gap| self.unknown("a matching group", Some(gap.to_string())))?;
        if matching.is_empty() && self.moment.snapshot.discovery_failed() {
            let mut gaps = self.moment.snapshot.gaps.iter();
            let why = gaps.next().map(ToString::to_string);
            return Err(self.unknown("the list of groups", why));
        }
        Ok(matching)
    }

    /// Without a commit it is nobody's backlog: there is no such group. What is
    /// unknown may have one.
    fn exists(&self, group: &GroupId) -> bool {
        let mut exists = false;
        self.each_standing(group, Wanted::OFFSETS, |_, standing| {
            exists |= match standing {
                PartitionStanding::Known(estimate) => estimate.committed_offset.is_some(),
                PartitionStanding::Unknown { .. } => true,
                PartitionStanding::Gone => false,
            };
        });
        exists
    }

    fn each_standing(
        &self,
        group: &GroupId,
        wanted: Wanted,
        mut visit: impl FnMut(Partition, PartitionStanding),
    ) {
        let Moment {
            snapshot,
            parameters,
            at,
            ..
        } = self.moment;
        for topic in self.topics_of(group) {
            let window = &snapshot.window;
            window.each_standing(group.as_str(), topic, wanted, parameters, at, &mut visit);
        }
    }

    /// The sum over all partitions; an error if any of them is unknown.
    pub(super) fn sum(&self, measure: &Measure) -> Result<Sum, NoAnswer> {
        let mut sum = Sum::NOTHING;
        for group in &self.groups {
            let before = sum.partitions;
            let mut walk = Walk::of(&mut sum, self.partitions());
            self.each_standing(group, measure.wanted(), |partition, standing| {
                walk.take(partition, &standing, measure);
            });
            if walk.unknown > 0 {
                let (unknown, since) = (walk.unknown, walk.unknown_since);
                let partitions = sum.partitions - before + unknown;
                return Err(self.partly_unknown(group, unknown, partitions, since));
            }
            if sum.partitions == before {
                self.nothing_of(group)?;
            }
        }
        Ok(sum)
    }

    /// What Azul Scaler's backlog is made of, over all groups.
    pub(super) fn backlog_terms(&self, window: Duration) -> BacklogTerms {
        let (ticks, at) = (&self.moment.snapshot.window, self.moment.at);
        let mut terms = BacklogTerms::default();
        for group in &self.groups {
            ticks.add_backlog(group.as_str(), self.topic(), window, at, &mut terms);
        }
        terms
    }

    fn topics_of(&self, group: &GroupId) -> impl Iterator<Item = &'a TopicName> {
        let topics = self.series(group).map(|series| series.topics.keys());
        let only = self.topic();
        let topics = topics.into_iter().flatten();
        topics.filter(move |topic| only.is_none_or(|only| only == *topic))
    }

    /// That a group has no partition at all is a finding only if it was read
    /// lately, and never of a topic that somebody asked for.
    fn nothing_of(&self, group: &GroupId) -> Result<(), NoAnswer> {
        if let Some(topic) = self.topic() {
            if let Some(partitions) = self.partitions()
                && self
                    .series(group)
                    .is_some_and(|series| series.topics.contains_key(topic))
            {
                return Err(NoAnswer(format!(
                    "topic {topic:?} has none of the partitions {partitions}"
                )));
            }
            return Err(self.unread(group));
        }
        let newest = self.moment.snapshot.window.newest();
        let state = self.series(group).and_then(GroupSeries::state);
        let is_read = newest.is_some_and(|newest| newest.optional_cell(state).value().is_some());
        if is_read {
            Ok(())
        } else {
            Err(self.unread(group))
        }
    }

    fn unread(&self, group: &GroupId) -> NoAnswer {
        let what = match self.topic() {
            Some(topic) => format!("group {group:?} on topic {topic:?}"),
            None => format!("group {group:?}"),
        };
        self.unknown(&what, self.gap_of(group))
    }

    fn partly_unknown(
        &self,
        group: &GroupId,
        unknown: u32,
        partitions: u32,
        since: Option<TimestampMs>,
    ) -> NoAnswer {
        let since = since.map_or_else(String::new, |since| format!(" since {since}"));
        let what = format!(
            "{unknown} of {partitions} partitions of group {group:?} (no usable reading{since})"
        );
        self.unknown(&what, self.gap_of(group))
    }

    fn gap_of(&self, group: &GroupId) -> Option<String> {
        let gap = self.moment.snapshot.gap_of(group, self.topic());
        gap.map(ToString::to_string)
    }

    fn unknown(&self, what: &str, why: Option<String>) -> NoAnswer {
        let why = why.unwrap_or_else(|| "not read yet".to_owned());
        NoAnswer(format!(
            "unknown in cluster {:?}: {what}: {why}",
            self.moment.cluster
        ))
    }
}

/// A walk over the partitions of one group.
struct Walk<'a> {
    sum: &'a mut Sum,
    only: Option<&'a PartitionSet>,
    unknown: u32,
    unknown_since: Option<TimestampMs>,
}

impl<'a> Walk<'a> {
    fn of(sum: &'a mut Sum, only: Option<&'a PartitionSet>) -> Self {
        Self {
            sum,
            only,
            unknown: 0,
            unknown_since: None,
        }
    }

    fn take(&mut self, partition: Partition, standing: &PartitionStanding, measure: &Measure) {
        if self.only.is_some_and(|only| !only.contains(partition)) {
            return;
        }
        match standing {
            PartitionStanding::Known(estimate) if self.sum.add(estimate, measure).is_some() => {}
            PartitionStanding::Known(_) => self.unknown += 1,
            PartitionStanding::Unknown { since } => {
                self.unknown += 1;
                let earliest = self.unknown_since.into_iter().chain(*since).min();
                self.unknown_since = earliest;
            }
            PartitionStanding::Gone => {}
        }
    }
}
