//! What has been asked for: each request keeps its watch alive, and a watch
//! keeps its groups polled.

mod named;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, mpsc, watch};
use tracing::{debug, info, warn};

use crate::{
    board::Board,
    estimator::Parameters,
    model::{ClusterName, Interest, KeptWatches, TimestampMs, ToldChange, WatchChange},
};

use super::{
    access::{Access, Denied},
    metadata::BadMetadata,
    requests::Requests,
    settings::Settings,
    trigger::{NoTrigger, Trigger},
    watch::{Asked, Watch},
};

/// Changes of watches that have gone which wait for the recorder. More wait only
/// while it is stuck; then the oldest are lost.
const MAX_LEFT: usize = 100_000;

/// Why there is no watch for a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Its metadata is no trigger's.
    #[error(transparent)]
    BadMetadata(#[from] BadMetadata),
    /// Its namespace may not ask for it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// What the plugin's groups are called is still to be looked up.
    #[error("pluginName is {plugin:?}, whose name is not known yet")]
    Unnamed {
        /// The plugin.
        plugin: String,
    },
    /// There is no room for another watch.
    #[error("there are {limit} watches already, the most that watches.limit allows")]
    TooManyWatches {
        /// So many.
        limit: usize,
    },
}

impl From<NoTrigger> for AskError {
    fn from(cause: NoTrigger) -> Self {
        match cause {
            NoTrigger::BadMetadata(mistakes) => Self::BadMetadata(mistakes),
            NoTrigger::Unnamed { plugin } => Self::Unnamed { plugin },
        }
    }
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
    settings: RwLock<Arc<Settings>>,
    clusters: RwLock<BTreeMap<ClusterName, Polled>>,
    changes: mpsc::Sender<WatchChange>,
    watches: RwLock<HashMap<String, Arc<Watch>>>,
    requests: Requests,
    /// Counts how often all have been judged.
    rounds: watch::Sender<u64>,
    /// Which namespaces may ask for what; sent anew with each configuration,
    /// when watches are what they are under it.
    access: watch::Sender<Arc<Access>>,
    /// How far back the longest window of a watch reaches.
    looks_back: watch::Sender<Duration>,
    /// What was told of watches that have gone, until the recorder takes it.
    left: Mutex<Vec<ToldChange>>,
}

impl Watches {
    /// No watches yet. Changes that are to be kept go to `changes`.
    pub fn new(
        settings: Arc<Settings>,
        clusters: BTreeMap<ClusterName, Polled>,
        changes: mpsc::Sender<WatchChange>,
    ) -> Self {
        let requests = Requests::default();
        requests.begin(!settings.access.is_open());
        Self {
            access: watch::Sender::new(Arc::clone(&settings.access)),
            settings: RwLock::new(settings),
            clusters: RwLock::new(clusters),
            changes,
            watches: RwLock::default(),
            requests,
            rounds: watch::Sender::new(0),
            looks_back: watch::Sender::new(Duration::ZERO),
            left: Mutex::default(),
        }
    }

