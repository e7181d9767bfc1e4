//! What the recorded offsets mean: lag, rates, time lag, ETA, backlog, status.
//!
//! Pure: samples, parameters and `now` in, an estimate out. The estimator
//! never reads a clock, a file or a socket; live answers, history queries and
//! tests run the same code. It does not know what anybody scales on.
//!
//! A [`Window`] is judged in blocks of partitions whose columns lie side by
//! side, tick by tick from the newest, as far back as any of them needs: see
//! `judge`. What that gives equals what `reference` finds in the plainest way.

mod backlog;
mod block;
mod epoch;
mod eta;
mod group;
mod growth;
mod judge;
mod mean_lag;
mod membership;
mod partition;
mod rate;
mod reading;
mod sample;
mod status;
mod task;
mod thinning;
mod time_lag;
mod unmoved;
mod window;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod reference;

pub use backlog::{Backlog, BacklogTerms};
pub use eta::{Eta, eta, unread};
pub use group::{GroupEstimate, TopicEstimate, Totals};
pub use membership::MembershipEstimate;
pub use partition::{Freshness, PartitionEstimate, PartitionStanding, Wanted};
pub use sample::Parameters;
pub use status::{
    Commit, Finding, GroupStatus, GroupVerdict, MAX_COMMITS, PartitionStatus, PartitionVerdict,
};
pub use task::{RatesFrom, TaskEstimate};
pub use time_lag::TimeLag;
pub use window::{Reach, Window};
