//! What can go wrong in the store, by operation.

use std::{io, path::PathBuf};

use super::stream::StreamName;
use crate::model::{ClusterName, TimestampMs};

/// Why the store could not be opened. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory is not there and can't be made.
    #[error("cannot create data directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A restore was cut short.
    #[error("a restore into {} was cut short: run tidegauge restore again", path.display())]
    HalfRestored {
        /// The data directory.
        path: PathBuf,
    },
    /// Another process, or another handle in this one, has the file open.
    #[error("another process has {} open; two scalers must not share a volume", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file may not be read and written by this user.
    #[error("{} must be readable and writable by the user that tidegauge runs as", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A later release of Tidegauge wrote the file.
    #[error(
        "{} has schema version {found}, and this release knows up to {supported}; \
         run the release that wrote it or a later one, or start with an empty data directory",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest version that this release knows.
        supported: u32,
    },
    /// The file is no store of Tidegauge, or it is damaged.
    #[error(
        "{} is damaged or not a store of tidegauge ({reason}); it was left as it is: \
         move it away to start with an empty history, or put a backup in its place",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is damaged, and so many were set aside before that it looks like
    /// a disk that damages each.
    #[error(
        "{} is damaged ({reason}), and {kept} damaged files stand beside it already; \
         look into why, and move them away",
        path.display()
    )]
    TooManySetAside {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// How many were set aside before.
        kept: usize,
    },
    /// Anything else that the disk or the database says.
    #[error("cannot open {}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database says.
        #[source]
        source: DatabaseFault,
    },
}

impl OpenError {
    /// Is it the disk, which may be well again later, and not the file?
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Directory { source, .. } => is_passing(source),
            Self::Database { source, .. } => {
                matches!(&source.0, redb::Error::Io(source) if is_passing(source))
            }
            _ => false,
        }
    }
}

/// Full, or read-only, as a file system is made that has met an error.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk or the database failed.
    #[error("cannot read the store")]
    Database {
        /// What the database says.
        #[source]
        source: DatabaseFault,
    },
    /// The file is not open, and can't be opened now.
    #[error("the store is not open")]
    NotOpen {
        /// Why not.
        #[source]
        source: Box<OpenError>,
    },
    /// The file is in other hands for a while.
    #[error("the file is being compacted, or opened anew; try again in a minute")]
    Busy,
    /// The bytes were read, and they make no sense.
    #[error("{what} in the store is damaged: {reason}")]
    Damaged {
        /// Which record.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why something could not be written. Nothing of it was, as far as one can
/// know, and the writer can be used on.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Time went backwards, or the tick was recorded before.
    #[error("tick of {stream} at {at} is not after the one at {last}")]
    NotAfter {
        /// Whose tick it is.
        stream: StreamName,
        /// The refused tick's time.
        at: TimestampMs,
        /// The time of the newest tick that is recorded.
        last: TimestampMs,
    },
    /// The frame was not placed by this writer.
    #[error("cluster {cluster:?} has no tick that this writer placed")]
    NotPlaced {
        /// The cluster.
        cluster: ClusterName,
    },
    /// More streams than the store can number.
    #[error("{stream} is one more than the {max} streams that a store can hold")]
    TooManyStreams {
        /// The stream.
        stream: StreamName,
        /// How many fit.
        max: usize,
    },
    /// One record is larger than what the store would read again.
    #[error("{what} has {size}, and a store takes up to {max}")]
    TooLarge {
        /// Which record.
        what: String,
        /// Its size, in bytes or columns.
        size: usize,
        /// How large it may be.
        max: usize,
    },
    /// The disk or the database failed: full, gone, or broken.
    #[error("cannot write to the store")]
    Database {
        /// What the database says.
        #[source]
        source: DatabaseFault,
    },
    /// The file is not open, and can't be opened now.
    #[error("the store is not open")]
    NotOpen {
        /// Why not.
        #[source]
        source: Box<OpenError>,
    },
    /// The file is in other hands for a while.
    #[error("the file is being compacted, or opened anew; it is tried again")]
    Busy,
    /// What is there, and had to be read for this, makes no sense.
    #[error("{what} in the store is damaged: {reason}")]
    Damaged {
        /// Which record.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What the database under the store says, for people to read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseFault(redb::Error);

/// A failure on the way between a table and the model, before it is known
/// which operation it fails.
#[derive(Debug)]
pub(super) enum Fault {
    Database(redb::Error),
    NotOpen(Box<OpenError>),
    /// The database met what it takes for impossible, and says so by a panic.
    GivenUp(String),
    /// It is being compacted, and a reader has waited for long enough.
    Busy,
    Damaged {
        what: String,
        reason: String,
    },
}

impl Fault {
    pub(super) fn damaged(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Damaged {
            what: what.into(),
            reason: reason.to_string(),
        }
    }
}

macro_rules! from_redb {
    ($($error:ident)*) => {
        $(impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self {
                Self::Database(error.into())
            }
        })*
    };
}
from_redb!(Error CompactionError DatabaseError TransactionError TableError StorageError CommitError SetDurabilityError);

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Database(redb::Error::Io(error))
    }
}

/// Where records are read to judge the file that they are in.
impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Database { source } => Self::Database(source.0),
            ReadError::NotOpen { source } => Self::NotOpen(source),
            ReadError::Busy => Self::Busy,
            ReadError::Damaged { what, reason } => Self::Damaged { what, reason },
        }
    }
}

impl From<redb::Error> for DatabaseFault {
    fn from(error: redb::Error) -> Self {
        Self(error)
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Database(error) => Self::Database {
                source: DatabaseFault(error),
            },
            Fault::NotOpen(source) => Self::NotOpen { source },
            Fault::Busy => Self::Busy,
            Fault::GivenUp(reason) => Self::Damaged {
                what: "a page".to_owned(),
                reason,
            },
            Fault::Damaged { what, reason } => Self::Damaged { what, reason },
        }
    }
}

impl From<Fault> for RecordError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Database(error) => Self::Database {
                source: DatabaseFault(error),
            },
            Fault::NotOpen(source) => Self::NotOpen { source },
            Fault::Busy => Self::Busy,
            Fault::GivenUp(reason) => Self::Damaged {
                what: "a page".to_owned(),
                reason,
            },
            Fault::Damaged { what, reason } => Self::Damaged { what, reason },
        }
    }
}
