//! What can be asked for, for Grafana's query editor.

use serde::Serialize;

use super::{super::history::Asked, annotations::Kind, filter::Key, payload::Aggregation};

/// The tables, and what they hold. Beside them there is all that history has.
const TABLES: [(&str, &str, &[Field]); 4] = [
    (
        "groups",
        "table: all groups now, what needs attention first",
        &[
            Field::Name(Key::Cluster),
            Field::Name(Key::Group),
            Field::Name(Key::Topic),
        ],
    ),
    (
        "top",
        "table: groups and topics with the most lag",
        &[
            Field::Name(Key::Cluster),
            Field::Name(Key::Group),
            Field::Name(Key::Topic),
            Field::By,
            Field::Limit,
        ],
    ),
    (
        "told",
        "table: what KEDA was told, each change",
        &[
            Field::Name(Key::Cluster),
            Field::Name(Key::Group),
            Field::Name(Key::Topic),
        ],
    ),
    (
        "events",
        "annotations: what happened",
        &[
            Field::Name(Key::Cluster),
            Field::Name(Key::Group),
            Field::Name(Key::Topic),
            Field::Kind,
        ],
    ),
];

const OF_SERIES: [Field; 6] = [
    Field::Name(Key::Cluster),
    Field::Name(Key::Group),
    Field::Name(Key::Topic),
    Field::Name(Key::Partition),
    Field::Aggregation,
    Field::IncludeHistoric,
];

/// A field of a payload.
#[derive(Debug, Clone, Copy)]
enum Field {
    Name(Key),
    Aggregation,
    IncludeHistoric,
    Kind,
    By,
    Limit,
}

/// A metric, as the plugin reads it.
#[derive(Debug, Serialize)]
pub(super) struct MetricJson {
    pub(super) value: &'static str,
    label: String,
    payloads: Vec<FieldJson>,
}

#[derive(Debug, Serialize)]
struct FieldJson {
    name: &'static str,
    label: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    placeholder: &'static str,
    /// Without any, the editor asks `/metric-payload-options` each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Vec<OptionJson>>,
}

/// Something to choose.
#[derive(Debug, Serialize)]
pub(super) struct OptionJson {
    pub(super) label: String,
    pub(super) value: String,
}

impl OptionJson {
    pub(super) fn of(value: impl Into<String>) -> Self {
        let value = value.into();
        Self {
            label: value.clone(),
            value,
        }
    }
}

/// All metrics, with the fields that each has.
pub(super) fn all() -> Vec<MetricJson> {
    let series = Asked::names().map(|name| metric(name, name.to_owned(), &OF_SERIES));
    let tables = TABLES.iter();
    let tables =
        tables.map(|(name, what, fields)| metric(name, format!("{name} ({what})"), fields));
    series.chain(tables).collect()
}

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    Asked::names().chain(TABLES.iter().map(|(name, ..)| *name))
}

fn metric(value: &'static str, label: String, fields: &[Field]) -> MetricJson {
    MetricJson {
        value,
        label,
        payloads: fields.iter().map(|field| field.json()).collect(),
    }
}

/// What a field can be, if that does not depend on what is recorded.
pub(super) fn options(name: &str) -> Option<Vec<OptionJson>> {
    let fields = [
        Field::Aggregation,
        Field::IncludeHistoric,
        Field::Kind,
        Field::By,
    ];
    let field = fields.into_iter().find(|field| field.name() == name)?;
    field.options()
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::Name(key) => key.name(),
            Self::Aggregation => "aggregation",
            Self::IncludeHistoric => "includeHistoric",
            Self::Kind => "kind",
            Self::By => "by",
            Self::Limit => "limit",
        }
    }

    fn options(self) -> Option<Vec<OptionJson>> {
        let of = |names: &[&str]| Some(names.iter().copied().map(OptionJson::of).collect());
        match self {
            Self::Name(_) | Self::Limit => None,
            Self::Aggregation => of(&Aggregation::ALL.map(Aggregation::name)),
            Self::IncludeHistoric => of(&["false", "true"]),
            Self::Kind => of(&Kind::ALL.map(Kind::name)),
            Self::By => of(&["lag", "max_lag"]),
        }
    }

    fn json(self) -> FieldJson {
        let (label, kind, placeholder) = match self {
            Self::Name(Key::Cluster) => ("Cluster", "multi-select", "all"),
            Self::Name(Key::Group) => ("Group", "multi-select", "all"),
            Self::Name(Key::Topic) => ("Topic", "multi-select", "all"),
            Self::Name(Key::Partition) => ("Partition", "multi-select", "the topic; * for each"),
            Self::Aggregation => ("Put together", "select", "none"),
            Self::IncludeHistoric => ("Historic groups", "select", "false"),
            Self::Kind => ("Kind", "multi-select", "all"),
            Self::By => ("By", "select", "lag"),
            Self::Limit => ("Limit", "input", "10"),
        };
        FieldJson {
            name: self.name(),
            label,
            kind,
            placeholder,
            options: self.options(),
        }
    }
}
