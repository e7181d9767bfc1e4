//! One thing that is asked for, and what is told of it.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tonic::Status;
use tracing::info;

use crate::{
    board::Board,
    estimator::Parameters,
    model::{TimestampMs, WatchRecord},
};

use super::{
    answer::{Moment, NoAnswer, Picked},
    judged::{Answer, Judged, JudgedMetric, Missing},
    steady::Steady,
    told::ToldLog,
    trigger::{MetricSpec, Trigger},
};

/// One thing that is asked for.
#[derive(Debug)]
pub struct Watch {
    /// Since when the poller knows of it.
    polled_since_ms: AtomicI64,
    asked: RwLock<Arc<Asked>>,
    last_asked_ms: AtomicI64,
    open_streams: AtomicUsize,
    judged: RwLock<Option<Arc<Judged>>>,
    /// Is there anything to do, as far as that is known?
    activity: watch::Sender<Option<bool>>,
    /// `None`: it does not fit the configuration any more.
    specs: watch::Sender<Option<Vec<MetricSpec>>>,
    was_told_without_commits: AtomicBool,
    /// Since when it is about these groups: an older tick tells nothing of them.
    asked_since_ms: AtomicI64,
    /// Is the name of its plugin one that can't be read at present?
    name_is_stale: AtomicBool,
    /// Whatever the configuration, the same metadata asks in the same way.
    picks_groups: bool,
}

/// What is asked, and what was told of it.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub trigger: Trigger,
    /// What KEDA was told, by metric.
    pub(super) told: Vec<ToldLog>,
    /// By metric.
    steady: Mutex<Vec<Steady>>,
}

impl Asked {
    fn of(trigger: Trigger, was_active: bool) -> Self {
        let names = trigger.watch_names().into_iter();
        let steady = trigger.metrics.iter().map(|_| Steady::new(was_active));
        Self {
            told: names.map(ToldLog::of).collect(),
            steady: Mutex::new(steady.collect()),
            trigger,
        }
    }

    fn was_active(&self) -> bool {
        self.steady.lock().iter().any(Steady::was_active)
    }

    /// The places of the metric called `name`; without a name, of all.
    pub(super) fn places(&self, name: &str) -> Result<Range<usize>, Status> {
        let metrics = &self.trigger.metrics;
        if name.is_empty() {
            return Ok(0..metrics.len());
        }
        if let Some(place) = metrics.iter().position(|metric| metric.name == name) {
            return Ok(place..place + 1);
        }
        let shown: String = name.chars().take(80).collect();
        let names = metrics.iter().map(|metric| format!("{:?}", metric.name));
        let names = names.collect::<Vec<_>>().join(" or ");
        let message = format!("metricName is {shown:?}, accepted is {names}");
        Err(Status::invalid_argument(message))
    }

    /// What was known at the newest tick and is too old at `now`.
    fn what_expired(&self, board: &Board, parameters: &Parameters, now: TimestampMs) -> String {
        let Trigger {
            cluster, metrics, ..
        } = &self.trigger;
        let mut causes = board.cluster(cluster).into_iter().flat_map(|snapshot| {
            let moment = Moment {
                cluster,
                snapshot,
                parameters,
                at: now,
            };
            let readings = metrics.iter();
            readings.map(move |metric| metric.read(&mut Picked::default(), moment))
        });
        let cause = causes.find_map(Result::err);
        cause.map_or_else(
            || "what is asked has just changed".to_owned(),
            |cause| cause.0,
        )
    }

    fn judge(&self, board: &Board, parameters: &Parameters) -> Judged {
        let Trigger {
            cluster, metrics, ..
        } = &self.trigger;
        let Some(snapshot) = board.cluster(cluster) else {
            let unread = || NoAnswer(format!("cluster {cluster:?} has not been read yet"));
            let judged = metrics.iter().map(|_| JudgedMetric::of(Err(unread())));
            return Judged {
                tick: None,
                metrics: judged.collect(),
                is_without_commits: false,
            };
        };
        let mut steady = self.steady.lock();
        let judged = metrics.iter().zip(steady.iter_mut());
        let judged =
            judged.map(|(metric, steady)| steady.judge(metric, cluster, snapshot, parameters));
        let judged: Vec<_> = judged.collect();
        let without_commits = |told: &Result<super::steady::Told, _>| {
            told.as_ref().is_ok_and(|told| told.is_without_commits)
        };
        Judged {
            tick: snapshot.as_of(),
            is_without_commits: judged.iter().all(without_commits),
            metrics: judged.into_iter().map(JudgedMetric::of).collect(),
        }
    }
}

