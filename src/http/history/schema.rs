//! What OpenAPI tells of history.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type,
        schema::{AnyOfBuilder, SchemaType},
    },
};

use super::{
    super::openapi::parameters::{accepts, duration_or, partition, required_group, some_of},
    beside::ToldMetric,
    metric::{self, Metric},
    request::{ALL_PARTITIONS, EVERY_TICK, PARAMETERS},
};

accepts!(
    PARAMETERS,
    required_group(),
    partition(
        "One partition, or `*` for a row for each. Else a row is of a topic.",
        Some(ALL_PARTITIONS)
    ),
    some_of(
        "metric",
        "What to tell. The lag, unless given.",
        &metric::Asked::names().collect::<Vec<_>>()
    ),
    duration_or(
        EVERY_TICK,
        "step",
        "How far rows are apart: seconds, a duration such as `1m`, or `raw` for each tick as it was \
         recorded. Unless given, about 600 rows of a round step.",
    ),
);

/// A row: what it is of, and a key for each metric that was asked for.
pub(super) enum HistoryRow {}

impl PartialSchema for HistoryRow {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let time = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        let partition = ObjectBuilder::new().schema_type(Type::Integer);
        let mut row = ObjectBuilder::new()
            .property("time", time)
            .property("partition", partition);
        for key in ["cluster", "group", "topic"] {
            row = row.property(key, text());
        }
        for key in ["time", "cluster", "group", "topic"] {
            row = row.required(key);
        }
        for (key, kind) in metric_keys() {
            row = row.property(key, or_null(kind));
        }
        row.into()
    }
}

impl ToSchema for HistoryRow {}

fn metric_keys() -> impl Iterator<Item = (&'static str, Type)> {
    let keys = metric::ALL.into_iter().flat_map(|metric| {
        let kinds = match metric {
            Metric::Status | Metric::RatesFrom => [Type::String, Type::Null],
            // The second says whether it is a lower bound.
            _ => [Type::Number, Type::Boolean],
        };
        metric.keys().iter().copied().zip(kinds)
    });
    let told = ToldMetric::ALL.into_iter().map(|told| match told {
        ToldMetric::Active => (told.name(), Type::Boolean),
        ToldMetric::MetricValue | ToldMetric::Target | ToldMetric::ImpliedReplicas => {
            (told.name(), Type::Number)
        }
    });
    keys.chain(told)
}

/// Not a nullable type, whose key would always be there: this one is if it is
/// asked for.
fn or_null(kind: Type) -> Schema {
    let of = |kind| ObjectBuilder::new().schema_type(SchemaType::new(kind));
    let any_of = AnyOfBuilder::new().item(of(kind)).item(of(Type::Null));
    Schema::AnyOf(any_of.build())
}
