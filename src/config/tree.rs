//! The configuration as written: values by key, each with its place.
//!
//! It knows no key. Serde stops at the first mistake, hence this tree of our own
//! over TOML's, which a [`Section`](super::section::Section) reads to its end.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, cut, cut_reason};

/// Nodes by key.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and its place.
#[derive(Clone)]
pub(super) struct Node {
    /// `file:line`, or the environment variable's name.
    pub place: String,
    pub value: Value,
}

/// A value as written. No `Debug`: it may be a secret.
#[derive(Clone)]
pub(super) enum Value {
    Table(Table),
    List(Vec<Node>),
    /// Text in the file.
    Quoted(String),
    /// A number, boolean or date in the file.
    Bare(String),
    /// From the environment: the key decides what it is.
    Variable(String),
}

impl Value {
    /// The value where text is accepted.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Quoted(text) | Self::Variable(text) => Some(text),
            _ => None,
        }
    }

    /// The value where a number or a boolean is accepted.
    pub(super) fn bare(&self) -> Option<&str> {
        match self {
            Self::Bare(text) | Self::Variable(text) => Some(text.trim()),
            _ => None,
        }
    }

    /// The value for a message; not for what may be a secret.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Quoted(text) | Self::Variable(text) => format!("\"{}\"", cut(text)),
            Self::Bare(text) => cut(text),
            Self::Table(_) | Self::List(_) => self.kind().to_owned(),
        }
    }

    /// What kind of value it is, for a message on what may be a secret.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "a table",
            Self::List(_) => "a list",
            Self::Quoted(_) | Self::Variable(_) => "text",
            Self::Bare(_) => "a number, boolean or date",
        }
    }
}

/// Reads TOML. The mistakes are those of syntax: all that were found.
pub(super) fn parse(origin: &str, text: &str) -> Result<Table, Vec<Mistake>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::new(origin, text);
    if errors.is_empty() {
        return Ok(lines.table(table.into_inner()));
    }
    Err(errors.iter().map(|error| lines.mistake(error)).collect())
}

/// Turns positions in the text into `file:line`.
struct Lines<'a> {
    origin: &'a str,
    ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(origin: &'a str, text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end).collect();
        Self { origin, ends }
    }

    fn place(&self, position: usize) -> String {
        let line = self.ends.partition_point(|&end| end < position) + 1;
        format!("{}:{line}", self.origin)
    }

    /// Only the message: the line itself might hold a secret.
    fn mistake(&self, error: &toml::de::Error) -> Mistake {
        Mistake {
            place: self.place(error.span().map_or(0, |span| span.start)),
            key: String::new(),
            found: cut_reason(error.message()),
            accepted: "TOML 1.1".to_owned(),
        }
    }

    fn table(&self, table: DeTable<'_>) -> Table {
        table
            .into_iter()
            .map(|(key, value)| {
                let node = Node {
                    place: self.place(key.span().start),
                    value: self.value(value.into_inner()),
                };
                (key.into_inner().into_owned(), node)
            })
            .collect()
    }

    fn value(&self, value: DeValue<'_>) -> Value {
        match value {
            DeValue::Table(table) => Value::Table(self.table(table)),
            DeValue::Array(items) => {
                let node = |item: toml::Spanned<DeValue<'_>>| Node {
                    place: self.place(item.span().start),
                    value: self.value(item.into_inner()),
                };
                Value::List(items.into_iter().map(node).collect())
            }
            DeValue::String(text) => Value::Quoted(text.into_owned()),
            DeValue::Integer(number) => Value::Bare(
                i64::from_str_radix(number.as_str(), number.radix())
                    .map_or_else(|_| number.to_string(), |number| number.to_string()),
            ),
            DeValue::Float(number) => Value::Bare(number.to_string()),
            DeValue::Boolean(boolean) => Value::Bare(boolean.to_string()),
            DeValue::Datetime(time) => Value::Bare(time.to_string()),
        }
    }
}