impl Watch {
    /// One that was last asked for then, and of which KEDA was told then whether
    /// it is active.
    pub(super) fn new(trigger: Trigger, last_asked: TimestampMs, was_active: bool) -> Self {
        let picks_groups = trigger.picks_groups();
        Self {
            polled_since_ms: AtomicI64::new(i64::MAX),
            specs: watch::Sender::new(Some(trigger.specs())),
            asked: RwLock::new(Arc::new(Asked::of(trigger, was_active))),
            last_asked_ms: AtomicI64::new(last_asked.0),
            open_streams: AtomicUsize::new(0),
            judged: RwLock::default(),
            activity: watch::Sender::new(None),
            was_told_without_commits: AtomicBool::new(false),
            asked_since_ms: AtomicI64::new(i64::MIN),
            name_is_stale: AtomicBool::new(false),
            picks_groups,
        }
    }

    /// What is asked.
    pub fn asked(&self) -> Arc<Asked> {
        Arc::clone(&self.asked.read())
    }

    /// Does it pick groups by a rule, and not by name?
    pub(super) fn picks_groups(&self) -> bool {
        self.picks_groups
    }

    /// The poller has been told of it, so that a tick which begins from now on
    /// has a sample.
    pub(super) fn is_polled(&self, now: TimestampMs) {
        self.polled_since_ms.fetch_min(now.0, Ordering::Relaxed);
    }

    /// Could what was judged have a sample of it?
    pub(super) fn is_sampled(&self, judged: &Judged) -> bool {
        let since = self.polled_since_ms.load(Ordering::Relaxed);
        judged.tick.is_some_and(|tick| tick.0 >= since)
    }

    /// Were its groups looked for when that was read which was judged? If not, that
    /// there are none of them is no finding, nor are some of other ones.
    pub(super) fn looked_for_its_groups(&self, judged: &Judged) -> bool {
        let since = self.asked_since_ms.load(Ordering::Relaxed);
        let is_since = judged.tick.is_none_or(|tick| tick.0 >= since);
        let has_none = self.picks_groups && judged.is_without_commits;
        is_since && (!has_none || self.is_sampled(judged))
    }

    /// Is the name of its plugin one that can't be read at present?
    pub(super) fn has_stale_name(&self) -> bool {
        self.name_is_stale.load(Ordering::Relaxed)
    }

    pub(super) fn flag_name(&self, is_stale: bool) {
        self.name_is_stale.store(is_stale, Ordering::Relaxed);
    }

    /// Somebody asks for it.
    pub(super) fn touch(&self, now: TimestampMs) {
        self.last_asked_ms.fetch_max(now.0, Ordering::Relaxed);
    }

    pub(super) fn last_asked(&self) -> TimestampMs {
        TimestampMs(self.last_asked_ms.load(Ordering::Relaxed))
    }

    /// Has nobody asked for it for so long? Whoever holds a stream open asks all
    /// the time.
    pub(super) fn has_expired(&self, now: TimestampMs, time_to_live: Duration) -> bool {
        if self.open_streams.load(Ordering::Relaxed) > 0 {
            self.touch(now);
        }
        now.since(self.last_asked()) > time_to_live
    }

    pub(super) fn record(&self, key: String) -> WatchRecord {
        WatchRecord {
            key,
            metadata: self.asked().trigger.metadata.clone(),
            last_asked: self.last_asked(),
        }
    }

    /// Judges it after a tick of its cluster. One that has been judged since
    /// stays as it is.
    pub(super) fn judge(&self, board: &Board, parameters: &Parameters) {
        let asked = self.asked();
        let newest = board.cluster(&asked.trigger.cluster);
        let newest = newest.and_then(|snapshot| snapshot.as_of());
        if self.judged().is_none_or(|judged| judged.tick != newest) {
            self.judge_anew(&asked, board, parameters);
        }
    }

    /// Judges it by what has been read already, since it never was.
    pub(super) fn judge_first(&self, board: &Board, parameters: &Parameters) -> Arc<Judged> {
        self.judge_anew(&self.asked(), board, parameters)
    }

