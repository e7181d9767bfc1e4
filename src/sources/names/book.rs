//! What is known of plugins, and until when it is of use.
//!
//! Its key invariant: a name that is in use was read not longer ago than the time
//! that it is given, and who asks for it finds it without waiting.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::model::{PluginName, TimestampMs};

use super::{KnownName, NoName};

/// More plugins than anybody has; a name is a few hundred bytes.
pub(super) const MAX_NAMES: usize = 10_000;
/// A name that nobody could read for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(30 * 24);
/// What is kept of a name tells when it was read, to this part of the time that it
/// may be used: a disk is not written to with each refresh.
const KEPT_ANEW_PARTS: u32 = 10;
/// So long nobody looks again whether a plugin is there by now.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// Who asks for ever other plugins that aren't there begins anew.
const MAX_REFUSED: usize = 1_000;

/// What is known of plugins.
#[derive(Debug, Default)]
pub(super) struct Book {
    names: HashMap<String, Name>,
    refused: HashMap<String, (Instant, NoName)>,
}

#[derive(Debug)]
struct Name {
    prefix: Arc<str>,
    read_at: TimestampMs,
    /// When it was read, as the store has it.
    kept: Option<TimestampMs>,
    /// It could not be read when that was last tried, or was not tried yet.
    is_stale: bool,
    /// A watch needs it, or somebody has just asked for it.
    in_use: bool,
}

impl Name {
    fn of(&self, plugin: &str) -> PluginName {
        PluginName {
            plugin: plugin.to_owned(),
            kafka_prefix: self.prefix.as_ref().to_owned(),
            read_at: self.read_at,
        }
    }
}

/// How many names are in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct InUse {
    pub(super) fresh: usize,
    pub(super) stale: usize,
    /// When the one was read that was read longest ago.
    pub(super) oldest: Option<TimestampMs>,
}

impl Book {
    /// Takes in what the store has kept. What is not too old is in use, as long as
    /// it is not known which are needed.
    pub(super) fn restore(&mut self, kept: Vec<PluginName>, now: TimestampMs, usable: Duration) {
        for name in kept.into_iter().take(MAX_NAMES) {
            let restored = Name {
                prefix: name.kafka_prefix.into(),
                read_at: name.read_at,
                kept: Some(name.read_at),
                is_stale: true,
                in_use: now.since(name.read_at) <= usable,
            };
            self.names.insert(name.plugin, restored);
        }
    }

    /// The prefix of a plugin in use.
    pub(super) fn prefix_of(&self, plugin: &str) -> Option<Arc<str>> {
        let name = self.names.get(plugin).filter(|name| name.in_use)?;
        Some(Arc::clone(&name.prefix))
    }

    pub(super) fn is_stale(&self, plugin: &str) -> bool {
        self.names.get(plugin).is_some_and(|name| name.is_stale)
    }

    /// A plugin that was found not to be there, or to be of no use, a moment ago.
    pub(super) fn refusal(&self, plugin: &str, now: Instant) -> Option<NoName> {
        let (until, why) = self.refused.get(plugin)?;
        (now < *until).then(|| why.clone())
    }

    pub(super) fn refuse(&mut self, plugin: &str, why: NoName, now: Instant) {
        if self.refused.len() >= MAX_REFUSED {
            self.refused.retain(|_, (until, _)| now < *until);
        }
        if self.refused.len() >= MAX_REFUSED {
            self.refused.clear();
        }
        let until = now + REFUSED_FOR;
        self.refused.insert(plugin.to_owned(), (until, why));
    }

