//! Variables that Grafana has left in a request.

use std::collections::BTreeMap;

use regex::{Captures, Regex};
use serde_json::Value;

use super::super::error::{ApiError, shown};

/// What variables may make of the texts of a request, which may be 256 kB with
/// a variable's value in it that is named many times.
const MAX_FILLED_BYTES: usize = 1 << 20;

/// `$name`, `${name}`, `${name:format}` and `[[name]]`.
const REFERENCE: &str = r"\$(\w+)|\$\{(\w+)(?::\w+)?\}|\[\[(\w+)(?::\w+)?\]\]";

/// The values of variables by their names.
#[derive(Debug)]
pub(super) struct Scoped {
    values: BTreeMap<String, Value>,
    reference: Regex,
    room: usize,
}

impl Scoped {
    /// Of `scopedVars`: each has its value, perhaps beside its text.
    pub(super) fn new(variables: BTreeMap<String, Value>) -> Self {
        let value = |variable: Value| match variable {
            Value::Object(mut fields) => fields.remove("value").unwrap_or(Value::Null),
            bare => bare,
        };
        let values = variables.into_iter();
        Self {
            values: values.map(|(name, of)| (name, value(of))).collect(),
            reference: Regex::new(REFERENCE).expect("a constant that is tested"),
            room: MAX_FILLED_BYTES,
        }
    }

    /// Puts values in the place of variables, in all texts of `json`. What is no
    /// variable of the request stays as it is.
    pub(super) fn fill(&mut self, json: &mut Value) -> Result<(), ApiError> {
        match json {
            Value::String(text) => {
                if let Some(filled) = self.filled(text)? {
                    *json = filled;
                }
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.fill(item)),
            Value::Object(fields) => fields.values_mut().try_for_each(|field| self.fill(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    fn filled(&mut self, text: &str) -> Result<Option<Value>, ApiError> {
        let mut filled = String::new();
        let mut end = 0;
        for captures in self.reference.captures_iter(text) {
            let Some(value) = named(&self.values, &captures) else {
                continue;
            };
            let whole = captures.get(0).expect("a match is its own group");
            if whole.as_str() == text {
                // Several values stay several.
                take(&mut self.room, size(value))?;
                return Ok(Some(value.clone()));
            }
            let before = &text[end..whole.start()];
            let value = as_text(value);
            take(&mut self.room, before.len() + value.len())?;
            filled.push_str(before);
            filled.push_str(&value);
            end = whole.end();
        }
        Ok((end > 0).then(|| Value::String(filled + &text[end..])))
    }
}

fn named<'a>(values: &'a BTreeMap<String, Value>, captures: &Captures<'_>) -> Option<&'a Value> {
    let mut groups = captures.iter().skip(1).flatten();
    values.get(groups.next()?.as_str())
}

fn take(room: &mut usize, bytes: usize) -> Result<(), ApiError> {
    match room.checked_sub(bytes) {
        Some(left) => {
            *room = left;
            Ok(())
        }
        None => Err(ApiError::TooLarge {
            found: "more text".to_owned(),
            limit: format!("{MAX_FILLED_BYTES} bytes once variables have their values"),
            remedy: "name variables with long values less often",
        }),
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        other => shown(&other.to_string()).len(),
    }
}

/// Several values as `(a|b)`, as Grafana would have written them.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(as_text).collect();
            match items.as_slice() {
                [one] => one.clone(),
                several => format!("({})", several.join("|")),
            }
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scoped() -> Scoped {
        let variables = json!({
            "group": {"text": "g", "value": "g"},
            "topics": {"text": "a + b", "value": ["a", "b"], "selected": true},
            "bare": "x",
            "__interval_ms": {"text": 1000, "value": 1000},
        });
        Scoped::new(serde_json::from_value(variables).expect("variables"))
    }

    #[test]
    fn variables_are_found_however_they_are_written() {
        for (text, expected) in [
            ("$group", json!("g")),
            ("${group}", json!("g")),
            ("${group:regex}", json!("g")),
            ("[[group]]", json!("g")),
            ("$group-historic", json!("g-historic")),
            ("a-[[group]]-${bare}!", json!("a-g-x!")),
            ("$topics", json!(["a", "b"])),
            ("x$topics", json!("x(a|b)")),
            ("$__interval_ms", json!(1000)),
            ("$unknown", json!("$unknown")),
            ("$groups", json!("$groups")),
            ("$unknown and $group", json!("$unknown and g")),
            ("5 $", json!("5 $")),
        ] {
            let mut value = json!({"deep": [text]});
            scoped().fill(&mut value).expect("room");
            assert_eq!(value["deep"][0], expected, "{text}");
        }
    }

    #[test]
    fn what_they_make_of_a_request_is_bounded() {
        let long = "x".repeat(100_000);
        let variables = BTreeMap::from([("v".to_owned(), json!(long))]);
        for text in ["$v ".repeat(20), "$v".to_owned()] {
            let mut value = json!(vec![text; 20]);
            let why = Scoped::new(variables.clone()).fill(&mut value);
            assert_eq!(why.expect_err("a limit").status().0, 422);
        }
    }
}
