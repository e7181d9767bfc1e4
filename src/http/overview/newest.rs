//! The newest overview, made once for all who ask.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use axum::body::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{sync::OnceCell, time::Instant};
use utoipa::ToSchema;

use crate::{
    board::{Board, Snapshot},
    model::{ClusterName, GapScope, GroupId, TimestampMs},
};

use super::{
    super::{
        HttpState, Pages,
        error::ApiError,
        gate::Allowance,
        groups::was_read_lately,
        standing::{FreshnessJson, View},
    },
    summary::Summary,
};

/// However often clusters are polled, an overview stands for so long at least.
pub(in crate::http) const PAUSE: Duration = Duration::from_secs(1);
/// And for so long at most: what is not read any more grows stale without a tick.
const LONGEST: Duration = Duration::from_secs(10);

/// Makes overviews, one at a time.
#[derive(Debug, Default)]
pub(in crate::http) struct Overviews(Mutex<Arc<Making>>);

/// One that is made, or will be by the first who asks.
#[derive(Debug, Default)]
struct Making {
    before: Option<Arc<Overview>>,
    made: OnceCell<Arc<Overview>>,
}

/// All groups of all clusters as of one board.
#[derive(Debug)]
pub(in crate::http) struct Overview {
    /// When it was made, in milliseconds; no two have the same.
    pub(in crate::http) version: i64,
    /// Those that need attention first.
    pub(in crate::http) groups: Vec<Arc<Summary>>,
    pub(in crate::http) changes: Changes,
    /// What is told of the changes to who listens to all, made by the first.
    pub(in crate::http) told: OnceLock<Bytes>,
    pub(in crate::http) made: Instant,
    state: Arc<HttpState>,
    clusters: BTreeMap<ClusterName, OfCluster>,
}

/// What has changed from one overview to the next.
#[derive(Debug, Default)]
pub(in crate::http) struct Changes {
    /// The version of the one before.
    pub(in crate::http) since: Option<i64>,
    /// The groups that are new or told otherwise, in their order.
    pub(in crate::http) groups: Vec<Arc<Summary>>,
    pub(in crate::http) gone: Vec<(ClusterName, GroupId)>,
}

/// The groups of one cluster, as of one of its snapshots.
#[derive(Debug, Clone)]
struct OfCluster {
    summary: ClusterSummary,
    /// Which it was: not held, or a window's ticks would stay in memory for as
    /// long as nobody asks again.
    snapshot: Option<Weak<Snapshot>>,
    judged: Instant,
    groups: BTreeMap<GroupId, Arc<Summary>>,
}

/// A cluster as of its newest tick.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::http) struct ClusterSummary {
    cluster: String,
    #[schema(format = DateTime)]
    as_of: Option<String>,
    freshness: FreshnessJson,
    /// Why the whole cluster could not be read in that tick.
    reason: Option<String>,
}

impl Overviews {
    /// The newest, made if need be. Who comes while it is made waits for it.
    pub(in crate::http) async fn newest(&self, pages: &Pages) -> Result<Arc<Overview>, ApiError> {
        let state = pages.state();
        let making = self.making(&state);
        let make = async || {
            let before = making.before.clone();
            let work = move |allowance: &Allowance| Overview::make(state, before, allowance);
            pages.queries.run(work).await.map(Arc::new)
        };
        making.made.get_or_try_init(make).await.cloned()
    }

    fn making(&self, state: &Arc<HttpState>) -> Arc<Making> {
        let mut newest = self.0.lock();
        if let Some(made) = newest.made.get()
            && made.is_outdated(state)
        {
            *newest = Arc::new(Making {
                before: Some(Arc::clone(made)),
                made: OnceCell::new(),
            });
        }
        Arc::clone(&newest)
    }
}

impl Overview {
    fn make(
        state: Arc<HttpState>,
        before: Option<Arc<Self>>,
        allowance: &Allowance,
    ) -> Result<Self, ApiError> {
        let (board, now) = (state.newest_board(), TimestampMs::now());
        let mut clusters = BTreeMap::new();
        for name in &state.clusters {
            let snapshot = board.clusters().get(name);
            let known_before = before.as_ref().and_then(|before| before.clusters.get(name));
            let known = known_before.filter(|known| known.still_holds(snapshot));
            let of_cluster = match known {
                Some(known) => known.clone(),
                None => OfCluster::judge(&state, name, snapshot, known_before, now, allowance)?,
            };
            clusters.insert(name.clone(), of_cluster);
        }
        let mut groups: Vec<_> = clusters.values().flat_map(OfCluster::groups).collect();
        groups.sort_by(|one, other| one.before(other));
        let changes = Changes::between(before.as_deref(), &clusters, &groups);
        let after = changes.since.unwrap_or_default() + 1;
        Ok(Self {
            version: now.0.max(after),
            groups,
            changes,
            told: OnceLock::new(),
            made: Instant::now(),
            state,
            clusters,
        })
    }

    fn is_outdated(&self, state: &Arc<HttpState>) -> bool {
        let age = self.made.elapsed();
        let is_another = || {
            let board = state.newest_board();
            !Arc::ptr_eq(&self.state, state) || !self.is_of(&board)
        };
        age >= PAUSE && (age >= LONGEST || is_another())
    }

