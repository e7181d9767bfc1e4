//! The words of answers, from the code's own lists.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::{
    estimator::{GroupVerdict, PartitionVerdict, RatesFrom},
    model::{EventKind, GroupState},
    store::Level,
};

use super::super::error::CODES;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $list:expr;)*) => { $(
        $(#[$doc])*
        pub(in super::super) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = ObjectBuilder::new().schema_type(Type::String);
                words.enum_values(Some($list)).into()
            }
        }

        impl ToSchema for $name {}
    )* };
}

words! {
    /// A group's status by Burrow's rules.
    GroupStatusWord: GroupVerdict::ALL.map(GroupVerdict::as_str);
    /// A partition's.
    PartitionStatusWord: PartitionVerdict::ALL.map(PartitionVerdict::as_str);
    /// A consumer group's state, by Kafka's names.
    GroupStateWord: GroupState::ALL.map(GroupState::as_str);
    /// What rates are made of.
    RatesFromWord: RatesFrom::ALL.map(RatesFrom::as_str);
    /// What happened.
    EventKindWord: EventKind::NAMES;
    /// A level of history.
    LevelWord: Level::ALL.map(Level::name);
    /// What an error is called, for programs.
    ErrorCode: CODES;
}
