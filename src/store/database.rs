//! One redb file, opened again after a failure.
//!
//! redb refuses everything after its first I/O error until the file is opened
//! anew. A full disk must not end the recording for good, so this handle opens
//! it anew by itself, at the latest when it is next used. While it can't be
//! opened to be written, a stand-in is read.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{PoisonError, RwLock},
};

use redb::{CompactionError, Durability, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::{error::Fault, stand_in::StandInDatabase};

/// Where the database is.
pub(super) trait Source: Send + Sync {
    /// Opens it to be read and written.
    fn open(&self) -> Result<redb::Database, Fault>;

    /// Opens what can be read of it while it can't be written. What is written
    /// to that is lost.
    fn stand_in(&self) -> Result<StandInDatabase, Fault>;
}

pub(super) struct Database {
    source: Box<dyn Source>,
    open: RwLock<Open>,
}

enum Open {
    Whole(redb::Database),
    /// To be read until the file can be opened.
    StandIn(StandInDatabase),
    /// There is no file to go back to: what is written is only for the sake of
    /// reading.
    Rehearsed(StandInDatabase),
    /// Between a failure and the next attempt that succeeds.
    Nothing,
}

impl Database {
    pub(super) fn new(open: redb::Database, source: Box<dyn Source>) -> Self {
        Self {
            source,
            open: RwLock::new(Open::Whole(open)),
        }
    }

    /// One that is looked at, and of which nothing stays.
    pub(super) fn rehearsed(database: StandInDatabase, source: Box<dyn Source>) -> Self {
        Self {
            source,
            open: RwLock::new(Open::Rehearsed(database)),
        }
    }

    /// One that could not be opened yet; the first write tries again.
    pub(super) fn standing_in(source: Box<dyn Source>) -> Result<Self, Fault> {
        let stand_in = Open::StandIn(source.stand_in()?);
        Ok(Self {
            source,
            open: RwLock::new(stand_in),
        })
    }

    /// Runs `query` in a read transaction, which ends with it.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.read_open(|database| query(&database.begin_read()?))
    }

    fn read_open<T>(
        &self,
        operation: impl FnOnce(&redb::Database) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.ensure(|open| !matches!(open, Open::Nothing))?;
        self.with_open(|open| match open {
            Open::Whole(database) => operation(database),
            Open::StandIn(database) | Open::Rehearsed(database) => operation(database),
            Open::Nothing => Err(Fault::Database(redb::Error::DatabaseClosed)),
        })
    }

    /// A reading as of now that outlives this call: nobody waits for it, but
    /// the pages that it sees are not used again while it lasts, and it ends
    /// with an error when the file is opened anew.
    pub(super) fn snapshot(&self) -> Result<ReadTransaction, Fault> {
        self.read_open(|database| Ok(database.begin_read()?))
    }

    /// Runs `change` in a write transaction and commits it: all of it is on
    /// disk when this returns `Ok`, and as a rule nothing of it otherwise. (If
    /// the disk fails in the very end of a commit, it may still be there.)
    pub(super) fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.ensure(|open| matches!(open, Open::Whole(_) | Open::Rehearsed(_)))?;
        self.with_open(|open| match open {
            Open::Whole(database) => write(database, change),
            Open::Rehearsed(database) => write(database, change),
            _ => Err(Fault::Database(redb::Error::DatabaseClosed)),
        })
    }

    /// Gives back to the disk what the file does not use. Nobody can read or
    /// write meanwhile. `false`: not now, a [`snapshot`](Self::snapshot) is open.
    pub(super) fn compact(&self) -> Result<bool, Fault> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        match &mut *open {
            Open::Whole(database) => attempt(|| match database.compact() {
                Ok(_) => Ok(true),
                Err(CompactionError::TransactionInProgress) => Ok(false),
                Err(error) => Err(error.into()),
            }),
            Open::StandIn(_) | Open::Rehearsed(_) | Open::Nothing => {
                Err(Fault::Database(redb::Error::DatabaseClosed))
            }
        }
    }

    fn ensure(&self, is_enough: fn(&Open) -> bool) -> Result<(), Fault> {
        if self.is(is_enough) {
            return Ok(());
        }
        let outcome = self.reopen();
        if self.is(is_enough) { Ok(()) } else { outcome }
    }

    fn is(&self, is_enough: fn(&Open) -> bool) -> bool {
        is_enough(&self.open.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn with_open<T>(&self, operation: impl FnOnce(&Open) -> Result<T, Fault>) -> Result<T, Fault> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let outcome = attempt(|| operation(&open));
        drop(open);
        if outcome.as_ref().is_err_and(needs_reopening) {
            // The operation's own error tells more than a failure to reopen,
            // which the next operation will meet again.
            self.reopen().ok();
        }
        outcome
    }

    /// Opens it for writing; else a stand-in for reading, and tells why.
    fn reopen(&self) -> Result<(), Fault> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // The old handle holds the file's lock. It may have given up before.
        let old = std::mem::replace(&mut *open, Open::Nothing);
        attempt(|| {
            drop(old);
            Ok(())
        })
        .ok();
        match attempt(|| self.source.open()) {
            Ok(database) => {
                *open = Open::Whole(database);
                Ok(())
            }
            Err(fault) => {
                if let Ok(database) = attempt(|| self.source.stand_in()) {
                    *open = Open::StandIn(database);
                }
                Err(fault)
            }
        }
    }
}

/// Runs what redb may give up on with a panic: a page that holds what it never
/// wrote.
pub(super) fn attempt<T>(operation: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| Some(panic.downcast_ref::<&str>()?.to_string()));
        Err(Fault::GivenUp(text.unwrap_or_default()))
    })
}

/// One write transaction on `database`, durable and quick to repair.
pub(super) fn write<T>(
    database: &redb::Database,
    change: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    // Opening after kill -9 then takes milliseconds instead of reading it all.
    transaction.set_quick_repair(true);
    let outcome = change(&transaction)?;
    transaction.commit()?;
    Ok(outcome)
}

fn needs_reopening(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::GivenUp(_)
            | Fault::Database(
                redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::DatabaseClosed
            )
    )
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}