    /// How the scaler is set at present.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read())
    }

    /// How readings are judged at present.
    pub(super) fn parameters(&self) -> Parameters {
        self.settings.read().parameters
    }

    /// Takes in the watches that the store kept, and which of them KEDA was last
    /// told to be active. One that the configuration has made impossible is left
    /// out, and forgotten at the next sweep.
    pub fn restore(&self, kept: KeptWatches, now: TimestampMs) {
        let settings = self.settings();
        let mut restored = 0_usize;
        for record in kept.records.into_iter().take(settings.limits.limit) {
            let metadata = record.metadata.into_iter().collect();
            match Trigger::parse(&metadata, &settings.rules) {
                Ok(trigger) => {
                    restored += 1;
                    self.look_back(&trigger);
                    let was_active = kept.active.contains(&record.key);
                    let watch = Watch::new(trigger, record.last_asked, was_active);
                    watch.flag_name(self.has_stale_name(&watch.asked().trigger));
                    self.watches.write().insert(record.key, Arc::new(watch));
                }
                Err(cause) => {
                    warn!(watch = record.key, %cause, "a watch does not fit the configuration");
                    self.keep(WatchChange::Remove(vec![record.key]));
                }
            }
        }
        info!(watches = restored, "watches restored");
        self.tell_pollers(now);
    }

    /// Goes on under another configuration: each watch is read anew. One that
    /// does not fit any more goes, and its streams end.
    pub fn reconfigure(
        &self,
        settings: Arc<Settings>,
        clusters: BTreeMap<ClusterName, Polled>,
        now: TimestampMs,
    ) {
        *self.settings.write() = settings;
        *self.clusters.write() = clusters;
        self.read_anew(|_| true, now);
        self.flag_names();
    }

    /// Reads the metadata of the watches that `concerns` picks once more. Those that
    /// ask otherwise go on so, and those that are none any more go.
    fn read_anew(&self, concerns: impl Fn(&Trigger) -> bool, now: TimestampMs) {
        let settings = self.settings();
        let mut gone = Vec::new();
        let mut removed = Vec::new();
        self.watches.write().retain(|key, watch| {
            let asked = watch.asked();
            if !concerns(&asked.trigger) {
                return true;
            }
            let metadata = asked.trigger.metadata.clone().into_iter().collect();
            match Trigger::parse(&metadata, &settings.rules) {
                Ok(trigger) if trigger == asked.trigger => watch.forget_judgement(),
                Ok(trigger) => {
                    self.look_back(&trigger);
                    gone.push(watch.ask_otherwise(trigger, now));
                }
                Err(cause) => {
                    warn!(watch = key, %cause, "a watch does not fit the configuration any more");
                    watch.end_streams();
                    removed.push(key.clone());
                    gone.push(asked);
                    return false;
                }
            }
            true
        });
        self.requests.begin(!settings.access.is_open());
        self.access.send_replace(Arc::clone(&settings.access));
        self.keep_told(&gone, now);
        if !removed.is_empty() {
            self.keep(WatchChange::Remove(removed));
        }
        self.tell_pollers(now);
    }

    /// Follows which namespaces may ask for what.
    pub(super) fn access(&self) -> watch::Receiver<Arc<Access>> {
        self.access.subscribe()
    }

    /// How many watches there are.
    pub fn len(&self) -> usize {
        self.watches.read().len()
    }

    /// There are no watches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them are about groups that have committed nothing.
    pub fn without_commits(&self) -> usize {
        let watches = self.watches.read();
        let judged = watches.values().filter_map(|watch| watch.judged());
        judged.filter(|judged| judged.is_without_commits).count()
    }

    /// Of how many KEDA is told that a reading is missing or too old.
    pub fn unknown(&self, now: TimestampMs) -> usize {
        let parameters = self.parameters();
        let watches = self.watches.read();
        let judged = watches.values().filter_map(|watch| watch.judged());
        judged
            .filter(|judged| !judged.is_known(&parameters, now))
            .count()
    }

    /// How many there may be at present.
    pub fn limit(&self) -> usize {
        self.settings.read().limits.limit
    }

    /// Calls that wait for a first sample: who waits is who is told of rounds.
    pub fn waiting_calls(&self) -> usize {
        self.rounds.receiver_count()
    }

    /// How the id of a historic group ends at present.
    pub fn historic_suffix(&self) -> String {
        self.settings.read().rules.historic_suffix.clone()
    }

    /// Follows how far back the longest window of a watch reaches.
    pub fn looks_back(&self) -> watch::Receiver<Duration> {
        self.looks_back.subscribe()
    }

    /// The watch that a ScaledObject in `namespace` asks for by `metadata`, from
    /// now on alive; a new one is polled at once. Of one that picks groups by a
    /// rule, it is still to be judged which those are.
    pub fn ask(
        &self,
        namespace: &str,
        metadata: &HashMap<String, String>,
        now: TimestampMs,
    ) -> Result<Arc<Watch>, AskError> {
        let generation = match self.requests.find(namespace, metadata) {
            Ok(watch) => {
                watch.touch(now);
                return Ok(watch);
            }
            Err(generation) => generation,
        };
        let settings = self.settings();
        settings.access.admit(namespace)?;
        let trigger = Trigger::parse(metadata, &settings.rules)?;
        settings.access.judge(namespace, &trigger)?;
        let limit = settings.limits.limit;
        let watch = self.find_or_insert(trigger, limit, now)?;
        self.requests
            .keep(generation, (namespace, metadata), &watch, limit);
        Ok(watch)
    }

    fn find_or_insert(
        &self,
        trigger: Trigger,
        limit: usize,
        now: TimestampMs,
    ) -> Result<Arc<Watch>, AskError> {
        let key = trigger.key();
        if let Some(watch) = self.watches.read().get(&key) {
            watch.touch(now);
            return Ok(Arc::clone(watch));
        }
        self.look_back(&trigger);
        let watch = self.insert(key, trigger, limit, now)?;
        let asked = watch.asked();
        watch.flag_name(self.has_stale_name(&asked.trigger));
        if let Some(polled) = self.clusters.read().get(&asked.trigger.cluster) {
            // Only added to: a thousand first requests don't collect all
            // watches a thousand times.
            polled.interest.send_modify(|interest| {
                let interest = Arc::make_mut(interest);
                asked.trigger.add_to(interest, &polled.configured);
            });
            watch.is_polled(TimestampMs::now());
            polled.wake.notify_one();
        }
        Ok(watch)
    }

    fn insert(
        &self,
        key: String,
        trigger: Trigger,
        limit: usize,
        now: TimestampMs,
    ) -> Result<Arc<Watch>, AskError> {
        let mut watches = self.watches.write();
        if watches.len() >= limit && !watches.contains_key(&key) {
            return Err(AskError::TooManyWatches { limit });
        }
        let watch = Arc::new(Watch::new(trigger, now, false));
        // Of two first requests at one time, one makes the watch.
        let watch = Arc::clone(watches.entry(key.clone()).or_insert(watch));
        drop(watches);
        self.keep(WatchChange::Put(vec![watch.record(key)]));
        Ok(watch)
    }

    /// Drops watches that nobody has asked for, and keeps of the others when
    /// they were last asked.
    pub fn sweep(&self, now: TimestampMs) {
        let time_to_live = self.settings().limits.time_to_live;
        let (mut removed, mut gone) = (Vec::new(), Vec::new());
        self.watches.write().retain(|key, watch| {
            let drop = watch.has_expired(now, time_to_live);
            if drop {
                removed.push(key.clone());
                gone.push(watch.asked());
            }
            !drop
        });
        self.keep_told(&gone, now);
        if !removed.is_empty() {
            info!(
                watches = removed.len(),
                "watches dropped: nobody asked for them"
            );
            self.requests.forget();
            self.keep(WatchChange::Remove(removed));
            self.tell_pollers(now);
        }
        let records: Vec<_> = {
            let watches = self.watches.read();
            let records = watches.iter().map(|(key, watch)| watch.record(key.clone()));
            records.collect()
        };
        if !records.is_empty() {
            self.keep(WatchChange::Put(records));
        }
    }

    /// Judges each watch whose cluster has a new tick.
    pub fn judge(&self, board: &Board) {
        let parameters = self.parameters();
        let watches: Vec<_> = self.watches.read().values().cloned().collect();
        for watch in watches {
            watch.judge(board, &parameters);
        }
        self.rounds
            .send_modify(|rounds| *rounds = rounds.wrapping_add(1));
    }

    /// Is told each time when all have been judged.
    pub(super) fn rounds(&self) -> watch::Receiver<u64> {
        self.rounds.subscribe()
    }

    /// What KEDA was told since this was last asked, in no order.
    pub fn take_told(&self) -> Vec<ToldChange> {
        let mut changes = std::mem::take(&mut *self.left.lock());
        for watch in self.watches.read().values() {
            for told in &watch.asked().told {
                told.take(&mut changes);
            }
        }
        changes
    }

    /// Is the watch of this key, if there is one, about `group`?
    pub fn covers(&self, key: &str, group: &str) -> bool {
        let watches = self.watches.read();
        let watch = watches.get(key);
        watch.is_some_and(|watch| watch.asked().trigger.covers(group))
    }

    fn keep_told(&self, gone: &[Arc<Asked>], now: TimestampMs) {
        let mut left = self.left.lock();
        for told in gone.iter().flat_map(|asked| &asked.told) {
            told.gone(now);
            told.take(&mut left);
        }
        let excess = left.len().saturating_sub(MAX_LEFT);
        left.drain(..excess);
    }

    fn look_back(&self, trigger: &Trigger) {
        let span = trigger.looks_back();
        self.looks_back.send_if_modified(|longest| {
            let is_longer = span > *longest;
            *longest = span.max(*longest);
            is_longer
        });
    }

    /// A full channel is a slow disk: what is lost is that a restart knows the
    /// watch, and the next sweep puts that right. `false`: it is full.
    fn keep(&self, change: WatchChange) -> bool {
        let sent = self.changes.try_send(change);
        if let Err(cause) = &sent {
            debug!(%cause, "a change of watches waits for the next sweep");
        }
        sent.is_ok()
    }

    /// Collects anew what is to be polled. The watches are read while nobody
    /// else can add one to what is polled, so that none is lost.
    fn tell_pollers(&self, now: TimestampMs) {
        for (cluster, polled) in &*self.clusters.read() {
            polled.interest.send_modify(|interest| {
                let mut collected = polled.configured.clone();
                for watch in self.watches.read().values() {
                    let asked = watch.asked();
                    if asked.trigger.cluster == *cluster {
                        asked.trigger.add_to(&mut collected, &polled.configured);
                    }
                }
                *interest = Arc::new(collected);
            });
        }
        for watch in self.watches.read().values() {
            watch.is_polled(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{testing::settings, trigger::testing::*},
        *,
    };
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
        Setting {
            watches: Watches::new(
                settings(&["main"], limit),
                BTreeMap::from([("main".into(), polled)]),
                sender,
            ),
            interest: interest_reader,
            changes,
        }
    }

    fn metadata(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|&(key, value)| (key.into(), value.into()))
            .collect()
    }

    fn group(group: &str) -> HashMap<String, String> {
        metadata(&[("consumerGroup", group)])
    }

    fn trigger(group: &str) -> Trigger {
        parse(&[("consumerGroup", group)], &rules(&["main"])).expect("valid")
    }

    #[test]
    fn what_is_asked_for_is_polled_until_nobody_asks() {
        let mut setting = setting(10);
        let watches = &setting.watches;
        watches.ask("n", &group("a"), TimestampMs(0)).expect("room");
        watches.ask("n", &group("b"), TimestampMs(0)).expect("room");
        assert_eq!(setting.interest.borrow().groups.len(), 2);

        watches
            .ask("n", &group("b"), TimestampMs(9 * MINUTE))
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
        let watch = watches.ask("n", &group("a"), TimestampMs(0)).expect("room");
        watches.ask("n", &group("b"), TimestampMs(0)).expect("room");
        watch.asked().told[0].active(TimestampMs(1), Some(true));
        let taken = watches.take_told();
        assert_eq!(taken.len(), 1);
        assert_eq!(*taken[0].watch, trigger("a").watch_names()[0]);
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
            let asked = setting.watches.ask("n", &metadata(pairs), TimestampMs(0));
            asked.expect("room");
            assert!(setting.watches.covers(&key, covered), "{covered}");
            assert!(!setting.watches.covers(&key, other), "{other}");
        }
    }

    #[test]
    fn watches_come_back_from_their_records() {
        let mut before = setting(10);
        before
            .watches
            .ask("n", &group("a"), TimestampMs(5))
            .expect("room");
        let Ok(WatchChange::Put(records)) = before.changes.try_recv() else {
            panic!("expected a record");
        };
        let after = setting(10);
        let kept = KeptWatches {
            records,
            ..KeptWatches::default()
        };
        after.watches.restore(kept, TimestampMs(100));
        assert_eq!(after.watches.len(), 1);
        assert!(after.interest.borrow().groups.contains_key("a"));
    }

    #[test]
    fn there_is_a_limit_to_what_can_be_asked() {
        let setting = setting(1);
        setting
            .watches
            .ask("n", &group("a"), TimestampMs(0))
            .expect("room");
        assert!(
            setting
                .watches
                .ask("n", &group("b"), TimestampMs(0))
                .is_err()
        );
        assert!(
            setting
                .watches
                .ask("n", &group("a"), TimestampMs(0))
                .is_ok()
        );
    }
}
