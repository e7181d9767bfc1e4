//! Other things with a depth than Kafka's groups.
//!
//! It owns clients of databases, and turns what they say into
//! [`Tick`](crate::model::Tick)s. It knows nothing of storage, of KEDA or of
//! HTTP. Its key invariant: what a source did not say is a gap with a reason,
//! never a number.

mod postgres;
mod queue;

pub use queue::{Ledger, QueuePoller};
