//! Care for a store: backups of a running one, restoring them, and looking
//! into files without changing a byte of them.
//!
//! A **backup** is a folder with the same two files, made of one reading of
//! each, and a manifest with their sums. Key invariant: a folder that has a
//! backup's name is whole; what is unfinished, or half deleted, has another.

mod backup;
mod contents;
mod copy;
mod error;
mod frozen;
mod manifest;
mod restore;
mod shelf;
mod verify;

pub use backup::Backup;
pub use contents::{ClusterContents, Contents, HeadContents, LevelContents};
pub(super) use copy::TableVisitor;
pub use error::CareError;
pub use frozen::{open_read_only, open_to_export};
pub(super) use restore::is_restore_unfinished;
pub use restore::{Restored, restore};
pub use shelf::newest_backup;
pub use verify::{Damage, Verified, verify_folder};

/// Asked between two steps of long work, each some milliseconds: an error ends
/// the work, and what was begun is taken away.
pub type Checkpoint<'a> = &'a mut dyn FnMut() -> Result<(), CareError>;
