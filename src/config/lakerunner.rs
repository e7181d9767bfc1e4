//! What Lakerunner's own service types stand for.

use crate::model::ClusterName;

use super::{names::Names, section::Section};

/// Its service types with group and topic: those of its scaler's README, and
/// those of later releases, whose boxers read what comes in and leave the rest
/// to workers.
pub(super) const SERVICES: [(&str, &str, &str); 14] = [
    (
        "boxer-ingest-logs",
        "lakerunner.ingest.logs",
        "lakerunner.objstore.ingest.logs",
    ),
    (
        "boxer-ingest-metrics",
        "lakerunner.ingest.metrics",
        "lakerunner.objstore.ingest.metrics",
    ),
    (
        "boxer-ingest-traces",
        "lakerunner.ingest.traces",
        "lakerunner.objstore.ingest.traces",
    ),
    (
        "boxer-compact-logs",
        "lakerunner.boxer.logs.compact",
        "lakerunner.boxer.logs.compact",
    ),
    (
        "boxer-compact-metrics",
        "lakerunner.boxer.metrics.compact",
        "lakerunner.boxer.metrics.compact",
    ),
    (
        "boxer-compact-traces",
        "lakerunner.boxer.traces.compact",
        "lakerunner.boxer.traces.compact",
    ),
    // That README writes a dot behind this topic; Lakerunner's topic has none.
    (
        "boxer-rollup-metrics",
        "lakerunner.boxer.metrics.rollup",
        "lakerunner.boxer.metrics.rollup",
    ),
    (
        "compact-logs",
        "lakerunner.compact.logs",
        "lakerunner.segments.logs.compact",
    ),
    (
        "compact-metrics",
        "lakerunner.compact.metrics",
        "lakerunner.segments.metrics.compact",
    ),
    (
        "compact-traces",
        "lakerunner.compact.traces",
        "lakerunner.segments.traces.compact",
    ),
    (
        "ingest-logs",
        "lakerunner.ingest.logs",
        "lakerunner.objstore.ingest.logs",
    ),
    (
        "ingest-metrics",
        "lakerunner.ingest.metrics",
        "lakerunner.objstore.ingest.metrics",
    ),
    (
        "ingest-traces",
        "lakerunner.ingest.traces",
        "lakerunner.objstore.ingest.traces",
    ),
    (
        "rollup-metrics",
        "lakerunner.rollup.metrics",
        "lakerunner.segments.metrics.rollup",
    ),
];

/// `[lakerunner]`: answers for ScaledObjects that were written for Lakerunner's
/// scaler.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LakerunnerConfig {
    /// `services`: `default`, Lakerunner's own service types are known, or
    /// `none`, only those under `[services]`. Default `none`;
    /// `TIDEGAUGE_LAKERUNNER__SERVICES`.
    pub has_default_services: bool,
    /// The cluster of services that name none. Default: the only one;
    /// `TIDEGAUGE_LAKERUNNER__CLUSTER`.
    pub cluster: Option<ClusterName>,
    /// The queue whose tasks `serviceType: worker-TASK` stands for. Default: the
    /// only one; `TIDEGAUGE_LAKERUNNER__QUEUE`.
    pub queue: Option<ClusterName>,
}

impl LakerunnerConfig {
    pub(super) fn read(section: &mut Section<'_>, clusters: Names<'_>, queues: Names<'_>) -> Self {
        let choices = [("default", true), ("none", false)];
        let has_default_services = section.choice("services", &choices) == Some(true);
        let cluster = clusters.named(section);
        if has_default_services && clusters.only().is_none() {
            section.require(clusters.key, clusters.accepted());
        }
        Self {
            has_default_services,
            cluster,
            queue: queues.named(section),
        }
    }
}