    /// It has been read. Is there room for it?
    pub(super) fn found(&mut self, plugin: &str, prefix: String, now: TimestampMs) -> bool {
        self.refused.remove(plugin);
        if !self.names.contains_key(plugin) && !self.has_room() {
            return false;
        }
        let before = self.names.get(plugin);
        let same = before.filter(|name| *name.prefix == *prefix);
        let name = Name {
            // What is kept has another prefix, or the same and when it was read.
            kept: same.and_then(|name| name.kept),
            prefix: same.map_or_else(|| prefix.into(), |name| Arc::clone(&name.prefix)),
            read_at: now,
            is_stale: false,
            in_use: true,
        };
        self.names.insert(plugin.to_owned(), name);
        true
    }

    /// Makes room, if need be, by forgetting the oldest of those that nobody uses.
    fn has_room(&mut self) -> bool {
        if self.names.len() < MAX_NAMES {
            return true;
        }
        let unused = self.names.iter().filter(|(_, name)| !name.in_use);
        let oldest = unused.min_by_key(|(_, name)| name.read_at);
        let oldest = oldest.map(|(plugin, _)| plugin.clone());
        oldest.is_some_and(|plugin| self.names.remove(&plugin).is_some())
    }

    /// There is no such plugin any more.
    pub(super) fn forget(&mut self, plugin: &str) {
        self.names.remove(plugin);
    }

    /// It could not be read. Is there one to go on with, which is stale from now on?
    pub(super) fn unread(&mut self, plugin: &str, now: TimestampMs, usable: Duration) -> bool {
        let Some(name) = self.names.get_mut(plugin) else {
            return false;
        };
        name.is_stale = true;
        name.in_use = now.since(name.read_at) <= usable;
        name.in_use
    }

    /// Only these are needed, and of them only those that were read not too long
    /// ago are used. What is needed and not there was forgotten.
    pub(super) fn use_only(
        &mut self,
        needed: &BTreeSet<String>,
        now: TimestampMs,
        usable: Duration,
    ) {
        for (plugin, name) in &mut self.names {
            name.in_use &= needed.contains(plugin) && now.since(name.read_at) <= usable;
        }
    }

    /// What the store does not have, or has as read much longer ago.
    pub(super) fn unkept(&self, usable: Duration) -> Vec<PluginName> {
        let after = usable / KEPT_ANEW_PARTS;
        let is_unkept = |name: &Name| {
            name.kept
                .is_none_or(|kept| name.read_at.since(kept) > after)
        };
        let unkept = self.names.iter().filter(|(_, name)| is_unkept(name));
        unkept.map(|(plugin, name)| name.of(plugin)).collect()
    }

    /// All in use, by plugin.
    pub(super) fn known(&self) -> Vec<KnownName> {
        let in_use = self.names.iter().filter(|(_, name)| name.in_use);
        let known = in_use.map(|(plugin, name)| KnownName {
            name: name.of(plugin),
            is_stale: name.is_stale,
        });
        let mut known: Vec<_> = known.collect();
        known.sort_by(|a, b| a.name.plugin.cmp(&b.name.plugin));
        known
    }

    /// The store has these.
    pub(super) fn are_kept(&mut self, kept: &[PluginName]) {
        for kept in kept {
            if let Some(name) = self.names.get_mut(&kept.plugin)
                && *name.prefix == *kept.kafka_prefix
            {
                name.kept = Some(kept.read_at);
            }
        }
    }

    /// Forgets what nobody could read for long.
    pub(super) fn forget_old(&mut self, now: TimestampMs) {
        let is_young = |name: &Name| now.since(name.read_at) <= FORGOTTEN_AFTER;
        self.names.retain(|_, name| name.in_use || is_young(name));
    }

    /// All plugins of which there is something.
    pub(super) fn plugins(&self) -> BTreeSet<String> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn in_use(&self) -> InUse {
        let mut found = InUse::default();
        for name in self.names.values().filter(|name| name.in_use) {
            match name.is_stale {
                true => found.stale += 1,
                false => found.fresh += 1,
            }
            let oldest = found.oldest.unwrap_or(name.read_at);
            found.oldest = Some(oldest.min(name.read_at));
        }
        found
    }
}
