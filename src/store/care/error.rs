//! What can go wrong with a backup, a restore or a look into a store.

use std::{io, path::PathBuf};

use super::super::error::{DatabaseFault, Fault, ReadError};

/// Why a backup, a restore or an inspection did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CareError {
    /// The work was told to stop.
    #[error("it was interrupted")]
    Interrupted,
    /// Another backup into the same folder is under way.
    #[error("a backup into {} is being made already", dir.display())]
    Busy {
        /// The folder of the backups.
        dir: PathBuf,
    },
    /// The running scaler, or another command, has the file open.
    #[error("another process has {} open", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Neither of the store's files is there.
    #[error(
        "there is no store in {}: it has neither head.redb nor history.redb",
        dir.display()
    )]
    NoStore {
        /// The folder.
        dir: PathBuf,
    },
    /// A later release wrote the file.
    #[error(
        "{} has schema version {found}, and this release knows up to {supported}",
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
    /// A folder that is no whole backup.
    #[error("{} is no whole backup: {reason}", path.display())]
    NotWhole {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is not what it should be.
    #[error("{} is damaged or not a store of tidegauge: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk failed, is full, or may not be used.
    #[error("cannot {action} {}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A row could not be copied.
    #[error("cannot copy the store")]
    Copy {
        /// What the database says.
        #[source]
        source: DatabaseFault,
    },
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl CareError {
    /// For `map_err` on an operation of the disk.
    pub(super) fn disk(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk {
            action,
            path,
            source,
        }
    }

    pub(super) fn not_whole(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::NotWhole {
            path: path.into(),
            reason: reason.to_string(),
        }
    }
}

impl From<Fault> for CareError {
    fn from(fault: Fault) -> Self {
        Self::Read(fault.into())
    }
}
