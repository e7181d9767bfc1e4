//! Events as text.

use std::sync::Arc;

use axum::body::Bytes;
use serde::Serialize;

use crate::model::{ClusterName, GroupId};

use super::super::overview::{ClusterSummary, Overview, Summary};

/// Of more, those that need attention most; the listener is told that some are
/// left off.
const MAX_GROUPS: usize = 500;

/// Whom a listener wants to hear of; `None`: all.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) cluster: Option<ClusterName>,
    pub(super) group: Option<GroupId>,
}

#[derive(Debug, Serialize)]
struct VersionJson<'a> {
    version: i64,
    clusters: Vec<&'a ClusterSummary>,
}

#[derive(Debug, Serialize)]
struct TickJson<'a> {
    version: i64,
    clusters: Vec<&'a ClusterSummary>,
    groups: &'a [&'a Summary],
    gone: Vec<[&'a str; 2]>,
    /// How many more groups changed.
    left_off: usize,
}

/// Which is the newest.
pub(super) fn version(overview: &Overview) -> Bytes {
    let json = VersionJson {
        version: overview.version,
        clusters: overview.clusters().collect(),
    };
    text("version", overview.version, &json)
}

impl Filter {
    /// What changed; for who wants to hear of all it is made once.
    pub(super) fn tick(&self, overview: &Overview) -> Bytes {
        if self.cluster.is_some() || self.group.is_some() {
            return self.tick_text(overview);
        }
        let told = overview.told.get_or_init(|| self.tick_text(overview));
        told.clone()
    }

    fn tick_text(&self, overview: &Overview) -> Bytes {
        let changes = &overview.changes;
        let groups = changes.groups.iter();
        let groups = groups.map(Arc::as_ref);
        let groups: Vec<_> = groups
            .filter(|one| self.picks(&one.cluster, &one.group))
            .collect();
        let (told, left_off) = groups.split_at(groups.len().min(MAX_GROUPS));
        let gone = changes.gone.iter();
        let gone = gone.filter(|(cluster, group)| self.picks(cluster, group));
        let json = TickJson {
            version: overview.version,
            clusters: overview.clusters().collect(),
            groups: told,
            gone: gone
                .map(|(cluster, group)| [cluster.as_str(), group.as_str()])
                .collect(),
            left_off: left_off.len(),
        };
        text("tick", overview.version, &json)
    }

    fn picks(&self, cluster: &ClusterName, group: &GroupId) -> bool {
        self.cluster.as_ref().is_none_or(|name| name == cluster)
            && self.group.as_ref().is_none_or(|name| name == group)
    }
}

/// JSON has no line break that is not escaped.
fn text(name: &str, version: i64, json: &impl Serialize) -> Bytes {
    let json = serde_json::to_string(json).expect("keys are text");
    format!("id: {version}\nevent: {name}\ndata: {json}\n\n").into()
}
