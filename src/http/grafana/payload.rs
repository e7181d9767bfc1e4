//! What a target asks for beside its metric.

use serde_json::{Map, Value};

use super::{
    super::error::{ApiError, shown},
    annotations::Kind,
    filter::{Choice, Filters, Key},
    names::Names,
};

/// The fields that a payload may have, whatever the metric: Grafana's editor
/// keeps what was chosen for the metric before.
pub(super) const FIELDS: [&str; 9] = [
    "cluster",
    "group",
    "topic",
    "partition",
    "aggregation",
    "includeHistoric",
    "kind",
    "by",
    "limit",
];

/// How several series are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Aggregation {
    #[default]
    None,
    Sum,
    Max,
    Min,
    Avg,
}

impl Aggregation {
    pub(super) const ALL: [Self; 5] = [Self::None, Self::Sum, Self::Max, Self::Min, Self::Avg];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sum => "sum",
            Self::Max => "max",
            Self::Min => "min",
            Self::Avg => "avg",
        }
    }
}

/// A payload that has been read, with the request's filters in it.
#[derive(Debug, Default)]
pub(super) struct Payload {
    pub(super) cluster: Choice,
    pub(super) group: Choice,
    pub(super) topic: Choice,
    pub(super) partition: Choice,
    /// Is anything said of partitions? Else topics are told as a whole.
    pub(super) by_partition: bool,
    pub(super) aggregation: Aggregation,
    pub(super) include_historic: bool,
    pub(super) kinds: Vec<Kind>,
    /// Of the table of groups with the most lag, as `/api/v1/top` reads them.
    pub(super) by: Option<String>,
    pub(super) limit: Option<String>,
}

impl Payload {
    /// Reads an object, a text that holds one, or nothing.
    pub(super) fn read(json: &Value, filters: &Filters) -> Result<Self, ApiError> {
        match json {
            Value::Null => Self::of(&Map::new(), filters),
            Value::Object(fields) => Self::of(fields, filters),
            Value::String(text) if text.trim().is_empty() => Self::of(&Map::new(), filters),
            Value::String(text) => match serde_json::from_str(text) {
                Ok(fields) => Self::of(&fields, filters),
                Err(_) => Err(no_payload(text)),
            },
            other => Err(no_payload(&other.to_string())),
        }
    }

    fn of(fields: &Map<String, Value>, filters: &Filters) -> Result<Self, ApiError> {
        if let Some(unknown) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(ApiError::UnknownParameter {
                parameter: shown(unknown),
                accepted: FIELDS.join(", "),
            });
        }
        let choice = |key: Key| {
            let value = fields.get(key.name()).unwrap_or(&Value::Null);
            Ok::<_, ApiError>(filters.choice(key, Names::read(key.name(), value)?))
        };
        let partition = choice(Key::Partition)?;
        partition.check_numbers()?;
        let says_nothing = |value: &Value| match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        let named = fields
            .get("partition")
            .is_some_and(|value| !says_nothing(value));
        Ok(Self {
            cluster: choice(Key::Cluster)?,
            group: choice(Key::Group)?,
            topic: choice(Key::Topic)?,
            by_partition: named || partition.is_filtered(),
            partition,
            aggregation: aggregation(text(fields, "aggregation")?)?,
            include_historic: flag(fields, "includeHistoric")?,
            kinds: Kind::read(fields.get("kind").unwrap_or(&Value::Null))?,
            by: text(fields, "by")?.map(str::to_owned),
            limit: number(fields, "limit")?,
        })
    }
}

fn no_payload(found: &str) -> ApiError {
    ApiError::bad(
        "payload",
        found,
        format!("an object with some of {}", FIELDS.join(", ")),
    )
}

fn text<'a>(
    fields: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, ApiError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)
            .filter(|text| !text.is_empty())
            .map(String::as_str)),
        Some(other) => Err(ApiError::bad(name, &other.to_string(), "a text")),
    }
}

/// A number, which the editor sends as text.
fn number(fields: &Map<String, Value>, name: &'static str) -> Result<Option<String>, ApiError> {
    match fields.get(name) {
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        _ => Ok(text(fields, name)?.map(str::to_owned)),
    }
}

fn flag(fields: &Map<String, Value>, name: &'static str) -> Result<bool, ApiError> {
    if let Some(Value::Bool(flag)) = fields.get(name) {
        return Ok(*flag);
    }
    match text(fields, name)? {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(ApiError::bad(name, other, "true or false")),
    }
}

fn aggregation(text: Option<&str>) -> Result<Aggregation, ApiError> {
    let Some(text) = text else {
        return Ok(Aggregation::default());
    };
    let found = Aggregation::ALL.into_iter().find(|one| one.name() == text);
    found.ok_or_else(|| {
        let names = Aggregation::ALL.map(Aggregation::name).join(", ");
        ApiError::bad("aggregation", text, format!("one of {names}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(payload: Value) -> Result<Payload, ApiError> {
        Payload::read(&payload, &Filters::default())
    }

    #[test]
    fn a_payload_is_an_object_or_a_text_that_holds_one() {
        for payload in [
            json!({"group": "g", "aggregation": "sum", "includeHistoric": "true"}),
            json!("{\"group\":\"g\",\"aggregation\":\"sum\",\"includeHistoric\":true}"),
        ] {
            let payload = read(payload).expect("a payload");
            assert_eq!(payload.group.only(), Some("g"));
            assert_eq!(payload.aggregation, Aggregation::Sum);
            assert!(payload.include_historic);
            assert!(payload.topic.picks("any"));
        }
        for nothing in [json!(null), json!(""), json!({})] {
            let payload = read(nothing).expect("a payload");
            assert!(!payload.include_historic && !payload.by_partition);
        }
    }

    #[test]
    fn only_what_is_said_of_partitions_tells_them_apart() {
        for (partition, expected) in [
            (json!(""), false),
            (json!(null), false),
            (json!([]), false),
            (json!("*"), true),
            (json!("All"), true),
            (json!(0), true),
            (json!(["0", "1"]), true),
        ] {
            let payload = read(json!({"partition": partition})).expect("a payload");
            assert_eq!(payload.by_partition, expected);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (payload, message) in [
            (
                json!(5),
                "payload is \"5\", accepted is an object with some of cluster, ",
            ),
            (json!("{"), "payload is \"{\""),
            (json!({"colour": "red"}), "\"colour\" is no parameter"),
            (
                json!({"aggregation": "p99"}),
                "accepted is one of none, sum, max, min, avg",
            ),
            (
                json!({"aggregation": 9}),
                "aggregation is \"9\", accepted is a text",
            ),
            (
                json!({"includeHistoric": "yes"}),
                "includeHistoric is \"yes\"",
            ),
            (
                json!({"kind": "boom"}),
                "kind is \"boom\", accepted is some of rebalance, ",
            ),
            (
                json!({"partition": "first"}),
                "partition is \"first\", accepted is ",
            ),
        ] {
            let why = read(payload).expect_err("a mistake").to_string();
            assert!(why.contains(message), "{why}");
        }
    }
}
