//! What outlives the process: every tick, the catalogue of its series, and the
//! watches. The only module that knows redb, and no redb type leaves it.
//!
//! [`open`] gives the one [`Writer`] and a [`Store`] to read from. What
//! [`Writer::record`] has acknowledged survives kill -9 and a power cut.
//! Readers never wait for the writer, and none keeps a transaction open between
//! two calls, so a slow one pins no pages.
//!
//! It knows nothing of Kafka, of lag or of KEDA, and reads no clock.

mod catalogue;
pub mod codec;
mod database;
mod error;
mod head;
mod migrate;
mod open;
mod reader;
mod writer;

pub use error::{DatabaseFault, OpenError, ReadError, RecordError};
pub use head::{Frames, Retained};
pub use open::open;
pub use reader::Store;
pub use writer::{Placed, Writer};

#[cfg(test)]
mod test_disk;
#[cfg(test)]
mod tests;
