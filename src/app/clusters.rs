//! The clusters and queues that are polled, each by a task of its own, so that one
//! that is slow delays no other, and none is held up while another comes or goes.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex},
};

use anyhow::anyhow;
use futures::{FutureExt as _, future::BoxFuture};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    kafka::RequestStats,
    model::{ClusterName, Interest, Tick},
    polling::{PollStats, Pollable, Schedule, poll_until_cancelled},
    scaler::Polled,
    sources::Ledger,
};

use super::poller::{NewPoller, Source};

/// How polling goes, by cluster or queue.
pub(super) type Polls = BTreeMap<ClusterName, Arc<PollStats>>;
/// What is asked of brokers, by cluster.
pub(super) type Requests = BTreeMap<ClusterName, Arc<RequestStats>>;

/// All of them.
pub(super) struct Clusters {
    clusters: BTreeMap<ClusterName, Cluster>,
    /// Each tells its cluster, and whether it was asked to end.
    tasks: JoinSet<(ClusterName, bool)>,
    ticks: mpsc::Sender<Tick>,
    shutdown: CancellationToken,
}

struct Cluster {
    configured: Interest,
    interest: watch::Sender<Arc<Interest>>,
    wake: Arc<Notify>,
    stats: Arc<PollStats>,
    told: Told,
    cancel: CancellationToken,
    /// Cancelled when there will be no more ticks.
    ended: CancellationToken,
}

/// What a poller shares.
enum Told {
    /// Of a cluster of Kafka's.
    Requests(Arc<RequestStats>),
    /// Of a queue, whose counts go on when its poller is replaced.
    Counts(Arc<Mutex<Ledger>>),
}

impl Clusters {
    /// None yet. Ticks go to `ticks`; `shutdown` ends all pollers.
    pub(super) fn new(ticks: mpsc::Sender<Tick>, shutdown: CancellationToken) -> Self {
        Self {
            clusters: BTreeMap::new(),
            tasks: JoinSet::new(),
            ticks,
            shutdown,
        }
    }

    /// How polling goes.
    pub(super) fn polls(&self) -> Polls {
        let stats =
            |(name, cluster): (&ClusterName, &Cluster)| (name.clone(), Arc::clone(&cluster.stats));
        self.clusters.iter().map(stats).collect()
    }

    /// What is asked of brokers.
    pub(super) fn requests(&self) -> Requests {
        let requests = |(name, cluster): (&ClusterName, &Cluster)| match &cluster.told {
            Told::Requests(requests) => Some((name.clone(), Arc::clone(requests))),
            Told::Counts(_) => None,
        };
        self.clusters.iter().filter_map(requests).collect()
    }

    /// Ends these pollers; when it returns, the last tick of each has been sent.
    /// One whose cluster `stays` is to be replaced, and its counts go on.
    pub(super) async fn end(
        &mut self,
        names: &[ClusterName],
        stays: impl Fn(&ClusterName) -> bool,
    ) {
        for name in names {
            if let Some(cluster) = self.clusters.get(name) {
                cluster.cancel.cancel();
                cluster.ended.cancelled().await;
            }
            if !stays(name) {
                self.clusters.remove(name);
            }
        }
    }

    /// Begins to poll. `tell` is given how each cluster's poller is told what to
    /// poll, and has told it when it returns: nothing is left out of the first
    /// cycle.
    pub(super) fn begin<T>(
        &mut self,
        mut pollers: Vec<NewPoller>,
        tell: impl FnOnce(BTreeMap<ClusterName, Polled>) -> T,
    ) -> T {
        for new in &mut pollers {
            let before = self.clusters.get(&new.cluster);
            let told = match (&mut new.source, before.map(|before| &before.told)) {
                (Source::Kafka(poller), _) => Told::Requests(poller.requests()),
                (Source::Queue(poller), before) => {
                    if let Some(Told::Counts(ledger)) = before {
                        poller.take_over(ledger);
                    }
                    Told::Counts(poller.ledger())
                }
            };
            let stats = before.map(|before| Arc::clone(&before.stats));
            let cluster = Cluster {
                configured: new.interest.clone(),
                interest: watch::Sender::new(Arc::new(new.interest.clone())),
                wake: Arc::default(),
                stats: stats.unwrap_or_default(),
                told,
                cancel: self.shutdown.child_token(),
                ended: CancellationToken::new(),
            };
            self.clusters.insert(new.cluster.clone(), cluster);
        }
        let told = tell(self.polled());
        for new in pollers {
            self.spawn(new);
        }
        told
    }

    /// The first poller that ends unasked; pending as long as none does.
    pub(super) async fn failure(&mut self) -> anyhow::Error {
        loop {
            match self.tasks.join_next().await {
                Some(Ok((_, true))) => {}
                Some(Ok((name, false))) => {
                    return anyhow!("the poller of {name} ended unasked");
                }
                Some(Err(cause)) => return anyhow!(cause).context("a poller broke down"),
                None => pending().await,
            }
        }
    }

    /// Waits until all have ended, after `shutdown`.
    pub(super) async fn ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    fn polled(&self) -> BTreeMap<ClusterName, Polled> {
        let polled = |(name, cluster): (&ClusterName, &Cluster)| {
            let polled = Polled {
                configured: cluster.configured.clone(),
                interest: cluster.interest.clone(),
                wake: Arc::clone(&cluster.wake),
            };
            (name.clone(), polled)
        };
        self.clusters.iter().map(polled).collect()
    }

    fn spawn(&mut self, new: NewPoller) {
        let cluster = &self.clusters[&new.cluster];
        let (cancel, ended) = (cluster.cancel.clone(), cluster.ended.clone().drop_guard());
        let polling = match new.source {
            Source::Kafka(poller) => self.polling(cluster, new.schedule, *poller),
            Source::Queue(poller) => self.polling(cluster, new.schedule, *poller),
        };
        self.tasks.spawn(async move {
            let _ended = ended;
            polling.await;
            (new.cluster, cancel.is_cancelled())
        });
    }

    fn polling(
        &self,
        cluster: &Cluster,
        schedule: Schedule,
        poller: impl Pollable + 'static,
    ) -> BoxFuture<'static, ()> {
        poll_until_cancelled(
            poller,
            schedule,
            cluster.interest.subscribe(),
            Arc::clone(&cluster.wake),
            self.ticks.clone(),
            Arc::clone(&cluster.stats),
            cluster.cancel.clone(),
        )
        .boxed()
    }
}
