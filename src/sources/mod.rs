//! Other things with a name or a depth than Kafka.
//!
//! It owns the clients of those servers, what a queue's counts are made of, and what
//! is known of Azul's plugins; it knows nothing of storage, of KEDA or of HTTP. Its
//! key invariants: what a source did not say is a gap with a reason, never a
//! number; and whatever such a server does, nobody waits longer than the time that
//! they gave, and Kafka's polls never do.

mod names;
mod postgres;
mod queue;
mod redis;

pub use names::{KnownName, NamesState, NoName, PluginNames, follow};
pub use queue::{Ledger, QueuePoller};
pub use redis::{BadFile, check};
