//! One metric of a trigger: of which groups, what, and its target.

use std::time::Duration;

use crate::model::{GroupId, PrefixRule, TopicName};

use super::{PartitionSet, policy::LagPolicy, steadiness::Steadiness};

/// One metric that KEDA is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// What one replica is to bear, in the metric's unit.
    pub target: f64,
    /// When there is anything to do.
    pub activation: Activation,
    /// Which groups it is about.
    pub selection: Selection,
    /// What is told of them.
    pub measure: Measure,
    /// How what is told changes more slowly than what is read.
    pub steadiness: Steadiness,
}

/// Which groups a metric is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// One group by name.
    Group {
        /// Its `group.id`.
        group: GroupId,
        /// Its historic companion, if that is to be counted in.
        historic: Option<GroupId>,
        /// Only this topic; `None`: each in which the group has a commit.
        topic: Option<TopicName>,
        /// Only these partitions of it; `None`: all.
        partitions: Option<PartitionSet>,
    },
    /// Each group that the rule picks.
    Matching(PrefixRule),
}

/// What is told of the groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// Records behind, as KEDA's own `kafka` trigger tells them.
    Lag(LagPolicy),
    /// The same with the mean lag of each partition over the window.
    AverageLag(LagPolicy, Duration),
    /// Seconds since the oldest record that waits was written.
    TimeLag(LagPolicy),
    /// Seconds until all is read, at the net rate over the window.
    Eta {
        /// How partitions without a commit count.
        policy: LagPolicy,
        /// Over how long rates are taken.
        window: Duration,
        /// What is told at most, and where it will never be.
        cap_s: f64,
    },
    /// Azul Scaler's backlog over the window.
    Backlog(LagPolicy, Duration),
    /// Arrival less consumption over the window, in records/s; 0 where
    /// consumption is the higher.
    ConsumptionDeficit(LagPolicy, Duration),
}

/// When there is anything to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// Always, as Azul Scaler says.
    Always,
    /// While any record waits, whatever the metric is.
    Behind,
    /// While the metric (of a lag: before it is bounded) is above `on`; and then
    /// until it is not above `off`.
    Above {
        /// Becomes active above this.
        on: f64,
        /// Stays active above this; at most `on`.
        off: f64,
    },
}

/// A metric's name and target, as KEDA is told.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSpec {
    /// Its name.
    pub name: String,
    /// Its target: the value that one replica is to bear.
    pub target: f64,
}

impl Metric {
    /// Name and target.
    pub fn spec(&self) -> MetricSpec {
        MetricSpec {
            name: self.name.clone(),
            target: self.target,
        }
    }

    /// How far back it looks, beyond what every answer needs.
    pub fn looks_back(&self) -> Duration {
        self.measure.looks_back().max(self.steadiness.looks_back())
    }
}

impl Activation {
    /// Does it depend on what was said before?
    pub fn has_hysteresis(&self) -> bool {
        matches!(self, Self::Above { on, off } if off < on)
    }
}

impl Measure {
    /// How partitions count in it.
    pub fn policy(&self) -> &LagPolicy {
        match self {
            Self::Lag(policy)
            | Self::AverageLag(policy, _)
            | Self::TimeLag(policy)
            | Self::Eta { policy, .. }
            | Self::Backlog(policy, _)
            | Self::ConsumptionDeficit(policy, _) => policy,
        }
    }

    /// Over how long it is taken; `None`: it is of one moment.
    pub fn window(&self) -> Option<Duration> {
        match self {
            Self::Lag(_) | Self::TimeLag(_) => None,
            Self::AverageLag(_, window)
            | Self::Eta { window, .. }
            | Self::Backlog(_, window)
            | Self::ConsumptionDeficit(_, window) => Some(*window),
        }
    }

    fn looks_back(&self) -> Duration {
        let persistent = self.policy().persistent_after;
        self.window()
            .into_iter()
            .chain(persistent)
            .max()
            .unwrap_or_default()
    }
}

impl Selection {
    /// A task of a queue: a group with one topic of the same name.
    pub(super) fn task(name: &str) -> Self {
        Self::Group {
            group: name.into(),
            historic: None,
            topic: Some(name.into()),
            partitions: None,
        }
    }

    /// The groups that it names.
    pub fn groups(&self) -> impl Iterator<Item = &GroupId> {
        let (group, historic) = match self {
            Self::Group {
                group, historic, ..
            } => (Some(group), historic.as_ref()),
            Self::Matching(_) => (None, None),
        };
        group.into_iter().chain(historic)
    }

    pub(super) fn covers(&self, group: &str) -> bool {
        match self {
            Self::Group { .. } => self.groups().any(|own| own.as_str() == group),
            Self::Matching(rule) => rule.matches(group),
        }
    }
}
