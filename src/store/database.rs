//! One redb file, opened again after a failure.
//!
//! redb refuses everything after its first I/O error until the file is opened
//! anew. A full disk must not end the recording for good, so this handle opens
//! it anew by itself, at the latest when it is next used. While it can't be
//! opened to be written, a stand-in is read.
//!
//! Compaction needs the file for itself. It gives up on readers that don't go,
//! and who wants to read meanwhile is sent away before long.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use parking_lot::{RwLock, RwLockReadGuard};
use redb::{CompactionError, Durability, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::{error::Fault, stand_in::StandInDatabase};

/// How long a reader waits while a file is compacted or opened anew: less than
/// a query may take as a whole, so that it can still say why it has failed.
const READER_PATIENCE: Duration = Duration::from_secs(3);
/// How long a compaction waits for readers to go. New ones wait meanwhile.
const COMPACTION_PATIENCE: Duration = Duration::from_secs(1);

/// A file up to this size is read as a whole after a crash, in some tenths of a
/// second. The head is one, and would write a sixth more with each tick.
const WHOLE_REPAIR_BYTES: u64 = 128 << 20;

/// Where the database is.
pub(super) trait Source: Send + Sync {
    /// Opens it to be read and written.
    fn open(&self) -> Result<redb::Database, Fault>;

    /// Opens what can be read of it while it can't be written. What is written
    /// to that is lost.
    fn stand_in(&self) -> Result<StandInDatabase, Fault>;

    /// What it takes on the disk.
    fn size_bytes(&self) -> io::Result<u64>;
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
        self.ensure(self.for_reading()?, |open| !matches!(open, Open::Nothing))?;
        self.with_open(self.for_reading()?, |open| match open {
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
        let repair = self.repair();
        self.to_be_written(|database| write(database, repair, change))
    }

    fn repair(&self) -> Repair {
        match self.size_bytes() {
            Ok(size) if size <= WHOLE_REPAIR_BYTES => Repair::Whole,
            _ => Repair::Quick,
        }
    }

    /// What the file takes on the disk.
    pub(super) fn size_bytes(&self) -> io::Result<u64> {
        self.source.size_bytes()
    }

    /// What is in use of the file, in bytes. Reads all of it, and nobody can
    /// write meanwhile.
    pub(super) fn used_bytes(&self) -> Result<u64, Fault> {
        self.to_be_written(|database| {
            let transaction = database.begin_write()?;
            let stats = transaction.stats()?;
            transaction.abort()?;
            Ok(stats.allocated_pages() * stats.page_size() as u64)
        })
    }

    /// Gives back to the disk what the file does not use. `false` if it is in
    /// use by readers that don't go, or a [`snapshot`](Self::snapshot) is open:
    /// then nothing was done. Nobody can read or write meanwhile.
    pub(super) fn compact(&self) -> Result<bool, Fault> {
        let Some(mut open) = self.open.try_write_for(COMPACTION_PATIENCE) else {
            return Ok(false);
        };
        let Open::Whole(database) = &mut *open else {
            return Err(Fault::Database(redb::Error::DatabaseClosed));
        };
        let outcome = attempt(|| match database.compact() {
            // Compaction leaves a file that would be slow to repair.
            Ok(_) => write(database, Repair::Quick, |_| Ok(true)),
            Err(CompactionError::TransactionInProgress) => Ok(false),
            Err(error) => Err(error.into()),
        });
        drop(open);
        self.recover(outcome)
    }

    fn to_be_written<T>(
        &self,
        operation: impl FnOnce(&redb::Database) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.ensure(self.open.read(), |open| {
            matches!(open, Open::Whole(_) | Open::Rehearsed(_))
        })?;
        self.with_open(self.open.read(), |open| match open {
            Open::Whole(database) => operation(database),
            Open::Rehearsed(database) => operation(database),
            _ => Err(Fault::Database(redb::Error::DatabaseClosed)),
        })
    }

    fn for_reading(&self) -> Result<RwLockReadGuard<'_, Open>, Fault> {
        let open = self.open.try_read_for(READER_PATIENCE);
        open.ok_or(Fault::Busy)
    }

    fn ensure(
        &self,
        open: RwLockReadGuard<'_, Open>,
        is_enough: fn(&Open) -> bool,
    ) -> Result<(), Fault> {
        if is_enough(&open) {
            return Ok(());
        }
        drop(open);
        let outcome = self.reopen();
        if is_enough(&self.open.read()) {
            Ok(())
        } else {
            outcome
        }
    }

    fn with_open<T>(
        &self,
        open: RwLockReadGuard<'_, Open>,
        operation: impl FnOnce(&Open) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let outcome = attempt(|| operation(&open));
        drop(open);
        self.recover(outcome)
    }

    /// Opens the file anew if the operation has broken the handle.
    fn recover<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if outcome.as_ref().is_err_and(needs_reopening) {
            // The operation's own error tells more than a failure to reopen,
            // which the next operation will meet again.
            self.reopen().ok();
        }
        outcome
    }

    /// Opens it for writing; else a stand-in for reading, and tells why.
    fn reopen(&self) -> Result<(), Fault> {
        let mut open = self.open.write();
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

/// How a file is repaired when it is opened after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    /// In milliseconds, for 20 kB more in each commit.
    Quick,
    /// By reading all of it.
    Whole,
}

/// One durable write transaction on `database`.
pub(super) fn write<T>(
    database: &redb::Database,
    repair: Repair,
    change: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(repair == Repair::Quick);
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
