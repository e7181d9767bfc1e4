//! What outlives the process: every tick, the catalogue of its series, what KEDA
//! was told, events, and the watches. The only module that knows redb, and no redb type leaves it.
//!
//! [`open`] gives the one [`Writer`] and a [`Store`] to read from. What
//! [`Writer::record`] has acknowledged survives kill -9 and a power cut.
//! A damaged file is set aside or refused; a disk that takes no changes is read.
//! Readers never wait for the writer, and none keeps a transaction open between
//! two calls, so a slow one pins no pages.
//!
//! ```text
//! Writer -> head.redb -------- Sealer -------> history.redb
//!              each tick         two hours        chunks: raw, minutes, hours
//!              |                 |                |
//!              +---> recent: the head's ticks by column, in memory
//!              |                 |                |
//!              +-----------------+----------------+--> Frames
//! ```
//!
//! It knows nothing of Kafka, of KEDA only that it was told something, of lag only
//! what its rollups need, and reads no clock.

mod care;
mod catalogue;
pub mod codec;
mod database;
mod error;
mod events;
mod files;
mod frames;
mod head;
mod history;
mod lags;
mod migrate;
mod open;
mod reader;
mod recent;
mod retention;
mod sealer;
mod set_aside;
mod stand_in;
mod stream;
mod told;
mod writer;

pub use care::{
    Backup, CareError, Checkpoint, ClusterContents, Contents, Damage, HeadContents, LevelContents,
    Restored, Verified, newest_backup, open_read_only, open_to_export, restore, verify_folder,
};
pub use error::{DatabaseFault, OpenError, ReadError, RecordError};
pub use files::{FileSizes, VolumeSize};
pub use frames::{Frames, Selection};
pub use head::{Cut, Events};
pub use history::{Level, LevelSize};
pub use lags::{LagOf, LagSelection, Lags, OffsetColumns};
pub use open::{OpenSettings, open, open_with};
pub use reader::Store;
pub use retention::{Limits, Retained};
pub use sealer::Sealer;
pub use set_aside::SetAside;
pub use stream::StreamName;
pub use writer::{Placed, Writer};

#[cfg(test)]
mod test_disk;
#[cfg(test)]
mod tests;
