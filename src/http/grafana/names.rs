//! Names as a payload has them: typed, or put there by Grafana for a variable.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::error::{ApiError, shown};

/// As many names as there are rows in a list of series.
const MAX_NAMES: usize = 10_000;

/// What stands for all there are: a star, Grafana's word for it and its own
/// value of it, and the pattern that people set for it.
const ALL: [&str; 5] = ["", "*", "All", "$__all", ".*"];

const ACCEPTED: &str = "a text, several as (a|b) or as an array, or * for all";

/// Which names are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Names {
    #[default]
    All,
    OneOf(BTreeSet<String>),
}

impl Names {
    /// Reads the value of a field.
    pub(super) fn read(field: &'static str, value: &Value) -> Result<Self, ApiError> {
        let mut names = BTreeSet::new();
        let all = match value {
            Value::Null => true,
            Value::Array(values) if values.is_empty() => true,
            Value::Array(values) => {
                let mut all = false;
                for value in values {
                    all |= append(field, value, &mut names)?;
                }
                all
            }
            value => append(field, value, &mut names)?,
        };
        if names.len() > MAX_NAMES {
            return Err(ApiError::TooLarge {
                found: format!("{} names in {field}", names.len()),
                limit: format!("at most {MAX_NAMES}"),
                remedy: "ask for all of them with *, or for fewer",
            });
        }
        Ok(if all { Self::All } else { Self::OneOf(names) })
    }

    pub(super) fn picks(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::OneOf(names) => names.contains(name),
        }
    }

    /// The name, if it is one only.
    pub(super) fn only(&self) -> Option<&str> {
        match self {
            Self::OneOf(names) if names.len() == 1 => names.first().map(String::as_str),
            _ => None,
        }
    }

    /// Is it among those that are spelled out?
    pub(super) fn spell_out(&self, name: &str) -> bool {
        matches!(self, Self::OneOf(names) if names.contains(name))
    }
}

/// Appends what one text says; `true` if that is all there are.
fn append(
    field: &'static str,
    value: &Value,
    names: &mut BTreeSet<String>,
) -> Result<bool, ApiError> {
    let number;
    let text = match value {
        Value::String(text) => text.as_str(),
        Value::Number(found) => {
            number = found.to_string();
            &number
        }
        other => return Err(ApiError::bad(field, &shown(&other.to_string()), ACCEPTED)),
    };
    if ALL.contains(&text) {
        return Ok(true);
    }
    match alternatives(text) {
        Some(several) => {
            names.extend(several.iter().map(|name| unescaped(name)));
            Ok(several.iter().any(|name| ALL.contains(name)))
        }
        None => {
            names.insert(unescaped(text));
            Ok(false)
        }
    }
}

/// The parts of `(a|b)`, which is what Grafana makes of several values.
fn alternatives(text: &str) -> Option<Vec<&str>> {
    let inside = text.strip_prefix('(')?.strip_suffix(')')?;
    let (mut parts, mut begin, mut escaped) = (Vec::new(), 0, false);
    for (at, char) in inside.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '|' => {
                parts.push(&inside[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    // A last backslash belongs to the closing one.
    (!parts.is_empty() && !escaped).then(|| {
        parts.push(&inside[begin..]);
        parts
    })
}

/// Grafana puts a backslash before what would mean something in a pattern.
fn unescaped(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match chars.peek() {
            Some(next) if char == '\\' && next.is_ascii_punctuation() => {
                name.extend(chars.next());
            }
            _ => name.push(char),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn one_of(names: &[&str]) -> Names {
        Names::OneOf(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// As Grafana's format `regex` writes a value.
    fn escaped(name: &str) -> String {
        let mut text = String::new();
        for char in name.chars() {
            if r"\^$*+?.()|[]{}/".contains(char) {
                text.push('\\');
            }
            text.push(char);
        }
        text
    }

    #[test]
    fn names_are_read_as_grafana_writes_them() {
        for (value, expected) in [
            (json!(null), Names::All),
            (json!(""), Names::All),
            (json!("*"), Names::All),
            (json!("All"), Names::All),
            (json!("$__all"), Names::All),
            (json!(["$__all"]), Names::All),
            (json!(["a", "*"]), Names::All),
            (json!("(a|*)"), Names::All),
            (json!([]), Names::All),
            (json!("a"), one_of(&["a"])),
            (json!(3), one_of(&["3"])),
            (json!("(a|b)"), one_of(&["a", "b"])),
            (json!(r"(a\.1|b\|c)"), one_of(&["a.1", "b|c"])),
            (json!(r"orders\.v1"), one_of(&["orders.v1"])),
            (json!(["a", "b"]), one_of(&["a", "b"])),
            (json!(["(a|b)", "c"]), one_of(&["a", "b", "c"])),
            (json!("(a)"), one_of(&["(a)"])),
            (json!(r"\(a\|b\)"), one_of(&["(a|b)"])),
            (json!(r"C:\dir"), one_of(&[r"C:\dir"])),
        ] {
            assert_eq!(
                Names::read("group", &value).expect("names"),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for value in [json!({"a": 1}), json!(true), json!([["a"]])] {
            let why = Names::read("group", &value)
                .expect_err("no names")
                .to_string();
            assert!(why.starts_with("group is "), "{why}");
        }
        let many: Vec<_> = (0..=MAX_NAMES).collect();
        let why = Names::read("group", &json!(many)).expect_err("too many");
        assert!(matches!(why, ApiError::TooLarge { .. }), "{why}");
    }

    proptest! {
        #[test]
        fn what_grafana_escapes_is_read_back(names in proptest::collection::btree_set("[ -~]{1,8}", 1..4)) {
            let is_all = |name: &String| ALL.contains(&name.as_str());
            prop_assume!(!names.iter().any(is_all));
            let texts: Vec<_> = names.iter().map(|name| escaped(name)).collect();
            let text = match texts.as_slice() {
                [one] => one.clone(),
                several => format!("({})", several.join("|")),
            };
            let read = Names::read("group", &json!(text)).expect("names");
            prop_assert_eq!(read, Names::OneOf(names));
        }
    }
}
