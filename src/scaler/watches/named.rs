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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use tokio::sync::{mpsc, watch};

    use crate::{
        model::{GroupMatcher, Interest},
        scaler::{
            AskError, OtherPlugins, Polled, Settings, access::Access, judged::Judged,
            testing::settings,
        },
    };

    use super::*;

    struct Setting {
        names: Arc<PluginNames>,
        watches: Watches,
        interest: watch::Receiver<Arc<Interest>>,
        _changes: mpsc::Receiver<WatchChange>,
    }

    fn setting(access: Access) -> Setting {
        let names = Arc::new(PluginNames::default());
        let mut settings = Settings::clone(&settings(&["main"], 10));
        settings.rules.azul.others = OtherPlugins::LookedUp(Arc::clone(&names));
        settings.access = Arc::new(access);
        let (interest, reader) = watch::channel(Arc::default());
        let polled = Polled {
            configured: Interest::default(),
            interest,
            wake: Arc::default(),
        };
        let (sender, changes) = mpsc::channel(16);
        let clusters = BTreeMap::from([("main".into(), polled)]);
        Setting {
            names,
            watches: Watches::new(Arc::new(settings), clusters, sender),
            interest: reader,
            _changes: changes,
        }
    }

    impl Setting {
        fn ask(&self, plugin: &str) -> Result<Arc<crate::scaler::Watch>, AskError> {
            let metadata = HashMap::from(
                [
                    ("entityName", "plugin"),
                    ("pluginName", plugin),
                    ("targetSize", "5"),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
            );
            self.watches.ask("n", &metadata, TimestampMs(1))
        }

        fn polls(&self, group: &str) -> bool {
            let interest = self.interest.borrow();
            let mut prefixed = interest.matchers.iter();
            prefixed.any(
                |matcher| matches!(matcher, GroupMatcher::Prefixed(rule) if rule.matches(group)),
            )
        }

        fn follow(&self, plugin: &str) {
            let changed = BTreeSet::from([plugin.to_owned()]);
            self.watches.follow_names(&changed, TimestampMs(100));
        }
    }

    #[test]
    fn a_plugin_is_asked_for_once_its_name_is_known() {
        let setting = setting(Access::default());
        let unnamed = setting.ask("jira").expect_err("not known yet");
        let expected = AskError::Unnamed {
            plugin: "jira".to_owned(),
        };
        assert_eq!(unnamed, expected);
        setting.names.know(&[("jira", "live")]);
        setting.ask("jira").expect("known");
        assert!(setting.polls("azul-live-1"));
        let needed = BTreeSet::from(["jira".to_owned()]);
        assert_eq!(setting.watches.plugins(), needed);
    }

    #[test]
    fn another_name_is_taken_up_and_one_that_has_gone_ends_its_watch() {
        let setting = setting(Access::default());
        setting.names.know(&[("jira", "live"), ("git", "git")]);
        let watch = setting.ask("jira").expect("known");
        setting.ask("git").expect("known");
        setting.names.know(&[("jira", "moved")]);
        setting.follow("jira");
        assert!(setting.polls("azul-moved-1") && !setting.polls("azul-live-1"));
        assert!(setting.polls("azul-git"));
        let again = setting.ask("jira").expect("known");
        assert!(Arc::ptr_eq(&watch, &again), "it goes on");
        assert!(again.asked().trigger.covers("azul-moved-1"));

        let specs = watch.specs();
        setting.names.forget("jira");
        setting.follow("jira");
        assert!(!setting.polls("azul-moved-1"));
        assert!(specs.borrow().is_none(), "its streams end");
        assert!(matches!(setting.ask("jira"), Err(AskError::Unnamed { .. })));
        assert_eq!(setting.watches.len(), 1);
    }

    #[test]
    fn what_was_read_under_another_name_is_no_finding() {
        let setting = setting(Access::default());
        setting.names.know(&[("jira", "live")]);
        let watch = setting.ask("jira").expect("known");
        let looked_for = |tick, is_without_commits| {
            watch.looked_for_its_groups(&Judged {
                tick: Some(TimestampMs(tick)),
                metrics: Vec::new(),
                is_without_commits,
            })
        };
        assert!(looked_for(1, false), "there are some");
        assert!(!looked_for(1, true), "they were not looked for");
        let polled = TimestampMs::now().0;
        assert!(looked_for(polled, true), "there are none");
        setting.names.know(&[("jira", "moved")]);
        let changed = BTreeSet::from(["jira".to_owned()]);
        let now = TimestampMs(polled + 1_000);
        setting.watches.follow_names(&changed, now);
        for is_without_commits in [true, false] {
            assert!(!looked_for(now.0 - 1, is_without_commits));
            assert!(looked_for(now.0, is_without_commits));
        }
    }

    #[test]
    fn under_another_name_it_is_judged_again_who_may_ask() {
        let regex = |text: &str| vec![regex::Regex::new(text).expect("a pattern")];
        let access = Access {
            namespaces: None,
            rules: Some(vec![crate::scaler::AccessRule {
                namespaces: regex("^n$"),
                groups: regex("^azul-live"),
                clusters: None,
            }]),
        };
        let setting = setting(access);
        setting.names.know(&[("jira", "live")]);
        setting.ask("jira").expect("it may");
        setting.names.know(&[("jira", "other")]);
        setting.follow("jira");
        assert!(matches!(setting.ask("jira"), Err(AskError::Denied(_))));
    }
}
