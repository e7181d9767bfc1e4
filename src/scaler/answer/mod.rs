//! From the newest estimates to the value of a metric.
//!
//! Pure: a snapshot and `at` in, a reading out. What is not known is an error
//! with its reason; that a thing is not there at all is a finding.

mod bound;
mod groups;
mod picked;
mod sum;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::{
    board::Snapshot,
    estimator::{Eta, Parameters, eta, unread},
    model::{ClusterName, TimestampMs},
};

use super::trigger::{Activation, LagPolicy, Measure, Metric, Selection};
use groups::Groups;
pub(super) use picked::Picked;
use sum::Sum;

/// Why there is no answer: a sentence for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// What one tick says of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    /// The metric's value.
    pub(super) value: Result<f64, NoAnswer>,
    /// Records that wait, by the metric's policy.
    pub(super) behind: f64,
    /// Time of the oldest reading in it.
    pub(super) as_of: TimestampMs,
    /// The groups have committed nothing, anywhere.
    pub(super) is_without_commits: bool,
}

/// One snapshot of a cluster, judged at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) cluster: &'a ClusterName,
    pub(super) snapshot: &'a Snapshot,
    pub(super) parameters: &'a Parameters,
    pub(super) at: TimestampMs,
}

impl Metric {
    /// What is said of this metric. An error: not even how much waits is known.
    pub(super) fn read(
        &self,
        picked: &mut Picked,
        moment: Moment<'_>,
    ) -> Result<Reading, NoAnswer> {
        let parameters = Parameters {
            window: self.measure.window().unwrap_or(moment.parameters.window),
            ..*moment.parameters
        };
        let moment = Moment {
            parameters: &parameters,
            ..moment
        };
        let groups = Groups::of(&self.selection, picked, moment)?;
        let sum = groups.sum(&self.measure)?;
        let question = Question {
            metric: self,
            groups: &groups,
            sum: &sum,
        };
        let newest = moment.snapshot.as_of();
        Ok(Reading {
            value: question.value(),
            behind: sum.lag_with_persistent,
            // Of nothing, the finding is as old as the newest tick.
            as_of: sum.as_of.or(newest).unwrap_or(moment.at),
            is_without_commits: sum.partitions_without_commit == sum.partitions,
        })
    }

    /// Is there anything to do? A metric that is not known is no ground to say
    /// that there is not.
    pub(super) fn is_active(&self, reading: &Reading, was_active: bool) -> Result<bool, NoAnswer> {
        let level = match self.measure {
            Measure::Lag(_) | Measure::AverageLag(..) => Ok(reading.behind),
            _ => reading.value.clone(),
        };
        match self.activation {
            Activation::Always => Ok(true),
            Activation::Behind => Ok(reading.behind > 0.0),
            Activation::Above { on, off } => Ok(level? > if was_active { off } else { on }),
        }
    }
}

/// One metric, asked of one snapshot.
struct Question<'a> {
    metric: &'a Metric,
    groups: &'a Groups<'a>,
    sum: &'a Sum,
}

impl Question<'_> {
    fn value(&self) -> Result<f64, NoAnswer> {
        let sum = self.sum;
        match &self.metric.measure {
            Measure::Lag(policy) | Measure::AverageLag(policy, _) => {
                Ok(policy.bounded(sum.lag, sum.partitions, sum.partitions_with_lag))
            }
            Measure::TimeLag(policy) => self.time_lag_s(policy),
            Measure::Eta { policy, cap_s, .. } => self.eta_s(policy, *cap_s),
            Measure::Backlog(_, window) => self.backlog(*window),
            Measure::ConsumptionDeficit(..) => {
                let (arrival, consumption) = self.rates()?;
                Ok((arrival - consumption).max(0.0))
            }
        }
    }

    fn time_lag_s(&self, policy: &LagPolicy) -> Result<f64, NoAnswer> {
        self.refuse_unread_logs(policy, "for how long records have waited")?;
        let unknown = || {
            let need = "for how long records have waited is told from the second sample on";
            NoAnswer(need.to_owned())
        };
        self.sum.time_lag_s.ok_or_else(unknown)
    }

    fn eta_s(&self, policy: &LagPolicy, cap_s: f64) -> Result<f64, NoAnswer> {
        self.refuse_unread_logs(policy, "when all will be read")?;
        if self.sum.committed_lag == 0 {
            return Ok(0.0);
        }
        let (arrival, consumption) = self.rates()?;
        let unread = unread(self.sum.committed_lag, self.sum.uncommitted_records);
        let eta = eta(unread, Some(arrival), Some(consumption));
        Ok(match eta {
            Some(Eta::In(seconds)) => seconds.min(cap_s),
            _ => cap_s,
        })
    }

    /// A group that begins at the start of a log which it has not begun to read:
    /// nobody knows when it will.
    fn refuse_unread_logs(&self, policy: &LagPolicy, what: &str) -> Result<(), NoAnswer> {
        if policy.reads_from_the_start() && self.sum.records_without_commit > 0 {
            return Err(NoAnswer(format!(
                "{what} is not known while the group has committed nothing in {} of {} partitions",
                self.sum.partitions_without_commit, self.sum.partitions
            )));
        }
        Ok(())
    }

    fn rates(&self) -> Result<(f64, f64), NoAnswer> {
        let rates = self.sum.arrival_rate.zip(self.sum.consumption_rate);
        rates.ok_or_else(|| {
            let need = "rates need two samples of each partition in the window";
            NoAnswer(format!("{need}, and there is one so far"))
        })
    }

    fn backlog(&self, window: Duration) -> Result<f64, NoAnswer> {
        let terms = self.groups.backlog_terms(window);
        if terms.partitions == 0 && terms.too_young > 0 {
            let need = "backlog needs two samples of a partition, and there is one so far";
            return Err(NoAnswer(need.to_owned()));
        }
        Ok(terms.backlog().0 as f64)
    }
}
