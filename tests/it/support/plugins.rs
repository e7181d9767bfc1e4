//! A stage for stories about Azul's plugins: a broker with their groups, and a
//! scaler that looks their names up.

use std::path::Path;

use tempfile::TempDir;
use tidegauge::{
    kafka::EmbeddedCluster,
    proto::{GetMetricsRequest, GetMetricsResponse},
};
use tonic::{Response, Status};

use super::{
    eventually,
    scaler::{Scaler, configuration, named_groups, scaled_object},
};

/// Groups by what they are called and how many records they are behind.
pub(crate) const GROUPS: [(&str, i64); 3] = [
    ("azul-live-jira", 10),
    ("azul-moved-jira", 40),
    ("azul-live-git", 25),
];

/// A broker with the groups, and a folder for the scaler.
pub(crate) struct Stage {
    pub(crate) cluster: EmbeddedCluster,
    data_dir: TempDir,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let cluster = EmbeddedCluster::start(1).unwrap();
        cluster.create_topic("events", 1).unwrap();
        let producer = cluster.producer().unwrap();
        producer.send("events", Some(0), 100).unwrap();
        producer.flush().unwrap();
        for (group, behind) in GROUPS {
            let commit = ("events", 0, 100 - behind);
            cluster.commit_offsets(group, &[commit]).await.unwrap();
        }
        let data_dir = tempfile::tempdir().unwrap();
        Self { cluster, data_dir }
    }

    /// The configuration of a scaler whose plugins are looked up as `redis` says.
    pub(crate) fn configuration(&self, redis: &str) -> String {
        let groups: Vec<_> = GROUPS.iter().map(|(group, _)| (*group, "events")).collect();
        let groups = named_groups(&groups);
        let azul = format!(
            "[azul]\ngroup_prefix = 'azul-'\n[azul.redis]\nrefresh = '1s'\n\
             timeout = '500ms'\n{redis}\n"
        );
        let servers = self.cluster.bootstrap_servers();
        configuration(self.data_dir(), &servers, &format!("{groups}{azul}"))
    }

    /// Starts it.
    pub(crate) fn scaler(&self, redis: &str) -> Scaler {
        Scaler::start(&self.configuration(redis))
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }
}

/// The keys of a plugin's ScaledObject.
pub(crate) fn trigger(plugin: &str) -> [(&str, &str); 3] {
    [
        ("entityName", "plugin"),
        ("pluginName", plugin),
        ("targetSize", "50"),
    ]
}

/// What KEDA is told of a plugin's backlog, in one call.
pub(crate) async fn asked(
    scaler: &Scaler,
    plugin: &str,
) -> Result<Response<GetMetricsResponse>, Status> {
    let request = GetMetricsRequest {
        scaled_object_ref: Some(scaled_object(&trigger(plugin))),
        metric_name: "backlog".to_owned(),
    };
    scaler.client().await.get_metrics(request).await
}

/// The value in an answer.
pub(crate) fn value(response: &Response<GetMetricsResponse>) -> f64 {
    response.get_ref().metric_values[0].metric_value_float
}

/// Is the answer marked as that of a plugin whose name can't be read?
pub(crate) fn is_marked(response: &Response<GetMetricsResponse>) -> bool {
    let mark = response.metadata().get("tidegauge-plugin-name");
    mark.is_some_and(|mark| mark == "stale")
}

/// Waits until a plugin's backlog is this, with or without the mark.
pub(crate) async fn backlog_becomes(scaler: &Scaler, plugin: &str, expected: f64, marked: bool) {
    let what = format!("{plugin} has a backlog of {expected}, marked: {marked}");
    eventually(&what, async || {
        let response = asked(scaler, plugin).await.ok()?;
        let is_it = value(&response) == expected && is_marked(&response) == marked;
        is_it.then_some(())
    })
    .await;
}

/// The first refusal of a plugin.
pub(crate) async fn refusal(scaler: &Scaler, plugin: &str) -> Status {
    asked(scaler, plugin).await.unwrap_err()
}
