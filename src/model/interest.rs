//! What is to be polled in one cluster.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::{GroupId, TopicName};

/// What is to be polled in one cluster: groups by name, and rules by which
/// discovered groups are taken in.
#[derive(Debug, Clone, Default)]
pub struct Interest {
    /// Groups by name.
    pub groups: BTreeMap<GroupId, TopicSelection>,
    /// A discovered group that any of these matches is polled as well.
    pub matchers: Vec<GroupMatcher>,
}

impl Interest {
    /// Adds a group by name; what was already asked of it stays.
    pub fn add_group(&mut self, group: GroupId, selection: TopicSelection) {
        self.groups.entry(group).or_default().join(selection);
    }
}

/// Which topics of a group are polled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicSelection {
    /// Each topic in which the group has a commit.
    pub committed: bool,
    /// These topics, with or without a commit.
    pub topics: BTreeSet<TopicName>,
}

impl TopicSelection {
    /// Each topic in which the group has a commit.
    pub fn committed() -> Self {
        Self {
            committed: true,
            topics: BTreeSet::new(),
        }
    }

    /// Exactly these topics.
    pub fn only(topics: impl IntoIterator<Item = TopicName>) -> Self {
        Self {
            committed: false,
            topics: topics.into_iter().collect(),
        }
    }

    fn join(&mut self, other: Self) {
        self.committed |= other.committed;
        self.topics.extend(other.topics);
    }
}

/// A rule that picks topics by their name.
#[derive(Debug, Clone, Default)]
pub struct TopicFilter {
    /// At least one of these must match; without any, every topic is picked.
    pub include: Vec<Regex>,
    /// None of these may.
    pub exclude: Vec<Regex>,
}

impl TopicFilter {
    /// Does the rule pick `topic`?
    pub fn picks(&self, topic: &str) -> bool {
        let matches = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(topic));
        (self.include.is_empty() || matches(&self.include)) && !matches(&self.exclude)
    }

    /// Does it pick every topic?
    fn is_open(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

/// A rule that picks groups by their name.
#[derive(Debug, Clone)]
pub enum GroupMatcher {
    /// Groups that match one of `include` and none of `exclude`.
    Patterns {
        /// At least one of these must match.
        include: Vec<Regex>,
        /// None of these may.
        exclude: Vec<Regex>,
        /// Which of their topics are polled.
        topics: TopicFilter,
    },
    /// Azul Scaler's rule.
    Prefixed(PrefixRule),
}

/// Azul Scaler's rule, in lower case: starts with `prefix`, contains `infix`, and
/// does not end in `without_suffix` if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixRule {
    stem: String,
    prefix: String,
    infix: String,
    without_suffix: Option<String>,
}

impl PrefixRule {
    /// A group starts with `prefix`, which may be empty, contains `infix`, and
    /// does not end in `without_suffix`; all are taken in lower case.
    pub fn new(prefix: &str, infix: &str, without_suffix: Option<&str>) -> Self {
        Self {
            stem: format!("{prefix}{infix}"),
            prefix: prefix.to_lowercase(),
            infix: infix.to_lowercase(),
            without_suffix: without_suffix.map(str::to_lowercase),
        }
    }

    /// What the groups' names begin with and contain, as it was written: the
    /// shortest that it picks.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// Does the rule pick `group`?
    pub fn matches(&self, group: &str) -> bool {
        let group = group.to_lowercase();
        let without_suffix = self.without_suffix.as_ref();
        group.starts_with(&self.prefix)
            && group.contains(&self.infix)
            && !without_suffix.is_some_and(|suffix| group.ends_with(suffix))
    }
}

impl GroupMatcher {
    /// Which topics of the groups that it picks are polled; `None`: all.
    pub fn topics(&self) -> Option<&TopicFilter> {
        match self {
            Self::Patterns { topics, .. } => Some(topics).filter(|topics| !topics.is_open()),
            Self::Prefixed(_) => None,
        }
    }

    /// Does the rule pick `group`?
    pub fn matches(&self, group: &str) -> bool {
        match self {
            Self::Patterns {
                include, exclude, ..
            } => {
                include.iter().any(|pattern| pattern.is_match(group))
                    && !exclude.iter().any(|pattern| pattern.is_match(group))
            }
            Self::Prefixed(rule) => rule.matches(group),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn azuls_rule_matches_in_lower_case() {
        let with = PrefixRule::new("Azul-", "Jira", None);
        let without = PrefixRule::new("Azul-", "Jira", Some("-historic"));
        for (group, expected) in [
            ("azul-jira-live", (true, true)),
            ("AZUL-1-JIRA", (true, true)),
            ("azul-jira-Historic", (true, false)),
            ("other-azul-jira", (false, false)),
            ("azul-git-live", (false, false)),
        ] {
            assert_eq!(
                (with.matches(group), without.matches(group)),
                expected,
                "{group}"
            );
        }
    }

    #[test]
    fn exclusion_beats_inclusion() {
        let regex = |text| Regex::new(text).expect("test pattern");
        let matcher = GroupMatcher::Patterns {
            include: vec![regex("^a"), regex("^b")],
            exclude: vec![regex("-test$")],
            topics: TopicFilter::default(),
        };
        assert!(matcher.topics().is_none(), "all topics");
        assert!(matcher.matches("alpha"));
        assert!(matcher.matches("beta"));
        assert!(!matcher.matches("alpha-test"));
        assert!(!matcher.matches("gamma"));
    }

    #[test]
    fn topics_are_picked_by_what_they_match() {
        let regex = |text| Regex::new(text).expect("test pattern");
        let filter = TopicFilter {
            include: vec![regex("^orders")],
            exclude: vec![regex("-dlq$")],
        };
        let picked = ["orders", "orders-dlq", "audit"].map(|topic| filter.picks(topic));
        assert_eq!(picked, [true, false, false]);
        let all_but = TopicFilter {
            include: Vec::new(),
            ..filter
        };
        let picked = ["orders", "orders-dlq", "audit"].map(|topic| all_but.picks(topic));
        assert_eq!(picked, [true, false, true]);
    }

    #[test]
    fn joining_never_forgets_what_was_asked() {
        let mut interest = Interest::default();
        let group = GroupId::from("g");
        interest.add_group(group.clone(), TopicSelection::only([TopicName::from("a")]));
        interest.add_group(group.clone(), TopicSelection::only([TopicName::from("b")]));
        interest.add_group(group.clone(), TopicSelection::committed());
        let selection = &interest.groups[&group];
        assert!(selection.committed);
        assert_eq!(selection.topics.len(), 2);
    }
}
