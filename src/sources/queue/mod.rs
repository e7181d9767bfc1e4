//! A queue as a stream of ticks: each of its tasks is a group with one topic of the
//! same name and one partition.
//!
//! It owns what becomes of the counts that a database tells; it does not know
//! which database that is. Its key invariant: the log end less the commit is
//! always exactly the depth that was read.

mod counts;
mod ledger;
mod poller;
#[cfg(test)]
mod tests;

pub use ledger::Ledger;
pub use poller::QueuePoller;

use crate::model::{GroupId, QueueReading};

/// How many tasks a queue may have: a queue has a few kinds of work, and a query
/// that returns more forgot to group its rows.
pub(super) const MAX_TASKS: usize = 10_000;

/// What a database says of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) name: GroupId,
    /// How many items wait; never negative.
    pub(super) depth: i64,
    /// What it says beside.
    pub(super) reading: QueueReading,
}
