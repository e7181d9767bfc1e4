//! The status of a partition and of a group, by the rules of LinkedIn's Burrow.
//!
//! Burrow reads each commit from `__consumer_offsets`; here there are samples,
//! which show a commit only as a change of the committed offset. What follows
//! from that:
//!
//! - Several commits between two samples look like one, made at the later.
//! - A commit of the same offset does not show. Ten readings of the only offset
//!   that is held stand for Burrow's ten equal commits (STALL); where ticks
//!   reach further back than that, such a consumer can't be told from one that
//!   has stopped, and is STOP.
//! - The offset in the oldest sample was committed at some time before: it
//!   counts as a commit, with a bound in place of its time.
//! - Fewer than ten commits are extrapolated to ten, but to no more than the
//!   window's length; after a window without any change while records wait it
//!   is STOP, and so may be a consumer that commits hardly more often than once
//!   a window. Burrow would call a slow committer STOP after its first commit.
//! - Silence counts up to the newest reading: while nothing can be read,
//!   nothing is known to be silent.

mod commits;
mod finding;
mod group;
mod rules;

#[cfg(test)]
mod tests;

pub use commits::{Commit, MAX_COMMITS};
pub use finding::{Finding, PartitionVerdict};
pub use group::{GroupStatus, GroupVerdict, PartitionStatus};
