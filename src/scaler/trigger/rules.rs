//! What the triggers' metadata is read against.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    model::{ClusterName, GroupId, TopicName},
    sources::PluginNames,
};

/// What the triggers' metadata is read against.
#[derive(Debug, Clone)]
pub struct TriggerRules {
    /// The configured clusters, at least one.
    pub clusters: Vec<KnownCluster>,
    /// The configured queues, each in a stream of its name.
    pub queues: Vec<ClusterName>,
    /// What ends the id of a historic group.
    pub historic_suffix: String,
    /// Over how long a trigger looks that does not say.
    pub window: Duration,
    /// How far a trigger may look back at most.
    pub max_window: Duration,
    /// How Azul Scaler's plugins become group names.
    pub azul: AzulNames,
    /// What Lakerunner's service types stand for, by name.
    pub services: BTreeMap<String, Service>,
    /// The queue whose tasks Lakerunner's workers do.
    pub worker_queue: Option<ClusterName>,
}

/// A configured cluster, as a trigger may name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCluster {
    /// Its name.
    pub name: ClusterName,
    /// The brokers to start from, each `host:port`.
    pub bootstrap_servers: Vec<String>,
}

/// How Azul Scaler's plugins become group names.
#[derive(Debug, Clone)]
pub struct AzulNames {
    /// What every group starts with.
    pub group_prefix: String,
    /// The prefixes of some plugins, by the plugin's name.
    pub plugins: BTreeMap<String, String>,
    /// Those of all others.
    pub others: OtherPlugins,
    /// Over how long `backlog` looks.
    pub window: Duration,
}

/// The prefixes of plugins that are in no table.
#[derive(Debug, Clone)]
pub enum OtherPlugins {
    /// Each has this; `{plugin}` stands for its name.
    Pattern(String),
    /// There are no others.
    Refused,
    /// They are looked up.
    LookedUp(Arc<PluginNames>),
}

impl AzulNames {
    /// The names that are looked up, if `plugin` is one whose name is.
    pub(in crate::scaler) fn looked_up(&self, plugin: &str) -> Option<&Arc<PluginNames>> {
        match &self.others {
            OtherPlugins::LookedUp(names) if !self.plugins.contains_key(plugin) => Some(names),
            _ => None,
        }
    }
}

/// What one of Lakerunner's service types stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// In which cluster, or queue.
    pub cluster: ClusterName,
    /// The consumer group, or task.
    pub group: GroupId,
    /// The topic that it reads; a task's own name.
    pub topic: TopicName,
    /// Records or items behind that one replica is to bear.
    pub target: f64,
}
