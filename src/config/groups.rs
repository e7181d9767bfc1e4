//! Groups of a cluster that are watched whether or not KEDA asks. Every pattern is
//! bounded, in number, length and compiled size.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use crate::model::{GroupId, TopicName, TopicSelection};

use super::{
    GROUP_CHARS,
    mistake::cut,
    section::{Item, Section},
    tree::Value,
};

const MAX_PATTERNS: usize = 100;
const MAX_PATTERN_CHARS: usize = 1_000;
/// Largest compiled pattern; a short one can stand for a huge automaton.
const MAX_PATTERN_BYTES: usize = 1 << 20;
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
            named: named(section),
        }
    }
}

fn patterns(section: &mut Section<'_>, key: &'static str) -> Vec<Regex> {
    let each = format!("a regular expression of at most {MAX_PATTERN_CHARS} characters");
    let mut patterns = Vec::new();
    for item in section.list(key, 0..=MAX_PATTERNS, &each) {
        let text = item.value().text();
        match text.filter(|text| text.chars().count() <= MAX_PATTERN_CHARS) {
            None => section.refuse_item(&item, &each),
            Some(text) => match compile(text) {
                Err(why) => section.refuse_item(&item, format!("{each} ({why})")),
                Ok(pattern) => patterns.push(pattern),
            },
        }
    }
    patterns
}

/// The reason is the last line of what `regex` says, without its drawing.
fn compile(pattern: &str) -> Result<Regex, String> {
    let regex = RegexBuilder::new(pattern)
        .size_limit(MAX_PATTERN_BYTES)
        .build();
    regex.map_err(|error| {
        let message = error.to_string();
        let reason = message.lines().last().unwrap_or_default();
        reason.trim_start_matches("error: ").to_owned()
    })
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
fn is_topic(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_TOPIC_CHARS).contains(&name.len())
        && name.bytes().all(is_legal)
        && !matches!(name, "." | "..")
}
