//! What a query's parameters are about, and what is accepted.

use serde_json::json;
use utoipa::openapi::{
    ArrayBuilder, KnownFormat, ObjectBuilder, RefOr, Required, Schema, SchemaFormat, Type,
    path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle},
    schema::AnyOfBuilder,
};

use super::super::query::MAX_RANGE;
use crate::model::{Partition, TimestampMs};

/// Names the type that tells `utoipa` of an endpoint's parameters: those that it
/// reads by, described in its own words where it has any.
macro_rules! accepts {
    ($(#[$doc:meta])* $names:expr $(, $own:expr)* $(,)?) => {
        $(#[$doc])*
        pub(super) enum Accepted {}

        impl utoipa::IntoParams for Accepted {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                $crate::http::openapi::parameters::described(&$names, &[$($own),*])
            }
        }
    };
}
pub(in super::super) use accepts;

/// These parameters, in the words of `own` or else as everywhere.
pub(in super::super) fn described(names: &[&str], own: &[Parameter]) -> Vec<Parameter> {
    let described = |name: &&str| {
        let own = own.iter().find(|parameter| parameter.name == *name);
        own.cloned().unwrap_or_else(|| usual(name))
    };
    names.iter().map(described).collect()
}

fn usual(name: &str) -> Parameter {
    match name {
        "cluster" => any_text(name, "A cluster, as the configuration calls it.", "main"),
        "group" => any_text(name, GROUP, GROUP_EXAMPLE),
        "topic" => any_text(name, "A topic.", "orders"),
        "from" => from("an hour before `to`"),
        "to" => moment(name, "The end of the range, included. Now, unless given."),
        _ => unreachable!("the parameter {name} is not described"),
    }
}

const GROUP: &str = "The `group.id` of a consumer group.";
const GROUP_EXAMPLE: &str = "orders-service";

/// A consumer group that the endpoint can't do without.
pub(in super::super) fn required_group() -> Parameter {
    required("group", GROUP, text(GROUP_EXAMPLE))
}

/// The same of a topic.
pub(in super::super) fn required_topic() -> Parameter {
    let about = "A topic that the group has commits in.";
    required("topic", about, text("orders"))
}

/// The start of a range; `default` says which it is unless given.
pub(in super::super) fn from(default: &str) -> Parameter {
    let days = MAX_RANGE.as_secs() / 86_400;
    let about = format!(
        "The start of the range, included, before `to` and at most {days} days before it. Unless \
         given: {default}."
    );
    optional("from", &about, time())
}

/// A moment.
pub(in super::super) fn moment(name: &str, about: &str) -> Parameter {
    optional(name, about, time())
}

/// How many rows.
pub(in super::super) fn limit(default: usize, most: usize) -> Parameter {
    let count = count(1, most).default(Some(json!(default)));
    optional("limit", "How many rows at most.", count.into())
}

/// How many of something, at least `least`.
pub(in super::super) fn count_from(
    least: usize,
    most: usize,
    name: &str,
    about: &str,
) -> Parameter {
    optional(name, about, count(least, most).into())
}

fn count(least: usize, most: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(least))
        .maximum(Some(most))
}

/// One partition; `all`: or a word for all of them.
pub(in super::super) fn partition(about: &str, all: Option<&str>) -> Parameter {
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .maximum(Some(Partition::MAX));
    let schema = match all {
        Some(word) => any_of([number.into(), words(&[word])]),
        None => number.into(),
    };
    optional("partition", about, schema)
}

/// One of these words.
pub(in super::super) fn word(name: &str, about: &str, accepted: &[&str]) -> Parameter {
    optional(name, about, words(accepted))
}

/// Some of these words, separated by commas.
pub(in super::super) fn some_of(name: &str, about: &str, accepted: &[&str]) -> Parameter {
    let list = ArrayBuilder::new().items(words(accepted)).build();
    let mut some = parameter(name, about, list.into());
    some.style = Some(ParameterStyle::Form);
    some.explode = Some(false);
    some
}

/// Any text.
pub(in super::super) fn any_text(name: &str, about: &str, example: &str) -> Parameter {
    optional(name, about, text(example))
}

/// A duration, or `word`.
pub(in super::super) fn duration_or(word: &str, name: &str, about: &str) -> Parameter {
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(0.001))
        .maximum(Some(MAX_RANGE.as_secs()));
    let with_unit = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(
            "^[1-9]([0-9]{0,6}(ms|s)|[0-9]{0,3}m|[0-9]{0,2}h|[0-9]?d)$",
        ))
        .examples(["1m"]);
    let schema = any_of([seconds.into(), with_unit.into(), words(&[word])]);
    optional(name, about, schema)
}

/// One that need not be given. Without a value it counts as not given.
fn optional(name: &str, about: &str, schema: RefOr<Schema>) -> Parameter {
    let nothing = words(&[""]);
    let schema = match schema {
        RefOr::T(Schema::AnyOf(mut any_of)) => {
            any_of.items.push(nothing);
            Schema::AnyOf(any_of).into()
        }
        one => any_of([one, nothing]),
    };
    parameter(name, about, schema)
}

fn required(name: &str, about: &str, schema: RefOr<Schema>) -> Parameter {
    let mut parameter = parameter(name, about, schema);
    parameter.required = Required::True;
    parameter
}

fn parameter(name: &str, about: &str, schema: RefOr<Schema>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

fn any_of<const N: usize>(schemas: [RefOr<Schema>; N]) -> RefOr<Schema> {
    let any_of = AnyOfBuilder::new();
    let any_of = schemas.into_iter().fold(any_of, AnyOfBuilder::item);
    Schema::AnyOf(any_of.build()).into()
}

fn text(example: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.min_length(Some(1)).examples([example]).into()
}

fn words(accepted: &[&str]) -> RefOr<Schema> {
    let words = ObjectBuilder::new().schema_type(Type::String);
    words.enum_values(Some(accepted.iter().copied())).into()
}

fn time() -> RefOr<Schema> {
    let date = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some("^(19[7-9]|[2-9][0-9]{2})[0-9]-"))
        .examples(["2026-01-01T00:00:00Z"]);
    let number = ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(0))
        .maximum(Some(TimestampMs::LATEST.0))
        .description(Some(
            "Epoch seconds, or milliseconds from 100,000,000,000 on.",
        ));
    any_of([date.into(), number.into()])
}
