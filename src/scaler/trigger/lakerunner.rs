//! The trigger of a Lakerunner's ScaledObject: a service type, which the
//! configuration maps to a topic and a group, or a worker, which does a task of a
//! queue.

use std::{borrow::Cow, collections::BTreeSet};

use crate::model::ClusterName;

use super::super::metadata::Reader;
use super::{
    metric::{Activation, Measure, Metric, Selection},
    policy::LagPolicy,
    queue,
    rules::{Service, TriggerRules},
    steadiness::Steadiness,
};

/// The service type that stands for several tasks, each a metric of its own.
const BOXER: &str = "boxer";
/// What begins the service type of a worker; the task is behind it.
const WORKER: &str = "worker-";
/// Lakerunner's own default.
const WORKER_TARGET: f64 = 100.0;
/// So many names are listed in an error.
const NAMED: usize = 16;

type Named<'a> = (String, Cow<'a, Service>);

pub(super) fn read(reader: &mut Reader<'_>, rules: &TriggerRules) -> (ClusterName, Vec<Metric>) {
    let accepted = accepted(rules);
    let service_type = reader.required("serviceType", &accepted);
    let steadiness = Steadiness::read(reader);
    let services = match service_type {
        Some(BOXER) => tasks(reader, rules),
        Some(name) => match service(name, rules) {
            Some(service) => vec![(name.to_owned(), service)],
            None => {
                let why = why_no_worker(name, rules);
                reader.refuse("serviceType", name, &format!("{accepted}{why}"));
                Vec::new()
            }
        },
        None => Vec::new(),
    };
    let cluster = cluster(reader, &services);
    let metrics = services.iter();
    let metrics = metrics.map(|(name, service)| metric(name, service, steadiness));
    (cluster, metrics.collect())
}

/// What is configured under the name, else the worker that it is.
fn service<'a>(name: &str, rules: &'a TriggerRules) -> Option<Cow<'a, Service>> {
    if let Some(service) = rules.services.get(name) {
        return Some(Cow::Borrowed(service));
    }
    let task = name.strip_prefix(WORKER)?;
    let queue = rules.worker_queue.as_ref()?;
    queue::is_task(task).then(|| {
        Cow::Owned(Service {
            cluster: queue.clone(),
            group: task.into(),
            topic: task.into(),
            target: WORKER_TARGET,
        })
    })
}

/// Lakerunner calls a task's service by its name with `boxer-` before it.
fn tasks<'a>(reader: &mut Reader<'_>, rules: &'a TriggerRules) -> Vec<Named<'a>> {
    let accepted = "tasks with commas between, each the service boxer-TASK";
    let Some(tasks) = reader.required("boxerTasks", accepted) else {
        return Vec::new();
    };
    let names = tasks
        .split(',')
        .map(str::trim)
        .filter(|task| !task.is_empty());
    let names: BTreeSet<_> = names.map(|task| format!("{BOXER}-{task}")).collect();
    let known = names
        .iter()
        .filter_map(|name| Some((name.clone(), service(name, rules)?)));
    let known: Vec<_> = known.collect();
    if known.is_empty() || known.len() < names.len() {
        let unknown = names
            .iter()
            .find(|name| !rules.services.contains_key(*name));
        let why = unknown.map_or_else(String::new, |name| format!("; there is no {name:?}"));
        reader.refuse("boxerTasks", tasks, &format!("{accepted}{why}"));
    }
    known
}

/// A trigger is about one cluster, or one queue.
fn cluster(reader: &mut Reader<'_>, services: &[Named<'_>]) -> ClusterName {
    let mut clusters = services.iter().map(|(_, service)| &service.cluster);
    let first = clusters.next();
    if let Some(tasks) = reader.text("boxerTasks")
        && clusters.any(|cluster| Some(cluster) != first)
    {
        reader.refuse("boxerTasks", tasks, "tasks in one cluster or one queue");
    }
    first.cloned().unwrap_or_else(|| ClusterName::from(""))
}

fn metric(name: &str, service: &Service, steadiness: Steadiness) -> Metric {
    Metric {
        name: name.to_owned(),
        target: service.target,
        activation: Activation::Behind,
        selection: Selection::Group {
            group: service.group.clone(),
            historic: None,
            topic: Some(service.topic.clone()),
            partitions: None,
        },
        measure: Measure::Lag(LagPolicy::unbounded(service.target)),
        steadiness,
    }
}

fn accepted(rules: &TriggerRules) -> String {
    let worker = match &rules.worker_queue {
        Some(queue) => format!(
            "\"{WORKER}TASK\" for a task of queue {:?} or ",
            queue.as_str()
        ),
        None => String::new(),
    };
    if rules.services.is_empty() {
        return format!("{worker}a name under [services], which has none");
    }
    let names = rules.services.keys().take(NAMED);
    let names: Vec<_> = names.map(|name| format!("{name:?}")).collect();
    format!(
        "\"boxer\" or {worker}a name under [services]: {}",
        names.join(", ")
    )
}

/// What is missing for a worker, which is no name that could be mistyped.
fn why_no_worker(name: &str, rules: &TriggerRules) -> &'static str {
    match (&rules.worker_queue, rules.queues.len()) {
        _ if !name.starts_with(WORKER) => "",
        (Some(_), _) => "",
        (None, 0) => "; for workers there must be a queue under [queues]",
        (None, _) => "; lakerunner.queue must say which of the queues is that of workers",
    }
}
