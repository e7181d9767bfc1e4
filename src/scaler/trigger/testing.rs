//! Rules and triggers for tests.

use std::{collections::BTreeMap, time::Duration};

use super::*;

/// Rules of clusters by name, each with a broker of that name at port 9092.
pub(crate) fn rules(clusters: &[&str]) -> TriggerRules {
    let cluster = |name: &&str| KnownCluster {
        name: (*name).into(),
        bootstrap_servers: vec![format!("{name}:9092"), format!("{name}-b:9092")],
    };
    let service = |name: &str, target| {
        let service = Service {
            cluster: clusters[0].into(),
            group: format!("lakerunner.{name}").as_str().into(),
            topic: format!("lakerunner.segments.{name}").as_str().into(),
            target,
        };
        (name.to_owned(), service)
    };
    TriggerRules {
        clusters: clusters.iter().map(cluster).collect(),
        queues: Vec::new(),
        historic_suffix: "-historic".to_owned(),
        window: Duration::from_secs(300),
        max_window: Duration::from_hours(24),
        azul: AzulNames {
            group_prefix: "azul-".to_owned(),
            plugins: BTreeMap::new(),
            others: OtherPlugins::Pattern("{plugin}".to_owned()),
            window: Duration::from_secs(900),
        },
        services: BTreeMap::from([
            service("ingest-logs", 100.0),
            service("boxer-compact-logs", 20.0),
            service("boxer-compact-traces", 30.5),
        ]),
        worker_queue: None,
    }
}

/// Rules of a cluster and of queues by name; of a single one Lakerunner's workers
/// do the tasks.
pub(crate) fn with_queues(queues: &[&str]) -> TriggerRules {
    let queues: Vec<_> = queues.iter().copied().map(ClusterName::from).collect();
    TriggerRules {
        worker_queue: queues.first().filter(|_| queues.len() == 1).cloned(),
        queues,
        ..rules(&["main"])
    }
}

pub(crate) fn parse(pairs: &[(&str, &str)], rules: &TriggerRules) -> Result<Trigger, BadMetadata> {
    let metadata = pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()));
    match Trigger::parse(&metadata.collect(), rules) {
        Ok(trigger) => Ok(trigger),
        Err(NoTrigger::BadMetadata(mistakes)) => Err(mistakes),
        Err(unnamed @ NoTrigger::Unnamed { .. }) => panic!("{unnamed}"),
    }
}
