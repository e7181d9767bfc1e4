//! Which namespaces may ask, and for which groups.
//!
//! Metadata is written by any team of the cluster, so that what a ScaledObject
//! asks for is held against its namespace. Key invariant: who may not ask is told
//! nothing, neither of a group nor of what others may ask for.

use regex::Regex;

use crate::{board::Board, config::cut_at, model::ClusterName};

use super::trigger::{Selection, Trigger};

/// So much of a name is repeated in an error.
const SHOWN_CHARS: usize = 80;

/// Which namespaces may ask, and for which groups. By default all may, for all.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// A namespace may ask if one of these matches it; `None`: all may.
    pub namespaces: Option<Vec<Regex>>,
    /// What one of these grants may be asked for; `None`: everything may.
    pub rules: Option<Vec<AccessRule>>,
}

/// What some namespaces may ask for.
#[derive(Debug, Clone)]
pub struct AccessRule {
    /// Those that one of these matches.
    pub namespaces: Vec<Regex>,
    /// Groups that one of these matches.
    pub groups: Vec<Regex>,
    /// In these clusters; `None`: in all.
    pub clusters: Option<Vec<ClusterName>>,
}

/// Why a namespace may not ask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It may not ask at all.
    #[error("namespace {0:?} may not ask: access.namespaces does not name it")]
    Namespace(String),
    /// It may not ask for this group.
    #[error(
        "namespace {namespace:?} may not ask for group {group:?} in cluster {cluster:?}: no rule \
         of access.rules lets it"
    )]
    Group {
        /// Which one.
        namespace: String,
        /// The group.
        group: String,
        /// Its cluster.
        cluster: ClusterName,
    },
    /// It may not ask for all groups that a plugin stands for. Which one is
    /// another's is not told.
    #[error(
        "namespace {namespace:?} may not ask for groups with {names:?} in cluster {cluster:?}: no \
         rule of access.rules lets it ask for each of them"
    )]
    Plugin {
        /// Which one.
        namespace: String,
        /// What the names of the plugin's groups begin with and contain.
        names: String,
        /// Their cluster.
        cluster: ClusterName,
    },
}

impl Access {
    /// May all namespaces ask for everything?
    pub(super) fn is_open(&self) -> bool {
        self.namespaces.is_none() && self.rules.is_none()
    }

    /// May `namespace` ask at all?
    pub(super) fn admit(&self, namespace: &str) -> Result<(), Denied> {
        match &self.namespaces {
            Some(patterns) if !matches(patterns, namespace) => {
                Err(Denied::Namespace(shown(namespace)))
            }
            _ => Ok(()),
        }
    }

    /// May `namespace` ask for what `trigger` is about? A historic group belongs
    /// to the one that it is the past of. Of a plugin this is judged by what it
    /// stands for, before any group is known.
    pub(super) fn judge(&self, namespace: &str, trigger: &Trigger) -> Result<(), Denied> {
        self.admit(namespace)?;
        let cluster = &trigger.cluster;
        for metric in &trigger.metrics {
            match &metric.selection {
                Selection::Group { group, .. } => {
                    if !self.grants(namespace, cluster, group.as_str()) {
                        return Err(Denied::Group {
                            namespace: shown(namespace),
                            group: shown(group.as_str()),
                            cluster: cluster.clone(),
                        });
                    }
                }
                Selection::Matching(rule) => {
                    if !self.grants(namespace, cluster, rule.stem()) {
                        return Err(denied_plugin(namespace, cluster, rule.stem()));
                    }
                }
            }
        }
        Ok(())
    }

    /// The same of the groups that plugins pick by now: a group of others may
    /// have a plugin's name in its own.
    pub(super) fn judge_picked(
        &self,
        namespace: &str,
        trigger: &Trigger,
        board: &Board,
    ) -> Result<(), Denied> {
        let cluster = &trigger.cluster;
        let Some(snapshot) = board.cluster(cluster).filter(|_| self.rules.is_some()) else {
            return Ok(());
        };
        for metric in &trigger.metrics {
            let Selection::Matching(rule) = &metric.selection else {
                continue;
            };
            let mut groups = snapshot.window.index().groups().keys();
            let is_foreign =
                |group: &str| rule.matches(group) && !self.grants(namespace, cluster, group);
            if groups.any(|group| is_foreign(group.as_str())) {
                return Err(denied_plugin(namespace, cluster, rule.stem()));
            }
        }
        Ok(())
    }

    fn grants(&self, namespace: &str, cluster: &ClusterName, group: &str) -> bool {
        let Some(rules) = &self.rules else {
            return true;
        };
        let has_cluster = |rule: &AccessRule| {
            let clusters = rule.clusters.as_ref();
            clusters.is_none_or(|clusters| clusters.contains(cluster))
        };
        rules.iter().any(|rule| {
            has_cluster(rule)
                && matches(&rule.namespaces, namespace)
                && matches(&rule.groups, group)
        })
    }
}

fn denied_plugin(namespace: &str, cluster: &ClusterName, stem: &str) -> Denied {
    Denied::Plugin {
        namespace: shown(namespace),
        names: shown(stem),
        cluster: cluster.clone(),
    }
}

fn matches(patterns: &[Regex], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(text))
}

fn shown(text: &str) -> String {
    cut_at(text, SHOWN_CHARS)
}

#[cfg(test)]
mod tests;
