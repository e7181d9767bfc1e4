//! The trigger of an Azul Scaler's ScaledObject.

use std::borrow::Cow;

use crate::model::{ClusterName, PrefixRule};

use super::super::metadata::{ABOVE_ZERO, Reader};
use super::{
    OtherPlugins, cluster,
    metric::{Activation, Measure, Metric, Selection},
    policy::LagPolicy,
    rules::{AzulNames, TriggerRules},
    steadiness::Steadiness,
};

/// So many plugins are named in an error.
const NAMED: usize = 8;

/// The plugin's name.
pub(super) const PLUGIN_NAME: &str = "pluginName";

/// Any of these makes it one of Azul's.
pub(super) const KEYS: [&str; 3] = ["entityName", "entityType", PLUGIN_NAME];

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
    let plugin = reader.required(PLUGIN_NAME, "the name of a plugin");
    let includes_historic = reader.flag("includeHistoric", false);
    let azul = &rules.azul;
    let infix = plugin.and_then(|plugin| infix(reader, azul, plugin));
    let without_suffix = (!includes_historic).then_some(rules.historic_suffix.as_str());
    PrefixRule::new(
        &azul.group_prefix,
        infix.as_deref().unwrap_or_default(),
        without_suffix,
    )
}

/// What the plugin's groups contain; `None`: a mistake says why, or it is still to
/// be looked up.
fn infix<'a>(reader: &mut Reader<'_>, azul: &'a AzulNames, plugin: &str) -> Option<Cow<'a, str>> {
    if let Some(prefix) = azul.plugins.get(plugin) {
        return Some(prefix.into());
    }
    match &azul.others {
        OtherPlugins::Pattern(pattern) => Some(pattern.replace("{plugin}", plugin).into()),
        OtherPlugins::Refused => {
            let named = azul
                .plugins
                .keys()
                .take(NAMED)
                .map(|name| format!("{name:?}"));
            let named = named.collect::<Vec<_>>().join(" or ");
            let accepted = format!("one of azul.plugins, such as {named}");
            reader.refuse(PLUGIN_NAME, plugin, &accepted);
            None
        }
        OtherPlugins::LookedUp(names) => {
            let found = names.prefix_of(plugin);
            if found.is_none() {
                reader.lacks_name_of(plugin);
            }
            found.map(|prefix| prefix.as_ref().to_owned().into())
        }
    }
}
