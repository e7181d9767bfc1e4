//! The trigger of an Azul Scaler's ScaledObject.

use crate::model::{ClusterName, PrefixRule};

use super::super::metadata::{ABOVE_ZERO, Reader};
use super::{
    cluster,
    metric::{Activation, Measure, Metric, Selection},
    policy::LagPolicy,
    rules::TriggerRules,
    steadiness::Steadiness,
};

/// Any of these makes it one of Azul's.
pub(super) const KEYS: [&str; 3] = ["entityName", "entityType", "pluginName"];

pub(super) fn read(reader: &mut Reader<'_>, rules: &TriggerRules) -> (ClusterName, Vec<Metric>) {
    let cluster = cluster::read(reader, rules);
    entity(reader);
    let selection = Selection::Matching(rule(reader, rules));
    reader.required("targetSize", ABOVE_ZERO);
    let target = reader.number("targetSize", 1.0, |n| n > 0.0, ABOVE_ZERO);
    let metric = Metric {
        name: "backlog".to_owned(),
        target,
        activation: Activation::Always,
        selection,
        measure: Measure::Backlog(LagPolicy::unbounded(target), rules.azul.window),
        steadiness: Steadiness::read(reader),
    };
    (cluster, vec![metric])
}

fn entity(reader: &mut Reader<'_>) {
    // Its README says entityName, its code reads entityType.
    let key = if reader.has("entityType") {
        "entityType"
    } else {
        "entityName"
    };
    if let Some(entity) = reader.required(key, "\"plugin\"")
        && entity != "plugin"
    {
        reader.refuse(key, entity, "\"plugin\"");
    }
}

fn rule(reader: &mut Reader<'_>, rules: &TriggerRules) -> PrefixRule {
    let plugin = reader.required("pluginName", "the name of a plugin");
    let includes_historic = reader.flag("includeHistoric", false);
    let azul = &rules.azul;
    let infix = azul
        .kafka_prefix
        .replace("{plugin}", plugin.unwrap_or_default());
    let without_suffix = (!includes_historic).then_some(rules.historic_suffix.as_str());
    PrefixRule::new(&azul.group_prefix, &infix, without_suffix)
}
