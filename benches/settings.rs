//! Settings of the scaler for what a bench has recorded.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tidegauge::{
    estimator::Parameters,
    scaler::{AzulNames, KnownCluster, OtherPlugins, Settings, TriggerRules, WatchLimits},
};

/// Settings for at most `limit` watches on the cluster `bench`.
pub(crate) fn settings(parameters: Parameters, limit: usize) -> Settings {
    Settings {
        rules: TriggerRules {
            clusters: vec![KnownCluster {
                name: "bench".into(),
                bootstrap_servers: vec!["kafka:9092".to_owned()],
            }],
            queues: Vec::new(),
            historic_suffix: "-historic".to_owned(),
            window: parameters.window,
            max_window: Duration::from_hours(24),
            azul: AzulNames {
                group_prefix: String::new(),
                plugins: BTreeMap::new(),
                others: OtherPlugins::Pattern("{plugin}".to_owned()),
                window: Duration::from_secs(900),
            },
            services: BTreeMap::new(),
            worker_queue: None,
        },
        parameters,
        limits: WatchLimits {
            limit,
            time_to_live: Duration::from_secs(600),
        },
        access: Arc::default(),
    }
}
