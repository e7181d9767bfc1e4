//! Why a plugin has no name.

use super::{MAX_LOOKUPS, MAX_PLUGIN_CHARS, book::MAX_NAMES};

/// Why there is no name for a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoName {
    /// Redis has no such key.
    #[error("{place} has no key {key:?} in database {database}")]
    Unknown {
        /// Which Redis.
        place: String,
        /// The key.
        key: String,
        /// In this database.
        database: usize,
    },
    /// What it has is of no use.
    #[error(
        "the value of key {key:?} in database {database} of {place} {why}, accepted is JSON with \
         kafka_prefix, a text of 1 to 255 characters"
    )]
    Unusable {
        /// Which Redis.
        place: String,
        /// The key.
        key: String,
        /// In this database.
        database: usize,
        /// What is wrong with its value.
        why: String,
    },
    /// Redis can't be asked, and nothing is known from before.
    #[error("key {key:?} in database {database} can't be read: {why}")]
    Away {
        /// The key.
        key: String,
        /// In this database.
        database: usize,
        /// Which Redis, and why.
        why: String,
    },
    /// There is no answer yet.
    #[error("no answer within the deadline from {place}")]
    TooLate {
        /// Which Redis.
        place: String,
    },
    /// Its name is too long.
    #[error("at most {MAX_PLUGIN_CHARS} characters are accepted")]
    TooLong,
    /// Too many look up others at this time.
    #[error("{MAX_LOOKUPS} plugins are looked up already")]
    TooManyLookups,
    /// There is no room.
    #[error("{MAX_NAMES} plugins are in use already")]
    TooManyNames,
}
