//! The trigger of a Lakerunner's ScaledObject: a service type, which the
//! configuration maps to a topic and a group.

use std::collections::BTreeSet;

use crate::model::ClusterName;

use super::super::metadata::Reader;
use super::{
    metric::{Activation, Measure, Metric, Selection},
    policy::LagPolicy,
    rules::{Service, TriggerRules},
    steadiness::Steadiness,
};

/// The service type that stands for several tasks, each a metric of its own.
const BOXER: &str = "boxer";
/// So many names are listed in an error.
const NAMED: usize = 16;

pub(super) fn read(reader: &mut Reader<'_>, rules: &TriggerRules) -> (ClusterName, Vec<Metric>) {
    let accepted = accepted(rules);
    let service_type = reader.required("serviceType", &accepted);
    let steadiness = Steadiness::read(reader);
    let services = match service_type {
        Some(BOXER) => tasks(reader, rules),
        Some(name) => match rules.services.get(name) {
            Some(service) => vec![(name.to_owned(), service)],
            None => {
                reader.refuse("serviceType", name, &accepted);
                Vec::new()
            }
        },
        None => Vec::new(),
    };
    let cluster = cluster(reader, &services);
    let metrics = services.into_iter();
    let metrics = metrics.map(|(name, service)| metric(name, service, steadiness));
    (cluster, metrics.collect())
}

/// Lakerunner calls a task's service by its name with `boxer-` before it.
fn tasks<'a>(reader: &mut Reader<'_>, rules: &'a TriggerRules) -> Vec<(String, &'a Service)> {
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
        .filter_map(|name| Some((name.clone(), rules.services.get(name)?)));
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

/// A trigger is about one cluster.
fn cluster(reader: &mut Reader<'_>, services: &[(String, &Service)]) -> ClusterName {
    let mut clusters = services.iter().map(|(_, service)| &service.cluster);
    let first = clusters.next();
    if let Some(tasks) = reader.text("boxerTasks")
        && clusters.any(|cluster| Some(cluster) != first)
    {
        reader.refuse("boxerTasks", tasks, "tasks in one cluster");
    }
    first.cloned().unwrap_or_else(|| ClusterName::from(""))
}

fn metric(name: String, service: &Service, steadiness: Steadiness) -> Metric {
    Metric {
        name,
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
    if rules.services.is_empty() {
        return "a name under [services], which has none".to_owned();
    }
    let names = rules.services.keys().take(NAMED);
    let names: Vec<_> = names.map(|name| format!("{name:?}")).collect();
    format!("\"boxer\" or a name under [services]: {}", names.join(", "))
}
