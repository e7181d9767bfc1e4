//! Groups of a cluster that are watched whether or not KEDA asks.

use std::{collections::BTreeMap, time::Duration};

use regex::Regex;

use crate::model::{GroupId, TopicName, TopicSelection};

use super::{
    DAY, GROUP_CHARS, MINUTE,
    mistake::cut,
    patterns::patterns,
    section::{Item, Section},
    tree::Value,
};

const DEFAULT_SILENT_AFTER: Duration = Duration::from_hours(7 * 24);
const MAX_NAMED_GROUPS: usize = 10_000;
const MAX_TOPICS: usize = 1_000;
/// Kafka's own limit.
const MAX_TOPIC_CHARS: usize = 249;

/// `[clusters.NAME.groups]`: groups that are watched whether or not KEDA asks.
#[derive(Debug, Clone)]
pub struct GroupsConfig {
    /// Is the cluster asked for the list of its groups? Default true;
    /// `TIDEGAUGE_CLUSTERS__NAME__GROUPS__DISCOVER`.
    pub discover: bool,
    /// A listed group is watched if one of these patterns matches some part of
    /// its id; at most 100 of 1,000 characters. Default: none;
    /// `TIDEGAUGE_CLUSTERS__NAME__GROUPS__INCLUDE`, which can hold no pattern
    /// with a comma.
    pub include: Vec<Regex>,
    /// A listed group that one of these matches is not. Default: none;
    /// `TIDEGAUGE_CLUSTERS__NAME__GROUPS__EXCLUDE`.
    pub exclude: Vec<Regex>,
    /// Are listed groups watched while they have no members? Default true;
    /// `TIDEGAUGE_CLUSTERS__NAME__GROUPS__INCLUDE_EMPTY`.
    pub include_empty: bool,
    /// A listed group without members whose commits have stood still for so
    /// long is read once an hour, until something moves; 1 minute to 400 days.
    /// Default 7 days; `TIDEGAUGE_CLUSTERS__NAME__GROUPS__SILENT_AFTER`.
    pub silent_after: Duration,
    /// Groups by name, each with its topics. Default: none;
    /// `TIDEGAUGE_CLUSTERS__NAME__GROUPS__NAMED`, which holds names alone.
    pub named: BTreeMap<GroupId, TopicSelection>,
}

impl GroupsConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            discover: section.boolean("discover", true),
            include: patterns(section, "include"),
            exclude: patterns(section, "exclude"),
            include_empty: section.boolean("include_empty", true),
            silent_after: section.duration(
                "silent_after",
                DEFAULT_SILENT_AFTER,
                MINUTE..=400 * DAY,
            ),
            named: named(section),
        }
    }
}

/// In a variable an entry is a group's name; in the file it is a table.
fn named(section: &mut Section<'_>) -> BTreeMap<GroupId, TopicSelection> {
    let mut named = BTreeMap::new();
    for item in section.list("named", 0..=MAX_NAMED_GROUPS, "a group") {
        let entry = match item.value() {
            Value::Variable(group) => group_alone(section, &item, group),
            _ => section.item_table(&item, group_table),
        };
        let Some((group, topics)) = entry else {
            continue;
        };
        let found = format!("group \"{}\" again", cut(group.as_str()));
        if named.insert(group, topics).is_some() {
            section.refuse_item_unseen(&item, &found, "each group once");
        }
    }
    named
}

fn group_alone(
    section: &mut Section<'_>,
    item: &Item,
    group: &str,
) -> Option<(GroupId, TopicSelection)> {
    if GROUP_CHARS.contains(&group.chars().count()) {
        return Some((group.into(), TopicSelection::committed()));
    }
    section.refuse_item(item, "the id of a group, 1 to 255 characters");
    None
}

/// `[[clusters.NAME.groups.named]]`. Without `topics`: every topic in which the
/// group has a commit.
fn group_table(section: &mut Section<'_>) -> Option<(GroupId, TopicSelection)> {
    let group = section.text("group", GROUP_CHARS);
    section.require("group", "the id of a group");
    let each = "a topic, 1 to 249 of a-z, A-Z, 0-9, ., _ and -";
    let topics = section.texts("topics", 1..=MAX_TOPICS, each, is_topic);
    let selection = if section.has("topics") {
        TopicSelection::only(topics.into_iter().map(TopicName::from))
    } else {
        TopicSelection::committed()
    };
    Some((group?.into(), selection))
}

/// Kafka's rule for names of topics.
pub(super) fn is_topic(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_TOPIC_CHARS).contains(&name.len())
        && name.bytes().all(is_legal)
        && !matches!(name, "." | "..")
}
