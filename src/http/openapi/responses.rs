//! What the JSON API answers when it refuses or fails.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, Type},
};

use crate::store::Level;

/// Of an endpoint that reads parameters only.
pub(in super::super) enum Refusals {}

/// Of one that searches for something as well, which may be too much, or not
/// there.
pub(in super::super) enum QueryRefusals {}

/// Of the backup.
pub(in super::super) enum BackupRefusals {}

/// The header that says which levels of history an answer was told from.
pub(in super::super) enum LevelsHeader {}

impl PartialSchema for LevelsHeader {
    fn schema() -> RefOr<Schema> {
        let names = Level::ALL.map(Level::name).join(", ");
        let about = format!("Which levels of history it was told from, some of {names}.");
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.description(Some(about)).into()
    }
}

impl ToSchema for LevelsHeader {}

const REFUSALS: [(u16, &str); 2] = [
    (
        400,
        "A parameter is wrong, missing, given twice or not one of this endpoint.",
    ),
    (405, "This method is not accepted here."),
];
const NOT_FOUND: (u16, &str) = (
    404,
    "There is no such cluster, group, topic, partition or watch.",
);
const TOO_LARGE: (u16, &str) = (422, "The answer would be larger than one may be.");
const BUSY: (u16, &str) = (
    429,
    "As many queries run and wait as may; `retry-after` says when to try again.",
);
const FAILED: (u16, &str) = (500, "A fault: the log says more.");
const NOT_NOW: (u16, &str) = (
    503,
    "No answer in time, or the process is ending, or history is being compacted.",
);

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        errors(REFUSALS)
    }
}

impl IntoResponses for QueryRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let more = [NOT_FOUND, TOO_LARGE, BUSY, FAILED, NOT_NOW];
        errors(REFUSALS.into_iter().chain(more))
    }
}

impl IntoResponses for BackupRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let forbidden = (403, "It is made only for who asks from the machine itself.");
        let conflict = (409, "One is being made.");
        let more = [forbidden, conflict, FAILED, NOT_NOW];
        errors(REFUSALS.into_iter().chain(more))
    }
}

fn errors(
    statuses: impl IntoIterator<Item = (u16, &'static str)>,
) -> BTreeMap<String, RefOr<Response>> {
    let response = |(status, about): (u16, &str)| {
        let schema = Ref::from_schema_name("Error");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(about);
        let response = response.content("application/json", content).build();
        (status.to_string(), response.into())
    };
    statuses.into_iter().map(response).collect()
}
