//! Any metadata, a `key=value` a line, is a trigger or a list of mistakes.
#![no_main]

use std::{collections::HashMap, time::Duration};

use libfuzzer_sys::fuzz_target;
use tidegauge::scaler::{AzulNames, Trigger, TriggerRules};

fuzz_target!(|text: &str| {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let metadata: HashMap<_, _> = lines
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    if let Err(mistakes) = Trigger::parse(&metadata, &rules()) {
        assert!(!mistakes.to_string().is_empty());
    }
});

fn rules() -> TriggerRules {
    TriggerRules {
        clusters: vec!["one".into(), "two".into()],
        historic_suffix: "-historic".to_owned(),
        azul: AzulNames {
            group_prefix: "azul-".to_owned(),
            kafka_prefix: "{plugin}-".to_owned(),
            window: Duration::from_secs(300),
        },
    }
}
