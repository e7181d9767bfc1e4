//! What one trigger of a ScaledObject asks for.
//!
//! Three kinds of metadata are understood, each in a file of its own: KEDA's
//! `kafka` trigger with what Tidegauge adds, tasks of queues among it; Azul
//! Scaler's plugins; and Lakerunner's services. Each becomes a list of [`Metric`]s.

mod azul;
mod cluster;
mod kafka;
mod lakerunner;
mod metric;
mod names;
mod partitions;
mod policy;
mod queue;
mod rules;
mod steadiness;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::model::{ClusterName, GroupId, GroupMatcher, Interest, TopicSelection, WatchName};

use super::metadata::{BadMetadata, Reader};

pub use metric::{Activation, Measure, Metric, MetricSpec, Selection};
pub use partitions::PartitionSet;
pub use policy::{Bound, LagPolicy, OffsetResetPolicy};
pub use rules::{AzulNames, KnownCluster, OtherPlugins, Service, TriggerRules};
pub use steadiness::Steadiness;

/// Why metadata is no trigger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTrigger {
    /// It has mistakes.
    #[error(transparent)]
    BadMetadata(#[from] BadMetadata),
    /// What the plugin's groups are called is still to be looked up.
    #[error("pluginName is {plugin:?}, whose name is not known yet")]
    Unnamed {
        /// The plugin.
        plugin: String,
    },
}

/// What one trigger asks for: what to watch, and how to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// In which cluster, or queue.
    pub cluster: ClusterName,
    /// What is told, at least one, each under another name.
    pub metrics: Vec<Metric>,
    /// The metadata that was read; other keys are KEDA's own or unknown.
    pub metadata: BTreeMap<String, String>,
}

impl Trigger {
    /// Reads a trigger's metadata; all mistakes at once.
    pub fn parse(
        metadata: &HashMap<String, String>,
        rules: &TriggerRules,
    ) -> Result<Self, NoTrigger> {
        let mut reader = Reader::new(metadata);
        let azuls = || azul::KEYS.into_iter().find(|key| reader.has(key));
        let (cluster, metrics) = if reader.has("serviceType") {
            queue::refuse(&mut reader, &queue::KEYS, "serviceType");
            lakerunner::read(&mut reader, rules)
        } else if let Some(key) = azuls() {
            queue::refuse(&mut reader, &queue::KEYS, key);
            azul::read(&mut reader, rules)
        } else {
            kafka::read(&mut reader, rules)
        };
        let unnamed = reader.unnamed();
        let metadata = reader.finish()?;
        match unnamed {
            Some(plugin) => Err(NoTrigger::Unnamed { plugin }),
            None => Ok(Self {
                cluster,
                metrics,
                metadata,
            }),
        }
    }

    /// The plugin of Azul's that it is about.
    pub fn plugin(&self) -> Option<&str> {
        self.metadata.get(azul::PLUGIN_NAME).map(String::as_str)
    }

    /// Equal for triggers that ask for the same.
    pub fn key(&self) -> String {
        let pairs = self.metadata.iter();
        pairs
            .map(|(key, value)| format!("{key}={value:?} "))
            .collect()
    }

    /// What its watch is called in history, a name a metric.
    pub fn watch_names(&self) -> Vec<WatchName> {
        let key = self.key();
        let name = |metric: &Metric| {
            let (group, topic) = match &metric.selection {
                Selection::Group { group, topic, .. } => (Some(group.clone()), topic.clone()),
                Selection::Matching(_) => (None, None),
            };
            WatchName {
                cluster: self.cluster.clone(),
                group,
                topic,
                metric_name: metric.name.clone(),
                key: key.clone(),
            }
        };
        self.metrics.iter().map(name).collect()
    }

    /// Is it about `group`, or would it be if there were one?
    pub fn covers(&self, group: &str) -> bool {
        let mut metrics = self.metrics.iter();
        metrics.any(|metric| metric.selection.covers(group))
    }

    /// Does it pick groups by a rule, and not by name?
    pub fn picks_groups(&self) -> bool {
        let mut metrics = self.metrics.iter();
        metrics.any(|metric| matches!(metric.selection, Selection::Matching(_)))
    }

    /// Is it about the same groups?
    pub(super) fn is_of_the_same_groups(&self, other: &Self) -> bool {
        fn selections(trigger: &Trigger) -> impl Iterator<Item = &Selection> {
            trigger.metrics.iter().map(|metric| &metric.selection)
        }
        self.cluster == other.cluster && selections(self).eq(selections(other))
    }

    /// Names and targets of the metrics.
    pub fn specs(&self) -> Vec<MetricSpec> {
        self.metrics.iter().map(Metric::spec).collect()
    }

    /// How far back any of its metrics looks.
    pub fn looks_back(&self) -> Duration {
        let spans = self.metrics.iter().map(Metric::looks_back);
        spans.max().unwrap_or_default()
    }

    /// Adds to `interest` what must be polled to answer. Groups that the
    /// configuration names keep the topics that it gives them.
    pub fn add_to(&self, interest: &mut Interest, configured: &Interest) {
        for metric in &self.metrics {
            match &metric.selection {
                Selection::Matching(rule) => {
                    interest.matchers.push(GroupMatcher::Prefixed(rule.clone()));
                }
                Selection::Group { topic, .. } => {
                    for group in metric.selection.groups() {
                        let selection = match topic {
                            Some(topic) => TopicSelection::only([topic.clone()]),
                            None if configured.groups.contains_key(group) => continue,
                            None => TopicSelection::committed(),
                        };
                        interest.add_group(GroupId::clone(group), selection);
                    }
                }
            }
        }
    }
}
