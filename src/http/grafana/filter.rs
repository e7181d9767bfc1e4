//! Ad hoc filters: what is compared with which name, and how.

use regex::Regex;
use serde::Deserialize;

use super::{
    super::{
        error::{ApiError, shown},
        pattern::{self, MAX_PATTERN_BYTES},
    },
    names::Names,
};

/// A dashboard has a handful.
const MAX_FILTERS: usize = 32;
/// Longer ones are written by programs, which can name what they mean.
const MAX_PATTERN_CHARS: usize = 1_000;

const OPERATORS: &str = "one of =, !=, =~, !~";

/// What a filter or a payload can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Cluster,
    Group,
    Topic,
    Partition,
}

impl Key {
    pub(super) const ALL: [Self; 4] = [Self::Cluster, Self::Group, Self::Topic, Self::Partition];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Group => "group",
            Self::Topic => "topic",
            Self::Partition => "partition",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self, ApiError> {
        let found = Self::ALL.into_iter().find(|key| key.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            ApiError::bad("key", name, format!("one of {names}"))
        })
    }
}

/// As Grafana sends it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct FilterJson {
    key: String,
    operator: String,
    value: String,
}

#[derive(Debug, Clone)]
enum Matcher {
    Is(String),
    IsNot(String),
    Matches(Regex),
    MatchesNot(Regex),
}

/// All filters of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Filters(Vec<(Key, Matcher)>);

impl Filters {
    pub(super) fn read(filters: &[FilterJson]) -> Result<Self, ApiError> {
        if filters.len() > MAX_FILTERS {
            return Err(ApiError::TooLarge {
                found: format!("{} filters", filters.len()),
                limit: format!("at most {MAX_FILTERS}"),
                remedy: "take some away, or join them in a pattern",
            });
        }
        let read = |filter: &FilterJson| Ok((Key::parse(&filter.key)?, Matcher::read(filter)?));
        filters.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Those about `key`, together with the names of a payload.
    pub(super) fn choice(&self, key: Key, names: Names) -> Choice {
        let matchers = self.0.iter().filter(|(about, _)| *about == key);
        Choice {
            names,
            matchers: matchers.map(|(_, matcher)| matcher.clone()).collect(),
        }
    }
}

impl Matcher {
    fn read(filter: &FilterJson) -> Result<Self, ApiError> {
        let value = || filter.value.clone();
        Ok(match filter.operator.as_str() {
            "=" => Self::Is(value()),
            "!=" => Self::IsNot(value()),
            "=~" => Self::Matches(anchored(&filter.value)?),
            "!~" => Self::MatchesNot(anchored(&filter.value)?),
            other => return Err(ApiError::bad("operator", other, OPERATORS)),
        })
    }

    fn picks(&self, name: &str) -> bool {
        match self {
            Self::Is(value) => value == name,
            Self::IsNot(value) => value != name,
            Self::Matches(pattern) => pattern.is_match(name),
            Self::MatchesNot(pattern) => !pattern.is_match(name),
        }
    }
}

/// A pattern that is to match a whole name, as Prometheus has it.
fn anchored(pattern: &str) -> Result<Regex, ApiError> {
    let chars = pattern.chars().count();
    if chars > MAX_PATTERN_CHARS {
        return Err(too_large(format!("a pattern of {chars} characters")));
    }
    pattern::anchored(pattern).map_err(|why| match why {
        regex::Error::CompiledTooBig(_) => too_large("a pattern that repeats too much".to_owned()),
        _ => ApiError::bad(
            "value",
            &shown(pattern),
            "a regular expression without look-around",
        ),
    })
}

fn too_large(found: String) -> ApiError {
    ApiError::TooLarge {
        found,
        limit: format!(
            "patterns of at most {MAX_PATTERN_CHARS} characters and {} MiB",
            MAX_PATTERN_BYTES >> 20
        ),
        remedy: "use a shorter pattern",
    }
}

/// The names of a payload that the filters leave.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    names: Names,
    matchers: Vec<Matcher>,
}

