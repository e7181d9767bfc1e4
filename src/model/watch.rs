//! What was asked for once, as it is kept.

use std::collections::{BTreeMap, BTreeSet};

use super::TimestampMs;

/// A watch as the store keeps it: the trigger metadata that asked for it, so
/// that after a restart it is read by the same code as a live request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchRecord {
    /// Canonical name: equal for requests that ask for the same.
    pub key: String,
    /// The trigger's metadata, only the keys that the scaler reads.
    pub metadata: BTreeMap<String, String>,
    /// When somebody last asked.
    pub last_asked: TimestampMs,
}

/// What the store has kept of watches.
#[derive(Debug, Default)]
pub struct KeptWatches {
    /// Each of them.
    pub records: Vec<WatchRecord>,
    /// Keys of those that KEDA was last told to be active.
    pub active: BTreeSet<String>,
}

/// What the groups of one of Azul's plugins contain, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginName {
    /// The plugin.
    pub plugin: String,
    /// What its groups contain.
    pub kafka_prefix: String,
    /// When that was read.
    pub read_at: TimestampMs,
}

/// Watches, or what they need, to be kept or forgotten.
#[derive(Debug)]
pub enum WatchChange {
    /// Keep these, in place of records with the same key.
    Put(Vec<WatchRecord>),
    /// Forget these, by key.
    Remove(Vec<String>),
    /// Keep these names, in place of those of the same plugins.
    PutNames(Vec<PluginName>),
    /// Forget the names of these plugins.
    RemoveNames(Vec<String>),
}
