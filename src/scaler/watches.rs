//! What has been asked for: each request keeps its watch alive, and a watch
//! keeps its groups polled.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, mpsc, watch};
use tracing::{debug, info, warn};

use crate::model::{ClusterName, Interest, TimestampMs, ToldChange, WatchChange, WatchRecord};

use super::{
    told::ToldLog,
    trigger::{Trigger, TriggerRules},
};

/// Changes of watches that have gone which wait for the recorder. More wait only
/// while it is stuck; then the oldest are lost.
const MAX_LEFT: usize = 100_000;

/// How many watches there may be, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct WatchLimits {
    /// At most so many.
    pub limit: usize,
    /// One that nobody asks for in this time is dropped.
    pub time_to_live: Duration,
}

/// There is no room for another watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {limit} watches already, the most that watches.limit allows")]
pub struct TooManyWatches {
    limit: usize,
}

/// One thing that is asked for.
#[derive(Debug)]
pub struct Watch {
    /// What is asked.
    pub trigger: Trigger,
    /// Since when this process polls for it.
    pub since: TimestampMs,
    last_asked_ms: AtomicI64,
    /// What KEDA was told of it.
    pub(super) told: ToldLog,
}

/// How one cluster's poller is told what to poll.
#[derive(Debug)]
pub struct Polled {
    /// What the configuration asks for.
    pub configured: Interest,
    /// What is to be polled: that, and the watches.
    pub interest: watch::Sender<Arc<Interest>>,
    /// Asks for a cycle at once.
    pub wake: Arc<Notify>,
}

/// All watches.
#[derive(Debug)]
pub struct Watches {
    limits: WatchLimits,
    clusters: BTreeMap<ClusterName, Polled>,
    changes: mpsc::Sender<WatchChange>,
    watches: RwLock<HashMap<String, Arc<Watch>>>,
    /// What was told of watches that have gone, until the recorder takes it.
    left: Mutex<Vec<ToldChange>>,
}

impl Watches {
    /// No watches yet. Changes that are to be kept go to `changes`.
    pub fn new(
        limits: WatchLimits,
        clusters: BTreeMap<ClusterName, Polled>,
        changes: mpsc::Sender<WatchChange>,
    ) -> Self {
        Self {
            limits,
            clusters,
            changes,
            watches: RwLock::default(),
            left: Mutex::default(),
        }
    }

    /// Takes in the watches that the store kept. One that the configuration
    /// has made impossible is left out, and forgotten at the next sweep.
    pub fn restore(&self, records: Vec<WatchRecord>, rules: &TriggerRules, now: TimestampMs) {
        let mut restored = 0_usize;
        for record in records.into_iter().take(self.limits.limit) {
            let metadata = record.metadata.into_iter().collect();
            match Trigger::parse(&metadata, rules) {
                Ok(trigger) => {
                    restored += 1;
                    let watch = Watch::new(trigger, now, record.last_asked);
                    self.write().insert(record.key, Arc::new(watch));
                }
                Err(cause) => {
                    warn!(watch = record.key, %cause, "a watch does not fit the configuration");
                    self.keep(WatchChange::Remove(vec![record.key]));
                }
            }
        }
        info!(watches = restored, "watches restored");
        for (cluster, polled) in &self.clusters {
            self.tell_poller(cluster, polled);
        }
    }

    /// How many watches there are.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// There are no watches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The watch for `trigger`, from now on alive; a new one is polled at once.
    pub fn ask(&self, trigger: Trigger, now: TimestampMs) -> Result<Arc<Watch>, TooManyWatches> {
        let key = trigger.key();
        if let Some(watch) = self.read().get(&key) {
            watch.touch(now);
            return Ok(Arc::clone(watch));
        }
        let watch = self.insert(key, trigger, now)?;
        if let Some(polled) = self.clusters.get(&watch.trigger.cluster) {
            // Only added to: a thousand first requests don't collect all
            // watches a thousand times.
            polled.interest.send_modify(|interest| {
                let interest = Arc::make_mut(interest);
                watch.trigger.add_to(interest, &polled.configured);
            });
            polled.wake.notify_one();
        }
        Ok(watch)
    }

