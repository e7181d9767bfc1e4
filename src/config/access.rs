//! Which namespaces may ask, and for which groups.

use std::collections::BTreeMap;

use regex::Regex;

use crate::model::ClusterName;

use super::{patterns::required_patterns, section::Section};

/// Each is looked through for a namespace that asks for something new.
const MAX_RULES: usize = 200;
const MAX_NAME_CHARS: usize = 63;
const MAX_CLUSTERS: usize = 64;

/// `[access]`: which namespaces' ScaledObjects may ask, and for what. Patterns
/// match some part of a name, like those of groups.
#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    /// A namespace may ask if one of these matches it, 1 to 100. Default: all
    /// may; `TIDEGAUGE_ACCESS__NAMESPACES`.
    pub namespaces: Option<Vec<Regex>>,
    /// `[access.rules.NAME]`, 1 to 200: for what a namespace may ask. Default:
    /// for all.
    pub rules: Option<BTreeMap<String, AccessRuleConfig>>,
}

/// `[access.rules.NAME]`: these namespaces may ask for these groups.
#[derive(Debug, Clone)]
pub struct AccessRuleConfig {
    /// It is about the namespaces that one of these matches, 1 to 100. Required;
    /// `TIDEGAUGE_ACCESS__RULES__NAME__NAMESPACES`.
    pub namespaces: Vec<Regex>,
    /// They may ask for the groups that one of these matches, 1 to 100.
    /// Required; `TIDEGAUGE_ACCESS__RULES__NAME__GROUPS`.
    pub groups: Vec<Regex>,
    /// In these clusters and queues. Default: in all;
    /// `TIDEGAUGE_ACCESS__RULES__NAME__CLUSTERS`.
    pub clusters: Option<Vec<ClusterName>>,
}

impl AccessConfig {
    pub(super) fn read(section: &mut Section<'_>, clusters: &[&ClusterName]) -> Self {
        let has_namespaces = section.has("namespaces");
        let namespaces = required_patterns(section, "namespaces");
        Self {
            namespaces: has_namespaces.then_some(namespaces),
            rules: section.optional_table("rules", |section| rules(section, clusters)),
        }
    }
}

fn rules(
    section: &mut Section<'_>,
    clusters: &[&ClusterName],
) -> BTreeMap<String, AccessRuleConfig> {
    let items = section.items();
    if items.is_empty() || items.len() > MAX_RULES {
        let found = format!("{} rules", items.len());
        section.refuse_whole(found, format!("1 to {MAX_RULES} of [access.rules.NAME]"));
    }
    let mut rules = BTreeMap::new();
    for item in items {
        if is_rule_name(&item.name) {
            let rule = section.item_table(&item, |section| rule(section, clusters));
            rules.insert(item.name, rule);
        } else {
            let accepted = format!("a name, 1 to {MAX_NAME_CHARS} of a-z, 0-9, - and _");
            section.refuse_item_unseen(&item, "this name", accepted);
        }
    }
    rules
}

fn rule(section: &mut Section<'_>, clusters: &[&ClusterName]) -> AccessRuleConfig {
    for key in ["namespaces", "groups"] {
        section.require(key, "a list of patterns");
    }
    let has_clusters = section.has("clusters");
    let known = clusters.iter().map(|name| format!("{:?}", name.as_str()));
    let each = known.collect::<Vec<_>>().join(" or ");
    let is_known = |name: &str| clusters.iter().any(|known| known.as_str() == name);
    AccessRuleConfig {
        namespaces: required_patterns(section, "namespaces"),
        groups: required_patterns(section, "groups"),
        clusters: {
            let names = section.texts("clusters", 1..=MAX_CLUSTERS, &each, is_known);
            let names = names.into_iter().map(ClusterName::from);
            has_clusters.then(|| names.collect())
        },
    }
}

fn is_rule_name(name: &str) -> bool {
    let is_legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    (1..=MAX_NAME_CHARS).contains(&name.len()) && name.bytes().all(is_legal)
}
