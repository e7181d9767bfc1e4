//! What the parts follow of the configuration.

use std::{sync::Arc, time::Duration};

use crate::{
    config::{AccessConfig, AccessRuleConfig, AzulConfig, Config, FRESH_INTERVALS, ServiceConfig},
    estimator::{Parameters, Reach},
    model::WatchRecord,
    scaler::{
        Access, AccessRule, AzulNames, KnownCluster, OtherPlugins, Service, Settings, Trigger,
        TriggerRules, WatchLimits,
    },
    sources::PluginNames,
};

/// `names` are what is known of plugins that are looked up.
pub(super) fn settings(config: &Config, names: &Arc<PluginNames>) -> Settings {
    Settings {
        rules: trigger_rules(config, names),
        parameters: parameters(config),
        limits: WatchLimits {
            limit: config.watches.limit,
            time_to_live: config.watches.time_to_live,
        },
        access: Arc::new(access(&config.access)),
    }
}

fn access(config: &AccessConfig) -> Access {
    let rule = |rule: &AccessRuleConfig| AccessRule {
        namespaces: rule.namespaces.clone(),
        groups: rule.groups.clone(),
        clusters: rule.clusters.clone(),
    };
    let rules = config.rules.as_ref();
    Access {
        namespaces: config.namespaces.clone(),
        rules: rules.map(|rules| rules.values().map(rule).collect()),
    }
}

/// How far back windows must reach for all that looks back, and for watches whose
/// own windows are `looks_back` long.
pub(super) fn reach(config: &Config, looks_back: Duration) -> Reach {
    let parameters = parameters(config);
    let dense = parameters.reach();
    let dense = dense.max(parameters.max_staleness).max(config.azul.window);
    let of_watches = Parameters {
        window: looks_back,
        ..parameters
    };
    Reach {
        dense,
        span: dense.max(of_watches.reach()),
    }
}

/// How far the longest window of any of `watches` looks back.
pub(super) fn longest_look_back(watches: &[WatchRecord], rules: &TriggerRules) -> Duration {
    let triggers = watches.iter().filter_map(|watch| {
        let metadata = watch.metadata.clone().into_iter().collect();
        // What does not fit is told of when the watch is restored.
        Trigger::parse(&metadata, rules).ok()
    });
    let spans = triggers.map(|trigger| trigger.looks_back());
    spans.max().unwrap_or_default()
}

fn parameters(config: &Config) -> Parameters {
    Parameters {
        window: config.estimator.window,
        fresh_for: config.poll.interval * FRESH_INTERVALS,
        max_staleness: config.estimator.max_staleness,
    }
}

pub(super) fn trigger_rules(config: &Config, names: &Arc<PluginNames>) -> TriggerRules {
    let clusters = config.clusters.iter();
    TriggerRules {
        clusters: clusters
            .map(|(name, cluster)| KnownCluster {
                name: name.clone(),
                bootstrap_servers: cluster.bootstrap_servers.clone(),
            })
            .collect(),
        queues: config.queues.keys().cloned().collect(),
        worker_queue: config.worker_queue().cloned(),
        historic_suffix: config.estimator.historic_suffix.clone(),
        window: config.estimator.window,
        // What is looked back at without being asked for is held in any case.
        max_window: config.watches.max_window.max(config.estimator.window),
        azul: AzulNames {
            group_prefix: config.azul.group_prefix.clone(),
            plugins: config.azul.plugins.clone(),
            others: other_plugins(&config.azul, names),
            window: config.azul.window,
        },
        services: config.services.iter().map(service).collect(),
    }
}

fn other_plugins(azul: &AzulConfig, names: &Arc<PluginNames>) -> OtherPlugins {
    if azul.redis.is_some() {
        OtherPlugins::LookedUp(Arc::clone(names))
    } else if azul.plugins.is_empty() {
        OtherPlugins::Pattern(azul.kafka_prefix.clone())
    } else {
        OtherPlugins::Refused
    }
}

fn service((name, service): (&String, &ServiceConfig)) -> (String, Service) {
    let known = Service {
        cluster: service.cluster.clone(),
        group: service.group.clone(),
        topic: service.topic.clone(),
        target: service.target,
    };
    (name.clone(), known)
}
