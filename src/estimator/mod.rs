//! What the recorded offsets mean: lag, rates, time lag, ETA, backlog.
//!
//! Pure: samples, parameters and `now` in, an estimate out. The estimator
//! never reads a clock, a file or a socket; live answers, history queries and
//! tests run the same code. It does not know what anybody scales on.

mod backlog;
mod eta;
mod group;
mod mean_lag;
mod membership;
mod partition;
mod rate;
mod sample;
mod time_lag;
mod window;

pub use backlog::{Backlog, BacklogTerms};
pub use eta::{Eta, eta};
pub use group::{GroupEstimate, TopicEstimate, Totals};
pub use membership::MembershipEstimate;
pub use partition::{Freshness, PartitionEstimate, PartitionStanding, Wanted, partition_standing};
pub use sample::{Parameters, Sample};
pub use time_lag::TimeLag;
pub use window::Window;
