//! What Lakerunner's service types stand for.

use std::collections::BTreeMap;

use crate::model::{ClusterName, GroupId, TopicName};

use super::{ClusterConfig, GROUP_CHARS, groups::is_topic, section::Section};

const MAX_SERVICES: usize = 1_000;
const MAX_NAME_CHARS: usize = 63;
/// Lakerunner's own default.
const DEFAULT_TARGET: f64 = 100.0;

/// `[services.NAME]`: what `serviceType: NAME` stands for in the ScaledObjects
/// that were written for Lakerunner's scaler.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceConfig {
    /// In which cluster. May be left out while there is only one;
    /// `TIDEGAUGE_SERVICES__NAME__CLUSTER`.
    pub cluster: ClusterName,
    /// The consumer group. Required; `TIDEGAUGE_SERVICES__NAME__GROUP`.
    pub group: GroupId,
    /// The topic that it reads. Required; `TIDEGAUGE_SERVICES__NAME__TOPIC`.
    pub topic: TopicName,
    /// Records behind that one replica is to bear, above 0. Default 100;
    /// `TIDEGAUGE_SERVICES__NAME__TARGET`.
    pub target: f64,
}

/// The services by name; 1 to 63 of a-z, 0-9, `-`, `_` and `.` each.
pub(super) fn read_all(
    section: &mut Section<'_>,
    clusters: &BTreeMap<ClusterName, ClusterConfig>,
) -> BTreeMap<String, ServiceConfig> {
    let items = section.items();
    if items.len() > MAX_SERVICES {
        let found = format!("{} services", items.len());
        section.refuse_whole(found, format!("at most {MAX_SERVICES} of [services.NAME]"));
    }
    if clusters.is_empty() && !items.is_empty() {
        let accepted = "no services, or [clusters.NAME] that they are in";
        section.refuse_whole("there is no cluster".to_owned(), accepted);
    }
    let mut services = BTreeMap::new();
    for item in items {
        if !is_service_name(&item.name) {
            let accepted = format!("a name, 1 to {MAX_NAME_CHARS} of a-z, 0-9, -, _ and .");
            section.refuse_item_unseen(&item, "this name", accepted);
            continue;
        }
        let service = section.item_table(&item, |section| service(section, clusters));
        if let Some(service) = service {
            services.insert(item.name, service);
        }
    }
    services
}

/// `None`: the mistakes say why.
fn service(
    section: &mut Section<'_>,
    clusters: &BTreeMap<ClusterName, ClusterConfig>,
) -> Option<ServiceConfig> {
    let cluster = cluster(section, clusters);
    let group = section.text("group", GROUP_CHARS);
    section.require("group", "the id of a group");
    let topic = section.text("topic", 1..=usize::MAX);
    section.require("topic", "the name of a topic");
    if topic.as_deref().is_some_and(|topic| !is_topic(topic)) {
        section.refuse("topic", "a topic, 1 to 249 of a-z, A-Z, 0-9, ., _ and -");
    }
    let target = section.above_zero("target", DEFAULT_TARGET);
    Some(ServiceConfig {
        cluster: cluster?,
        group: group?.into(),
        topic: topic?.into(),
        target,
    })
}

fn cluster(
    section: &mut Section<'_>,
    clusters: &BTreeMap<ClusterName, ClusterConfig>,
) -> Option<ClusterName> {
    let known = || {
        let names = clusters.keys().map(|name| format!("{:?}", name.as_str()));
        names.collect::<Vec<_>>().join(" or ")
    };
    let Some(name) = section.text("cluster", 1..=usize::MAX) else {
        if clusters.len() > 1 {
            section.require("cluster", known());
        }
        return clusters.keys().next().cloned();
    };
    let found = clusters.keys().find(|cluster| cluster.as_str() == name);
    if found.is_none() {
        section.refuse("cluster", known());
    }
    found.cloned()
}

fn is_service_name(name: &str) -> bool {
    let is_legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=MAX_NAME_CHARS).contains(&name.len()) && name.bytes().all(is_legal)
}
