//! From the newest estimates to what KEDA is told.

use crate::{
    board::{Board, Snapshot},
    estimator::{BacklogTerms, Freshness, GroupEstimate, Parameters, Totals},
    model::{GroupId, TimestampMs, TopicName},
};

use super::trigger::{BacklogPolicy, LagPolicy, OffsetResetPolicy, Policy, Selection, Trigger};

/// What KEDA is told of one trigger.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// The metric's value.
    pub value: f64,
    /// Is there anything to do?
    pub active: bool,
    /// Time of the oldest reading in it.
    pub as_of: TimestampMs,
    /// Age of that reading.
    pub freshness: Freshness,
}

/// Why there is no answer: a sentence for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

impl Trigger {
    /// What KEDA is told of this trigger at `now`. IsActive, StreamIsActive
    /// and GetMetrics all come here.
    pub fn answer(
        &self,
        board: &Board,
        parameters: &Parameters,
        now: TimestampMs,
    ) -> Result<Answer, NoAnswer> {
        let Some(snapshot) = board.cluster(&self.cluster) else {
            return Err(NoAnswer(format!(
                "cluster {:?} has not been read yet",
                self.cluster
            )));
        };
        let question = Question {
            trigger: self,
            snapshot,
            parameters,
            now,
        };
        let groups = question.selected()?;
        let totals = question.totals(&groups)?;
        match &self.policy {
            Policy::Lag(policy) => Ok(question.lag(policy, &totals)),
            Policy::Backlog(policy) => question.backlog(policy, &groups, &totals),
        }
    }
}

/// One trigger, asked of one snapshot.
struct Question<'a> {
    trigger: &'a Trigger,
    snapshot: &'a Snapshot,
    parameters: &'a Parameters,
    now: TimestampMs,
}

impl<'a> Question<'a> {
    /// The groups that the trigger is about, with where they stand.
    fn selected(&self) -> Result<Vec<(GroupId, GroupEstimate)>, NoAnswer> {
        match &self.trigger.selection {
            Selection::Matching(matcher) => {
                if self.snapshot.discovery_failed() {
                    return Err(self.unknown("the list of groups", self.discovery_failure()));
                }
                let groups = self.snapshot.window.index().groups().keys();
                let matching = groups.filter(|group| matcher.matches(group.as_str()));
                Ok(matching.filter_map(|group| self.estimate(group)).collect())
            }
            Selection::Group {
                group, historic, ..
            } => {
                let Some(estimate) = self.estimate(group) else {
                    return Err(self.unread(group));
                };
                let historic = historic
                    .as_ref()
                    .and_then(|historic| self.estimate(historic));
                Ok([estimate].into_iter().chain(historic).collect())
            }
        }
    }

    fn estimate(&self, group: &GroupId) -> Option<(GroupId, GroupEstimate)> {
        let window = &self.snapshot.window;
        let estimate = window.estimate_group(group.as_str(), self.parameters, self.now)?;
        Some((group.clone(), estimate))
    }

    fn topic(&self) -> Option<&'a TopicName> {
        match &self.trigger.selection {
            Selection::Group { topic, .. } => topic.as_ref(),
            Selection::Matching(_) => None,
        }
    }

    /// Totals over the selected groups; an error if any part is unknown.
    fn totals(&self, groups: &[(GroupId, GroupEstimate)]) -> Result<Totals, NoAnswer> {
        let mut totals = Totals::NOTHING;
        for (group, estimate) in groups {
            let of_group = self.totals_of(group, estimate)?;
            if of_group.unknown_partitions > 0 {
                return Err(self.partly_unknown(group, &of_group));
            }
            totals = totals.plus(of_group);
        }
        Ok(totals)
    }

    fn totals_of(&self, group: &GroupId, estimate: &GroupEstimate) -> Result<Totals, NoAnswer> {
        if let Some(topic) = self.topic() {
            let found = estimate.topics.iter().find(|found| found.topic == *topic);
            return found
                .map(|found| found.totals)
                .ok_or_else(|| self.unread(group));
        }
        // No partition at all is a finding only if the group was read lately.
        if estimate.topics.is_empty() && estimate.members.is_none() {
            return Err(self.unread(group));
        }
        Ok(estimate.totals)
    }

    fn lag(&self, policy: &LagPolicy, totals: &Totals) -> Answer {
        let without_commit = match policy.offset_reset_policy {
            OffsetResetPolicy::Latest => u64::from(totals.partitions_without_commit),
            OffsetResetPolicy::Earliest => totals.records_without_commit,
        };
        let lag = totals
            .lag
            .unwrap_or_default()
            .saturating_add(without_commit) as f64;
        let bound = f64::from(totals.partitions);
        let idle = (lag / policy.lag_threshold).floor() > bound;
        let value = if idle && !policy.allow_idle_consumers {
            bound * policy.lag_threshold
        } else {
            lag
        };
        self.answer(value, lag > policy.activation_lag_threshold, totals)
    }

    fn backlog(
        &self,
        policy: &BacklogPolicy,
        groups: &[(GroupId, GroupEstimate)],
        totals: &Totals,
    ) -> Result<Answer, NoAnswer> {
        let mut terms = BacklogTerms::default();
        for (group, _) in groups {
            let window = &self.snapshot.window;
            window.add_backlog(
                group.as_str(),
                self.topic(),
                policy.window,
                self.now,
                &mut terms,
            );
        }
        if terms.partitions == 0 && terms.too_young > 0 {
            let need = "backlog needs two samples of a partition, and there is one so far";
            return Err(NoAnswer(need.to_owned()));
        }
        // Azul Scaler is always active; its ScaledObjects count on it.
        Ok(self.answer(terms.backlog().0 as f64, true, totals))
    }

    fn answer(&self, value: f64, active: bool, totals: &Totals) -> Answer {
        Answer {
            value,
            active,
            // Of nothing, the finding is as old as the newest tick.
            as_of: totals.as_of.or(self.snapshot.as_of()).unwrap_or(self.now),
            freshness: totals.freshness,
        }
    }

    fn unread(&self, group: &GroupId) -> NoAnswer {
        let what = match self.topic() {
            Some(topic) => format!("group {group:?} on topic {topic:?}"),
            None => format!("group {group:?}"),
        };
        let gap = self.snapshot.gap_of(group, self.topic());
        self.unknown(&what, gap.map(|gap| gap.to_string()))
    }

    fn partly_unknown(&self, group: &GroupId, totals: &Totals) -> NoAnswer {
        let since = match totals.unknown_since {
            Some(since) => format!(" since {since}"),
            None => String::new(),
        };
        let what = format!(
            "{} of {} partitions of group {group:?} (no usable reading{since})",
            totals.unknown_partitions, totals.partitions
        );
        let gap = self.snapshot.gap_of(group, self.topic());
        self.unknown(&what, gap.map(|gap| gap.to_string()))
    }

    fn unknown(&self, what: &str, why: Option<String>) -> NoAnswer {
        let cluster = &self.trigger.cluster;
        let why = why.unwrap_or_else(|| "not read yet".to_owned());
        NoAnswer(format!("unknown in cluster {cluster:?}: {what}: {why}"))
    }

    fn discovery_failure(&self) -> Option<String> {
        let gaps = self.snapshot.gaps.iter();
        gaps.map(ToString::to_string).next()
    }
}