    /// Why there is no answer, in a sentence.
    pub(super) fn reason(
        &self,
        missing: Missing,
        board: &Board,
        parameters: &Parameters,
        now: TimestampMs,
    ) -> String {
        match missing {
            Missing::NoAnswer(cause) => cause.to_string(),
            Missing::Expired => self.asked().what_expired(board, parameters, now),
        }
    }

    /// What is told of it since it was judged last.
    pub(super) fn judged(&self) -> Option<Arc<Judged>> {
        self.judged.read().clone()
    }

    fn judge_anew(&self, asked: &Asked, board: &Board, parameters: &Parameters) -> Arc<Judged> {
        let judged = Arc::new(asked.judge(board, parameters));
        *self.judged.write() = Some(Arc::clone(&judged));
        self.tell_without_commits(&judged, asked);
        // Unknown is not told: whoever listens keeps what was told last.
        if let Some(tick) = judged.tick
            && let Ok(active) = judged.is_active(parameters, tick)
        {
            self.activity.send_if_modified(|known| {
                let changed = *known != Some(active.told);
                *known = Some(active.told);
                changed
            });
        }
        judged
    }

    /// A name that is not right looks like a group that has nothing to do.
    fn tell_without_commits(&self, judged: &Judged, asked: &Asked) {
        let told = self
            .was_told_without_commits
            .swap(judged.is_without_commits, Ordering::Relaxed);
        if judged.is_without_commits && !told {
            let watch = asked.trigger.key();
            info!(
                watch,
                "no group that it is about has committed anything: counted as KEDA does"
            );
        }
    }

    /// Follows whether there is anything to do; `None` while that is not known.
    pub(super) fn activity(&self) -> watch::Receiver<Option<bool>> {
        self.activity.subscribe()
    }

    /// Follows the specs; `None` when it does not fit the configuration any more.
    pub(super) fn specs(&self) -> watch::Receiver<Option<Vec<MetricSpec>>> {
        self.specs.subscribe()
    }

    /// Takes over what the same metadata asks for under another configuration, or
    /// under another name of its plugin. What was told before ends with what was
    /// asked.
    pub(super) fn ask_otherwise(&self, trigger: Trigger, now: TimestampMs) -> Arc<Asked> {
        let specs = trigger.specs();
        if !trigger.is_of_the_same_groups(&self.asked().trigger) {
            self.asked_since_ms.store(now.0, Ordering::Relaxed);
        }
        let was_active = self.asked().was_active();
        let asked = Arc::new(Asked::of(trigger, was_active));
        let before = std::mem::replace(&mut *self.asked.write(), asked);
        *self.judged.write() = None;
        self.specs.send_if_modified(|known| {
            let changed = known.as_ref() != Some(&specs);
            *known = Some(specs);
            changed
        });
        before
    }

    /// Judges it anew after the next tick, whenever it was judged last.
    pub(super) fn forget_judgement(&self) {
        *self.judged.write() = None;
    }

    /// Ends the streams of a watch that does not fit any more.
    pub(super) fn end_streams(&self) {
        self.specs.send_replace(None);
    }
}

/// Counts a stream of a watch for as long as it is open.
#[derive(Debug)]
pub(super) struct OpenStream(Arc<Watch>);

impl OpenStream {
    pub(super) fn of(watch: &Arc<Watch>) -> Self {
        watch.open_streams.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(watch))
    }

    pub(super) fn watch(&self) -> &Arc<Watch> {
        &self.0
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open_streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Judged {
    /// Is there anything to do for any of the metrics? That there is not, all
    /// must say.
    pub(super) fn is_active(
        &self,
        parameters: &Parameters,
        now: TimestampMs,
    ) -> Result<Answer<bool>, Missing> {
        let mut idle = None;
        let mut missing = None;
        for metric in &self.metrics {
            match metric.is_active(parameters, now) {
                Ok(answer) if answer.told => return Ok(answer),
                Ok(answer) => idle = Some(answer),
                Err(cause) => missing = Some(cause),
            }
        }
        match (missing, idle) {
            (None, Some(answer)) => Ok(answer),
            (Some(cause), _) => Err(cause),
            (None, None) => unreachable!("a trigger has a metric"),
        }
    }
}