    fn is_of(&self, board: &Board) -> bool {
        let mut clusters = self.clusters.iter();
        clusters.all(|(name, cluster)| cluster.is_of(board.clusters().get(name)))
    }

    pub(in crate::http) fn clusters_of(&self, names: &[ClusterName]) -> Vec<&ClusterSummary> {
        let clusters = names.iter().filter_map(|name| self.clusters.get(name));
        clusters.map(|cluster| &cluster.summary).collect()
    }

    /// All that are configured.
    pub(in crate::http) fn clusters(&self) -> impl Iterator<Item = &ClusterSummary> {
        self.clusters.values().map(|cluster| &cluster.summary)
    }
}

impl Changes {
    fn between(
        before: Option<&Overview>,
        now: &BTreeMap<ClusterName, OfCluster>,
        groups: &[Arc<Summary>],
    ) -> Self {
        let Some(before) = before else {
            return Self::default();
        };
        let known = |one: &Summary| before.clusters.get(&one.cluster)?.groups.get(&one.group);
        let is_same = |one: &&Arc<Summary>| known(one).is_some_and(|known| known == *one);
        let is_gone = |one: &&Arc<Summary>| {
            let cluster = now.get(&one.cluster);
            cluster.is_none_or(|cluster| !cluster.groups.contains_key(&one.group))
        };
        let gone = before.groups.iter().filter(is_gone);
        Self {
            since: Some(before.version),
            groups: groups.iter().filter(|one| !is_same(one)).cloned().collect(),
            gone: gone
                .map(|one| (one.cluster.clone(), one.group.clone()))
                .collect(),
        }
    }
}

impl OfCluster {
    fn judge(
        state: &HttpState,
        cluster: &ClusterName,
        snapshot: Option<&Arc<Snapshot>>,
        before: Option<&Self>,
        now: TimestampMs,
        allowance: &Allowance,
    ) -> Result<Self, ApiError> {
        let parameters = &state.parameters;
        let freshness = |snapshot: &Arc<Snapshot>| FreshnessJson::of(snapshot, parameters, now);
        let as_of = snapshot.and_then(|snapshot| snapshot.as_of());
        let view = snapshot.map(|snapshot| View {
            cluster,
            snapshot,
            parameters,
            now,
        });
        Ok(Self {
            summary: ClusterSummary {
                cluster: cluster.to_string(),
                as_of: as_of.map(|at| at.to_string()),
                freshness: snapshot.map_or(FreshnessJson::Unknown, freshness),
                reason: snapshot.and_then(|snapshot| gap_of_all(snapshot)),
            },
            snapshot: snapshot.map(Arc::downgrade),
            judged: Instant::now(),
            groups: match view {
                Some(view) => summaries(&view, before, allowance)?,
                None => BTreeMap::new(),
            },
        })
    }

    fn groups(&self) -> impl Iterator<Item = Arc<Summary>> {
        self.groups.values().cloned()
    }

    fn is_of(&self, snapshot: Option<&Arc<Snapshot>>) -> bool {
        match (&self.snapshot, snapshot) {
            (Some(ours), Some(newest)) => Weak::as_ptr(ours) == Arc::as_ptr(newest),
            (ours, newest) => ours.is_none() && newest.is_none(),
        }
    }

    fn still_holds(&self, snapshot: Option<&Arc<Snapshot>>) -> bool {
        self.is_of(snapshot) && self.judged.elapsed() < LONGEST
    }
}

fn gap_of_all(snapshot: &Snapshot) -> Option<String> {
    let mut gaps = snapshot.gaps.iter();
    let gap = gaps.find(|gap| gap.scope == GapScope::Cluster);
    gap.map(ToString::to_string)
}

/// Of the groups that were read lately, and of those that would be if they
/// could: of these the newest tick has a gap, be it for ever so long.
fn summaries(
    view: &View<'_>,
    before: Option<&OfCluster>,
    allowance: &Allowance,
) -> Result<BTreeMap<GroupId, Arc<Summary>>, ApiError> {
    let mut missing = missing_groups(view.snapshot, before);
    let mut summaries = BTreeMap::new();
    for group in view.snapshot.window.index().groups().keys() {
        allowance.check()?;
        let is_missing = missing.remove(group);
        let estimate = view.estimate(group);
        if is_missing || estimate.as_ref().is_some_and(was_read_lately) {
            let summary = Summary::of(view, group, estimate.as_ref());
            summaries.insert(group.clone(), Arc::new(summary));
        }
    }
    for group in missing {
        let summary = Summary::of(view, group, None);
        summaries.insert(group.clone(), Arc::new(summary));
    }
    Ok(summaries)
}

/// If the whole cluster could not be read, all that were known before.
fn missing_groups<'a>(
    snapshot: &'a Snapshot,
    before: Option<&'a OfCluster>,
) -> BTreeSet<&'a GroupId> {
    if gap_of_all(snapshot).is_some() {
        let known = before.into_iter().flat_map(|before| before.groups.keys());
        return known.collect();
    }
    let gaps = snapshot.gaps.iter();
    let groups = gaps.filter_map(|gap| match &gap.scope {
        GapScope::Group(group) => Some(group),
        _ => None,
    });
    groups.collect()
}
