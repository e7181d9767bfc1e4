//! Any metadata, a `key=value` a line, is a trigger or a list of mistakes.
#![no_main]

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use tidegauge::scaler::{AzulNames, KnownCluster, OtherPlugins, Service, Trigger, TriggerRules};

fuzz_target!(|text: &str| {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let metadata: HashMap<_, _> = lines
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    match Trigger::parse(&metadata, &rules()) {
        Ok(trigger) => {
            assert!(trigger.specs().iter().all(|spec| spec.target > 0.0));
            let kept = trigger.metadata.clone().into_iter().collect();
            let again = Trigger::parse(&kept, &rules()).expect("what was kept is a trigger");
            assert_eq!(again, trigger);
        }
        Err(mistakes) => assert!(!mistakes.to_string().is_empty()),
    }
});

fn rules() -> TriggerRules {
    let cluster = |name: &str| KnownCluster {
        name: name.into(),
        bootstrap_servers: vec![format!("{name}:9092")],
    };
    let service = |name: &str| {
        let service = Service {
            cluster: "one".into(),
            group: "g".into(),
            topic: "t".into(),
            target: 100.0,
        };
        (name.to_owned(), service)
    };
    TriggerRules {
        clusters: vec![cluster("one"), cluster("two")],
        queues: vec!["work".into()],
        historic_suffix: "-historic".to_owned(),
        window: Duration::from_secs(300),
        max_window: Duration::from_hours(24),
        azul: AzulNames {
            group_prefix: "azul-".to_owned(),
            plugins: BTreeMap::new(),
            others: OtherPlugins::Pattern("{plugin}-".to_owned()),
            window: Duration::from_secs(300),
        },
        services: BTreeMap::from([service("ingest"), service("boxer-ingest")]),
        worker_queue: Some("work".into()),
    }
}
