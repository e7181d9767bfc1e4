//! Other things with a name or a depth than Kafka's groups.
//!
//! It owns clients of databases and of Redis, turns what the former say into
//! [`Tick`](crate::model::Tick)s, and knows what the latter says of Azul's plugins.
//! It knows nothing of storage, of KEDA or of HTTP. Its key invariants: what a source
//! did not say is a gap with a reason, never a number; and whatever a source does,
//! nobody waits longer than the time that they gave, and Kafka's polls never do.

mod names;
mod postgres;
mod queue;
mod redis;

pub use names::{KnownName, NamesState, NoName, PluginNames, follow};
pub use queue::{Ledger, QueuePoller};
pub use redis::{BadFile, check};