    fn insert(
        &self,
        key: String,
        trigger: Trigger,
        now: TimestampMs,
    ) -> Result<Arc<Watch>, TooManyWatches> {
        let mut watches = self.write();
        if watches.len() >= self.limits.limit && !watches.contains_key(&key) {
            return Err(TooManyWatches {
                limit: self.limits.limit,
            });
        }
        let watch = Arc::new(Watch::new(trigger, now, now));
        // Of two first requests at one time, one makes the watch.
        let watch = Arc::clone(watches.entry(key.clone()).or_insert(watch));
        drop(watches);
        self.keep(WatchChange::Put(vec![watch.record(key)]));
        Ok(watch)
    }

    /// Drops watches that nobody has asked for, and keeps of the others when
    /// they were last asked.
    pub fn sweep(&self, now: TimestampMs) {
        let expired = |watch: &Watch| now.since(watch.last_asked()) > self.limits.time_to_live;
        let (mut removed, mut gone) = (Vec::new(), Vec::new());
        self.write().retain(|key, watch| {
            let drop = expired(watch);
            if drop {
                removed.push(key.clone());
                gone.push(Arc::clone(watch));
            }
            !drop
        });
        self.keep_told(&gone, now);
        if !removed.is_empty() {
            info!(
                watches = removed.len(),
                "watches dropped: nobody asked for them"
            );
            self.keep(WatchChange::Remove(removed));
            for (cluster, polled) in &self.clusters {
                self.tell_poller(cluster, polled);
            }
        }
        let records: Vec<_> = {
            let watches = self.read();
            let records = watches.iter().map(|(key, watch)| watch.record(key.clone()));
            records.collect()
        };
        if !records.is_empty() {
            self.keep(WatchChange::Put(records));
        }
    }

    /// What KEDA was told since this was last asked, in no order.
    pub fn take_told(&self) -> Vec<ToldChange> {
        let mut changes = std::mem::take(&mut *self.left());
        for watch in self.read().values() {
            watch.told.take(&mut changes);
        }
        changes
    }

    /// Is the watch of this key, if there is one, about `group`?
    pub fn covers(&self, key: &str, group: &str) -> bool {
        let watches = self.read();
        let watch = watches.get(key);
        watch.is_some_and(|watch| watch.trigger.covers(group))
    }

    fn keep_told(&self, gone: &[Arc<Watch>], now: TimestampMs) {
        let mut left = self.left();
        for watch in gone {
            watch.told.gone(now);
            watch.told.take(&mut left);
        }
        let excess = left.len().saturating_sub(MAX_LEFT);
        left.drain(..excess);
    }

    /// A full channel is a slow disk: what is lost is that a restart knows the
    /// watch, and the next sweep puts that right.
    fn keep(&self, change: WatchChange) {
        if let Err(cause) = self.changes.try_send(change) {
            debug!(%cause, "a change of watches waits for the next sweep");
        }
    }

    /// Collects anew what is to be polled. The watches are read while nobody
    /// else can add one to what is polled, so that none is lost.
    fn tell_poller(&self, cluster: &ClusterName, polled: &Polled) {
        polled.interest.send_modify(|interest| {
            let mut collected = polled.configured.clone();
            for watch in self.read().values() {
                if watch.trigger.cluster == *cluster {
                    watch.trigger.add_to(&mut collected, &polled.configured);
                }
            }
            *interest = Arc::new(collected);
        });
    }

