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

use redb::{Durability, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::error::Fault;

/// Where the database is.
pub(super) trait Source: Send + Sync {
    /// Opens it to be read and written.
    fn open(&self) -> Result<redb::Database, Fault>;

    /// Opens what can be read of it while it can't be written. What is written
    /// to that is lost.
    fn stand_in(&self) -> Result<redb::Database, Fault>;
}

pub(super) struct Database {
    source: Box<dyn Source>,
    open: RwLock<Open>,
}

enum Open {
    Whole(redb::Database),
    StandIn(redb::Database),
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
        self.ensure(|open| !matches!(open, Open::Nothing))?;
        self.with_open(|open| match open {
            Open::Whole(database) | Open::StandIn(database) => query(&database.begin_read()?),
            Open::Nothing => Err(Fault::Database(redb::Error::DatabaseClosed)),
        })
    }

    /// Runs `change` in a write transaction and commits it: all of it is on
    /// disk when this returns `Ok`, and as a rule nothing of it otherwise. (If
    /// the disk fails in the very end of a commit, it may still be there.)
    pub(super) fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.ensure(|open| matches!(open, Open::Whole(_)))?;
        self.with_open(|open| match open {
            Open::Whole(database) => write(database, change),
            _ => Err(Fault::Database(redb::Error::DatabaseClosed)),
        })
    }

    /// Gives back to the disk what the file does not use. Nobody can read or
    /// write meanwhile.
    pub(super) fn compact(&self) -> Result<(), Fault> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        match &mut *open {
            Open::Whole(database) => attempt(|| Ok(database.compact().map(drop)?)),
            Open::StandIn(_) | Open::Nothing => Err(Fault::Database(redb::Error::DatabaseClosed)),
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
