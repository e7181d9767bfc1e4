//! Other things with a name or a depth than Kafka.
//!
//! It owns the clients of those servers, and what is known of Azul's plugins; it
//! knows nothing of who asks. Its key invariant: whatever such a server does,
//! nobody waits longer than the time that they gave, and Kafka's polls never do.

mod names;
mod redis;

pub use names::{KnownName, NamesState, NoName, PluginNames, follow};
pub use redis::{BadFile, check};
