//! Watches of Azul's plugins, whose groups have the names that are looked up.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    model::{TimestampMs, WatchChange},
    scaler::trigger::Trigger,
    sources::PluginNames,
};

use super::Watches;

impl Watches {
    /// The names among which `plugin` is looked up, if it is.
    pub(in crate::scaler) fn names_of(&self, plugin: &str) -> Option<Arc<PluginNames>> {
        let settings = self.settings.read();
        settings.rules.azul.looked_up(plugin).cloned()
    }

    /// The plugins of all watches whose names are looked up.
    pub fn plugins(&self) -> BTreeSet<String> {
        let settings = self.settings();
        let azul = &settings.rules.azul;
        let watches = self.watches.read();
        let plugins = watches.values().filter_map(|watch| {
            let plugin = watch.asked().trigger.plugin()?.to_owned();
            azul.looked_up(&plugin).is_some().then_some(plugin)
        });
        plugins.collect()
    }

    /// Goes on under the names that plugins have now; `changed` have another one, or
    /// none, and then their watches end.
    pub fn follow_names(&self, changed: &BTreeSet<String>, now: TimestampMs) {
        if !changed.is_empty() {
            let concerns = |trigger: &Trigger| {
                let plugin = trigger.plugin();
                plugin.is_some_and(|plugin| changed.contains(plugin))
            };
            self.read_anew(concerns, now);
            for polled in self.clusters.read().values() {
                polled.wake.notify_one();
            }
        }
        self.flag_names();
    }

    /// Keeps what watches need, or forgets it; `false`: there is no room at present.
    pub fn keep_names(&self, change: WatchChange) -> bool {
        self.keep(change)
    }

    /// Says of each watch whether the name of its plugin can be read at present.
    pub(super) fn flag_names(&self) {
        for watch in self.watches.read().values() {
            watch.flag_name(self.has_stale_name(&watch.asked().trigger));
        }
    }

    pub(super) fn has_stale_name(&self, trigger: &Trigger) -> bool {
        let named = trigger.plugin().and_then(|plugin| {
            let names = self.names_of(plugin)?;
            Some(names.is_stale(plugin))
        });
        named.unwrap_or(false)
    }
}