    fn left(&self) -> MutexGuard<'_, Vec<ToldChange>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // A map of whole entries can't be left half changed by a panic elsewhere.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Arc<Watch>>> {
        self.watches.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Arc<Watch>>> {
        self.watches.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    fn new(trigger: Trigger, since: TimestampMs, last_asked: TimestampMs) -> Self {
        Self {
            told: ToldLog::of(trigger.watch_name()),
            trigger,
            since,
            last_asked_ms: AtomicI64::new(last_asked.0),
        }
    }

    /// Somebody asks for it.
    pub fn touch(&self, now: TimestampMs) {
        self.last_asked_ms.fetch_max(now.0, Ordering::Relaxed);
    }

    fn last_asked(&self) -> TimestampMs {
        TimestampMs(self.last_asked_ms.load(Ordering::Relaxed))
    }

    fn record(&self, key: String) -> WatchRecord {
        WatchRecord {
            key,
            metadata: self.trigger.metadata.clone(),
            last_asked: self.last_asked(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trigger::testing::*, *};
    use crate::model::Told;

    const MINUTE: i64 = 60_000;

    struct Setting {
        watches: Watches,
        interest: watch::Receiver<Arc<Interest>>,
        changes: mpsc::Receiver<WatchChange>,
    }

    fn setting(limit: usize) -> Setting {
        let (interest, interest_reader) = watch::channel(Arc::default());
        let (sender, changes) = mpsc::channel(16);
        let polled = Polled {
            configured: Interest::default(),
            interest,
            wake: Arc::default(),
        };
        let limits = WatchLimits {
            limit,
            time_to_live: Duration::from_secs(600),
        };
        Setting {
            watches: Watches::new(limits, BTreeMap::from([("main".into(), polled)]), sender),
            interest: interest_reader,
            changes,
        }
    }

    fn trigger(group: &str) -> Trigger {
        parse(&[("consumerGroup", group)], &rules(&["main"])).expect("valid")
    }

    #[test]
    fn what_is_asked_for_is_polled_until_nobody_asks() {
        let mut setting = setting(10);
        let watches = &setting.watches;
        watches.ask(trigger("a"), TimestampMs(0)).expect("room");
        watches.ask(trigger("b"), TimestampMs(0)).expect("room");
        assert_eq!(setting.interest.borrow().groups.len(), 2);

        watches
            .ask(trigger("b"), TimestampMs(9 * MINUTE))
            .expect("room");
        watches.sweep(TimestampMs(11 * MINUTE));
        let polled = setting.interest.borrow().clone();
        assert!(polled.groups.contains_key("b") && polled.groups.len() == 1);

        let mut removed = Vec::new();
        while let Ok(change) = setting.changes.try_recv() {
            if let WatchChange::Remove(keys) = change {
                removed.extend(keys);
            }
        }
        assert_eq!(removed, [trigger("a").key()]);
    }

    #[test]
    fn what_was_told_is_taken_once_and_ends_with_the_watch() {
        let setting = setting(10);
        let watches = &setting.watches;
        let watch = watches.ask(trigger("a"), TimestampMs(0)).expect("room");
        watches.ask(trigger("b"), TimestampMs(0)).expect("room");
        watch.told.active(TimestampMs(1), Some(true));
        let taken = watches.take_told();
        assert_eq!(taken.len(), 1);
        assert_eq!(*taken[0].watch, trigger("a").watch_name());
        assert_eq!(watches.take_told(), []);

        watches.sweep(TimestampMs(11 * MINUTE));
        let taken = watches.take_told();
        assert_eq!(taken.len(), 1, "nothing was told of the other");
        assert_eq!((taken[0].at.0, taken[0].told), (11 * MINUTE, Told::GONE));
    }

    #[test]
    fn a_watch_is_found_by_each_group_that_it_is_about() {
        let setting = setting(10);
        let rules = rules(&["main"]);
        for (pairs, covered, other) in [
            (
                &[("consumerGroup", "g"), ("includeHistoric", "true")][..],
                "g-historic",
                "g2",
            ),
            (
                &[
                    ("entityName", "plugin"),
                    ("pluginName", "jira"),
                    ("targetSize", "50"),
                ],
                "azul-jira-1",
                "azul-other",
            ),
        ] {
            let trigger = parse(pairs, &rules).expect("valid");
            let key = trigger.key();
            assert!(!setting.watches.covers(&key, covered), "not asked for yet");
            setting.watches.ask(trigger, TimestampMs(0)).expect("room");
            assert!(setting.watches.covers(&key, covered), "{covered}");
            assert!(!setting.watches.covers(&key, other), "{other}");
        }
    }

    #[test]
    fn watches_come_back_from_their_records() {
        let mut before = setting(10);
        before
            .watches
            .ask(trigger("a"), TimestampMs(5))
            .expect("room");
        let Ok(WatchChange::Put(records)) = before.changes.try_recv() else {
            panic!("expected a record");
        };
        let after = setting(10);
        after
            .watches
            .restore(records, &rules(&["main"]), TimestampMs(100));
        assert_eq!(after.watches.len(), 1);
        assert!(after.interest.borrow().groups.contains_key("a"));
    }

    #[test]
    fn there_is_a_limit_to_what_can_be_asked() {
        let setting = setting(1);
        setting
            .watches
            .ask(trigger("a"), TimestampMs(0))
            .expect("room");
        assert!(setting.watches.ask(trigger("b"), TimestampMs(0)).is_err());
        assert!(setting.watches.ask(trigger("a"), TimestampMs(0)).is_ok());
    }
}
