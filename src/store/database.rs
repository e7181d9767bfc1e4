//! One redb file, opened again after a failure.
//!
//! redb refuses everything after its first I/O error until the file is opened
//! anew. A full disk must not end the recording for good, so this handle opens
//! it anew by itself, at the latest when it is next used.

use std::{
    fmt,
    sync::{PoisonError, RwLock},
};

use redb::{DatabaseError, Durability, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::error::Fault;

/// Opens the file, once at the start and again after each I/O error.
pub(super) type Opener = Box<dyn Fn() -> Result<redb::Database, DatabaseError> + Send + Sync>;

pub(super) struct Database {
    opener: Opener,
    /// `None` between a failure and the next attempt that succeeds.
    open: RwLock<Option<redb::Database>>,
}

impl Database {
    pub(super) fn new(open: redb::Database, opener: Opener) -> Self {
        Self {
            opener,
            open: RwLock::new(Some(open)),
        }
    }

    /// Runs `query` in a read transaction, which ends with it.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.with_open(|database| query(&database.begin_read()?))
    }

    /// Runs `change` in a write transaction and commits it: all of it is on
    /// disk when this returns `Ok`, and as a rule nothing of it otherwise. (If
    /// the disk fails in the very end of a commit, it may still be there.)
    pub(super) fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.with_open(|database| write(database, change))
    }

    /// Gives back to the disk what the file does not use. Nobody can read or
    /// write meanwhile.
    pub(super) fn compact(&self) -> Result<(), Fault> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let database = open.as_mut();
        let database = database.ok_or(Fault::Database(redb::Error::DatabaseClosed))?;
        database
            .compact()
            .map(drop)
            .map_err(|error| Fault::Database(error.into()))
    }

    fn with_open<T>(
        &self,
        operation: impl FnOnce(&redb::Database) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.is_closed() {
            self.reopen()?;
        }
        let outcome = match &*self.open.read().unwrap_or_else(PoisonError::into_inner) {
            Some(database) => operation(database),
            None => Err(Fault::Database(redb::Error::DatabaseClosed)),
        };
        if outcome.as_ref().is_err_and(needs_reopening) {
            // The operation's own error tells more than a failure to reopen,
            // which the next operation will meet again.
            self.reopen().ok();
        }
        outcome
    }

    fn is_closed(&self) -> bool {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.is_none()
    }

    fn reopen(&self) -> Result<(), Fault> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // The old handle holds the file's lock.
        drop(open.take());
        *open = Some((self.opener)()?);
        Ok(())
    }
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
        Fault::Database(redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::DatabaseClosed)
    )
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}
