//! What Lakerunner's service types stand for.

use std::{collections::BTreeMap, ops::RangeInclusive};

use crate::model::{ClusterName, GroupId, MAX_TASK_CHARS, TopicName};

use super::{
    GROUP_CHARS,
    groups::is_topic,
    lakerunner::{LakerunnerConfig, SERVICES},
    names::Names,
    section::Section,
};

const MAX_SERVICES: usize = 1_000;
const MAX_NAME_CHARS: usize = 63;
/// Lakerunner's own default.
const DEFAULT_TARGET: f64 = 100.0;
/// What Lakerunner puts before the name of a task of its queue.
const WORKER: &str = "worker-";
const TASK_CHARS: RangeInclusive<usize> = 1..=MAX_TASK_CHARS;
const A_TASK: &str = "the name of a task, without control characters";

/// `[services.NAME]`: what `serviceType: NAME` stands for in the ScaledObjects
/// that were written for Lakerunner's scaler. A task of a queue, which is a group
/// with one topic of the same name, is written as `queue` and `task`.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceConfig {
    /// In which cluster, or queue. Default: the one of `[lakerunner]`;
    /// `TIDEGAUGE_SERVICES__NAME__CLUSTER`, `TIDEGAUGE_SERVICES__NAME__QUEUE`.
    pub cluster: ClusterName,
    /// The consumer group, or task. Required, unless the name is one of
    /// Lakerunner's own, or is `worker-` with the task behind it;
    /// `TIDEGAUGE_SERVICES__NAME__GROUP`, `TIDEGAUGE_SERVICES__NAME__TASK`.
    pub group: GroupId,
    /// The topic that it reads. Required with a group;
    /// `TIDEGAUGE_SERVICES__NAME__TOPIC`.
    pub topic: TopicName,
    /// Records or items behind that one replica is to bear, above 0. Default
    /// 100; `TIDEGAUGE_SERVICES__NAME__TARGET`.
    pub target: f64,
}

/// What a service may name.
pub(super) struct Known<'a> {
    pub clusters: Names<'a>,
    pub queues: Names<'a>,
    pub lakerunner: &'a LakerunnerConfig,
}

impl Known<'_> {
    /// The cluster of a service that names none.
    fn default_cluster(&self) -> Option<&ClusterName> {
        self.lakerunner.cluster.as_ref().or(self.clusters.only())
    }

    /// The queue of a task that names none.
    fn default_queue(&self) -> Option<&ClusterName> {
        self.lakerunner.queue.as_ref().or(self.queues.only())
    }
}

/// The services by name; 1 to 63 of a-z, 0-9, `-`, `_` and `.` each. Those of
/// `[lakerunner]` are among them.
pub(super) fn read_all(
    section: &mut Section<'_>,
    known: &Known<'_>,
) -> BTreeMap<String, ServiceConfig> {
    let items = section.items();
    if items.len() > MAX_SERVICES {
        let found = format!("{} services", items.len());
        section.refuse_whole(found, format!("at most {MAX_SERVICES} of [services.NAME]"));
    }
    let mut services = default_services(known);
    for item in items {
        if !is_service_name(&item.name) {
            let accepted = format!("a name, 1 to {MAX_NAME_CHARS} of a-z, 0-9, -, _ and .");
            section.refuse_item_unseen(&item, "this name", accepted);
            continue;
        }
        let default = services.remove(&item.name);
        let service = section.item_table(&item, |section| {
            service(section, &item.name, default, known)
        });
        if let Some(service) = service {
            services.insert(item.name, service);
        }
    }
    services
}

fn default_services(known: &Known<'_>) -> BTreeMap<String, ServiceConfig> {
    let cluster = known.default_cluster();
    let Some(cluster) = cluster.filter(|_| known.lakerunner.has_default_services) else {
        return BTreeMap::new();
    };
    let service = |(name, group, topic): (&str, &str, &str)| {
        let service = ServiceConfig {
            cluster: cluster.clone(),
            group: group.into(),
            topic: topic.into(),
            target: DEFAULT_TARGET,
        };
        (name.to_owned(), service)
    };
    SERVICES.map(service).into()
}

/// `None`: the mistakes say why. `default` is the one of Lakerunner's own.
fn service(
    section: &mut Section<'_>,
    name: &str,
    default: Option<ServiceConfig>,
    known: &Known<'_>,
) -> Option<ServiceConfig> {
    let target = section.above_zero("target", DEFAULT_TARGET);
    let has_any = |keys: &[&str]| keys.iter().any(|key| section.has(key));
    let task_of_name = name.strip_prefix(WORKER).filter(|task| !task.is_empty());
    let is_worker = task_of_name.is_some() && !has_any(&["group", "topic", "cluster"]);
    let service = if is_worker || has_any(&["queue", "task"]) {
        task(section, task_of_name, known)
    } else {
        group(section, default, known)
    };
    service.map(|service| ServiceConfig { target, ..service })
}

fn task(
    section: &mut Section<'_>,
    default: Option<&str>,
    known: &Known<'_>,
) -> Option<ServiceConfig> {
    for key in ["group", "topic", "cluster"] {
        if section.get_hidden(key).is_some() {
            section.refuse(key, "nothing beside a queue's task");
        }
    }
    let queue = known.queues.named_or(section, known.default_queue());
    let task = section.text("task", TASK_CHARS);
    if default.is_none() {
        section.require("task", A_TASK);
    }
    let task = task.as_deref().or(default)?;
    if task.chars().any(char::is_control) {
        section.refuse("task", A_TASK);
    }
    Some(ServiceConfig {
        cluster: queue?,
        group: task.into(),
        topic: task.into(),
        target: DEFAULT_TARGET,
    })
}

/// What of one of Lakerunner's own is not written is as it is there.
fn group(
    section: &mut Section<'_>,
    default: Option<ServiceConfig>,
    known: &Known<'_>,
) -> Option<ServiceConfig> {
    let cluster = known.clusters.named_or(section, known.default_cluster());
    let group = section.text("group", GROUP_CHARS).map(GroupId::from);
    let topic = section.text("topic", 1..=usize::MAX);
    if topic.as_deref().is_some_and(|topic| !is_topic(topic)) {
        section.refuse("topic", "a topic, 1 to 249 of a-z, A-Z, 0-9, ., _ and -");
    }
    let topic = topic.map(TopicName::from);
    if default.is_none() {
        section.require("group", "the id of a group");
        section.require("topic", "the name of a topic");
    }
    let (default_group, default_topic) = default
        .map(|default| (default.group, default.topic))
        .unzip();
    Some(ServiceConfig {
        cluster: cluster?,
        group: group.or(default_group)?,
        topic: topic.or(default_topic)?,
        target: DEFAULT_TARGET,
    })
}

fn is_service_name(name: &str) -> bool {
    let is_legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=MAX_NAME_CHARS).contains(&name.len()) && name.bytes().all(is_legal)
}