impl Choice {
    pub(super) fn picks(&self, name: &str) -> bool {
        self.names.picks(name) && self.passes(name)
    }

    fn passes(&self, name: &str) -> bool {
        self.matchers.iter().all(|matcher| matcher.picks(name))
    }

    /// The name, if the payload has one only.
    pub(super) fn only(&self) -> Option<&str> {
        self.names.only()
    }

    /// Is it spelled out, here or in a filter?
    pub(super) fn spells_out(&self, name: &str) -> bool {
        let is = |matcher: &Matcher| matches!(matcher, Matcher::Is(value) if value == name);
        self.names.spell_out(name) || self.matchers.iter().any(is)
    }

    /// An error if a payload names what is no partition.
    pub(super) fn check_numbers(&self) -> Result<(), ApiError> {
        let Names::OneOf(names) = &self.names else {
            return Ok(());
        };
        let is_number = |name: &&String| name.parse::<u32>().is_ok();
        match names.iter().find(|name| !is_number(name)) {
            Some(name) => Err(ApiError::bad(
                "partition",
                name,
                "numbers from 0, or * for all",
            )),
            None => Ok(()),
        }
    }

    /// Does a filter say anything?
    pub(super) fn is_filtered(&self) -> bool {
        !self.matchers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filters(key: &str, operator: &str, value: &str) -> Result<Filters, ApiError> {
        let filter = json!({"key": key, "operator": operator, "value": value});
        Filters::read(&[serde_json::from_value(filter).expect("a filter")])
    }

    fn picked(operator: &str, value: &str) -> Vec<&'static str> {
        let filters = filters("group", operator, value).expect("filters");
        let choice = filters.choice(Key::Group, Names::All);
        let names = ["orders", "orders-2", "jira"].into_iter();
        names.filter(|name| choice.picks(name)).collect()
    }

    #[test]
    fn each_operator_compares_whole_names() {
        for (operator, value, expected) in [
            ("=", "orders", vec!["orders"]),
            ("=", "ord", vec![]),
            ("!=", "orders", vec!["orders-2", "jira"]),
            ("=~", "orders", vec!["orders"]),
            ("=~", "orders.*", vec!["orders", "orders-2"]),
            ("=~", "orders|jira", vec!["orders", "jira"]),
            ("!~", "orders.*", vec!["jira"]),
            ("!~", "ord", vec!["orders", "orders-2", "jira"]),
        ] {
            assert_eq!(picked(operator, value), expected, "{operator} {value}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (key, operator, value, status, message) in [
            (
                "colour",
                "=",
                "red",
                400,
                "key is \"colour\", accepted is one of cluster, ",
            ),
            (
                "group",
                "<",
                "1",
                400,
                "operator is \"<\", accepted is one of =, !=, =~, !~",
            ),
            (
                "group",
                "=~",
                "(",
                400,
                "value is \"(\", accepted is a regular expression",
            ),
            ("group", "=~", "a)|(b", 400, "value is \"a)|(b\""),
            (
                "group",
                "=~",
                &"a".repeat(1_001),
                422,
                "a pattern of 1001 characters",
            ),
            (
                "group",
                "!~",
                "(\\w{1,99}){1,99}",
                422,
                "a pattern that repeats too much",
            ),
        ] {
            let why = filters(key, operator, value).expect_err("a mistake");
            assert_eq!(why.status().0, status, "{why}");
            assert!(why.to_string().contains(message), "{why}");
        }
    }

    #[test]
    fn there_may_not_be_many() {
        let filter = json!({"key": "group", "operator": "=", "value": "a"});
        let filter: FilterJson = serde_json::from_value(filter).expect("a filter");
        let why = Filters::read(&vec![filter; MAX_FILTERS + 1]).expect_err("too many");
        assert_eq!(why.status().0, 422);
    }
}
