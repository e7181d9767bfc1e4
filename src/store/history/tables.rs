//! The tables of `history.redb`.
//!
//! ```text
//! table     key                                                     value
//! +---------+--------------------------------------------------------+---------------------+
//! | meta    | "schema_version"                                       | u32                 |
//! +---------+--------------------------------------------------------+---------------------+
//! | streams | stream u16                                             | as in the head      |
//! | series  | stream u16, first column u32                           | as in the head      |
//! +---------+--------------------------------------------------------+---------------------+
//! | chunks  | level u8, stream u16, first at i64                     | header of a chunk   |
//! | blocks  | level u8, first at i64, stream u16, plane u8, column u32 | some of its columns |
//! +---------+--------------------------------------------------------+---------------------+
//! ```
//! - Times are milliseconds since 1970. A chunk is known by the time of its
//!   first tick.
//! - `blocks` has the time before the stream, so that each seal appends at the
//!   end of its level and retention takes away a prefix. `column` is the first
//!   in the block; a block ends where the next one begins.
//! - Invariant: where a chunk's header is, all its blocks are. The header is
//!   written in the last transaction of a seal, and removed before the first
//!   block is; blocks without a header are rubbish, which the next seal
//!   in that place or retention takes away.
//! - `streams` and `series` are copies of what the head's say of the columns in
//!   here, so that history can be read, and a lost head made anew, without it.

use std::time::Duration;

use redb::TableDefinition;

use crate::store::{
    CareError,
    care::TableVisitor,
    head::{SERIES, STREAMS, StreamId},
    migrate::META,
};

type Millis = i64;
pub(in crate::store) type BlockKey = (u8, Millis, StreamId, u8, u32);

pub(in crate::store) const CHUNKS: TableDefinition<(u8, StreamId, Millis), &[u8]> =
    TableDefinition::new("chunks");
pub(in crate::store) const BLOCKS: TableDefinition<BlockKey, &[u8]> =
    TableDefinition::new("blocks");

/// Shows each table, the version with them. A new one has its line here too.
pub(in crate::store) fn visit_tables(visitor: &mut impl TableVisitor) -> Result<(), CareError> {
    visitor.table(META)?;
    visitor.table(STREAMS)?;
    visitor.table(SERIES)?;
    visitor.table(CHUNKS)?;
    visitor.table(BLOCKS)
}

/// How fine history is. The number is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Each tick as it was recorded.
    Raw,
    /// One tick a minute.
    Minutes,
    /// One tick an hour.
    Hours,
}

impl Level {
    /// From the finest to the coarsest.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Minutes, Self::Hours];

    pub(in crate::store) fn number(self) -> u8 {
        self as u8
    }

    /// Its word in JSON, log and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Minutes => "minutes",
            Self::Hours => "hours",
        }
    }

    /// The coarsest level whose ticks are no farther apart than `step`.
    pub fn serving(step: Duration) -> Self {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        let serves = |level: &Self| level.resolution_ms() <= step_ms;
        Self::ALL.into_iter().rfind(serves).unwrap_or(Self::Raw)
    }

    /// The coarsest level of which each step has whole ticks.
    pub fn dividing(step: Duration) -> Self {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        let divides = |level: &Self| step_ms.checked_rem(level.resolution_ms()) == Some(0);
        Self::ALL.into_iter().rfind(divides).unwrap_or(Self::Raw)
    }

    /// How far apart its ticks are, in milliseconds; 0: as they came.
    pub fn resolution_ms(self) -> i64 {
        match self {
            Self::Raw => 0,
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
        }
    }
}

/// What the cells of a block are, beside each tick's own. The number is on disk.
///
/// Lags are of a partition, under the column of its commit; totals are of a
/// group in a topic, under the column of the commit in partition 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum Plane {
    /// The newest reading of each series in the tick's span of time.
    Newest,
    FirstLag,
    MinLag,
    MaxLag,
    FirstTotal,
    MinTotal,
    MaxTotal,
    NewestTotal,
}

impl Plane {
    /// In the order of their numbers.
    pub(in crate::store) const ALL: [Self; 8] = [
        Self::Newest,
        Self::FirstLag,
        Self::MinLag,
        Self::MaxLag,
        Self::FirstTotal,
        Self::MinTotal,
        Self::MaxTotal,
        Self::NewestTotal,
    ];

    pub(in crate::store) fn number(self) -> u8 {
        self as u8
    }
}
