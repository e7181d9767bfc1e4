//! What dashboard variables can be: `clusters`, `queues`, `groups(cluster)`,
//! `topics(group, cluster)` or `partitions(group, topic, cluster)`, or the same
//! as an object such as `{"target": "topics", "group": "g"}`.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    super::{
        HttpState,
        error::{ApiError, shown},
        gate::Allowance,
    },
    annotations::Kind,
    catalogue,
    filter::{Filters, Key},
    metrics,
    payload::Payload,
};

/// A list to choose from; who needs more can say where from.
const MAX_VALUES: usize = 10_000;

const ACCEPTED: &str = "clusters, queues, groups(cluster), topics(group, cluster), \
                        partitions(group, topic, cluster), metrics or kinds, \
                        with as many of the names as are to be narrowed to";

/// What a variable is a list of.
#[derive(Debug)]
enum List {
    Names(Key, Box<Payload>),
    Queues,
    Metrics,
    Kinds,
}

/// A query for a variable, as it was read.
#[derive(Debug)]
pub(super) struct Variable(List);

/// One of a variable's values.
#[derive(Debug, Serialize)]
pub(super) struct VariableValue {
    #[serde(rename = "__text")]
    pub(super) text: String,
    #[serde(rename = "__value")]
    pub(super) value: String,
}

impl Variable {
    /// Reads what the plugin sends as payload.
    pub(super) fn read(payload: &Value) -> Result<Self, ApiError> {
        let refused = |found: &str| Err(ApiError::bad("target", found, ACCEPTED));
        match payload {
            Value::String(text) => Self::parse(text),
            Value::Object(fields) => {
                let mut fields = fields.clone();
                match fields.remove("target") {
                    Some(Value::String(text)) if fields.is_empty() => Self::parse(&text),
                    Some(Value::String(list)) => Self::of(&list, fields),
                    Some(other) => refused(&other.to_string()),
                    None => refused(""),
                }
            }
            other => refused(&other.to_string()),
        }
    }

    /// Reads `list` or `list(name, ...)`.
    fn parse(text: &str) -> Result<Self, ApiError> {
        let text = text.trim();
        let refused = || ApiError::bad("target", text, ACCEPTED);
        let Some((list, names)) = text.split_once('(') else {
            return Self::of(text, Map::new());
        };
        let names = arguments(names.strip_suffix(')').ok_or_else(refused)?);
        let places = places(list.trim()).ok_or_else(refused)?;
        if names.len() > places.len() {
            return Err(refused());
        }
        let fields = places.iter().zip(names);
        let fields = fields.map(|(place, name)| (place.name().to_owned(), name.into()));
        Self::of(list.trim(), fields.collect())
    }

    fn of(list: &str, fields: Map<String, Value>) -> Result<Self, ApiError> {
        let key = match list {
            "clusters" => Key::Cluster,
            "groups" => Key::Group,
            "topics" => Key::Topic,
            "partitions" => Key::Partition,
            "queues" => return Ok(Self(List::Queues)),
            "metrics" => return Ok(Self(List::Metrics)),
            "kinds" => return Ok(Self(List::Kinds)),
            other => return Err(ApiError::bad("target", &shown(other), ACCEPTED)),
        };
        let payload = Payload::read(&Value::Object(fields), &Filters::default())?;
        Ok(Self(List::Names(key, Box::new(payload))))
    }

    pub(super) fn values(
        &self,
        state: &HttpState,
        allowance: &Allowance,
    ) -> Result<Vec<VariableValue>, ApiError> {
        let names = match &self.0 {
            List::Queues => state.queues.iter().map(ToString::to_string).collect(),
            List::Metrics => metrics::names().map(str::to_owned).collect(),
            List::Kinds => Kind::ALL.map(|kind| kind.name().to_owned()).to_vec(),
            List::Names(key, payload) => {
                let names = catalogue::names(state, *key, payload, MAX_VALUES, allowance)?;
                if names.len() > MAX_VALUES {
                    return Err(too_many());
                }
                names
            }
        };
        let names = names.into_iter();
        Ok(names
            .map(|name| VariableValue {
                text: name.clone(),
                value: name,
            })
            .collect())
    }
}

fn too_many() -> ApiError {
    ApiError::TooLarge {
        found: format!("more than {MAX_VALUES} values"),
        limit: format!("at most {MAX_VALUES}"),
        remedy: "name a cluster or group, such as in topics(group)",
    }
}

/// What the names in brackets are names of.
fn places(list: &str) -> Option<&'static [Key]> {
    match list {
        "groups" => Some(&[Key::Cluster]),
        "topics" => Some(&[Key::Group, Key::Cluster]),
        "partitions" => Some(&[Key::Group, Key::Topic, Key::Cluster]),
        _ => None,
    }
}

/// The parts between commas, as far as those are not in brackets: `(a|b)` is
/// several values of one variable.
fn arguments(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth, mut escaped) = (Vec::new(), 0, 0_usize, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[begin..].trim());
    parts
}
