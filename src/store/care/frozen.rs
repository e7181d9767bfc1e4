//! A store that is read and never written to, as it is on the disk.
//!
//! The database writes even where one only reads: a file that was not closed in
//! order is repaired, an older one is migrated. Here all that stays in memory, on
//! a stand-in, so that a backup keeps its sums and a broken file its traces.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::Builder;

use super::CareError;
use crate::store::{
    Store,
    database::{Database, Source, attempt},
    error::Fault,
    files::Files,
    migrate::{self, Schema},
    open::{HEAD_FILE, HISTORY_FILE, size_on_disk},
    stand_in::StandInDatabase,
};

/// Memory for pages, of each file.
const CACHE_BYTES: usize = 16 << 20;

/// Opens the store in `dir` to read, without changing a byte of it. Nobody can
/// write to it meanwhile, and it can't be opened while somebody may.
///
/// Where one of the two files is missing, it is as if it were empty.
pub fn open_read_only(dir: &Path) -> Result<Store, CareError> {
    let [head, history] = [HEAD_FILE, HISTORY_FILE].map(|name| dir.join(name));
    if !head.exists() && !history.exists() {
        return Err(CareError::NoStore {
            dir: dir.to_owned(),
        });
    }
    let files = Files::new(
        open_file(&head, migrate::HEAD)?,
        open_file(&history, migrate::HISTORY)?,
    );
    let restored = files.restore_catalogue();
    restored.map_err(|fault| error_of(&head, fault))?;
    Ok(Store::new(Arc::new(files), None))
}

/// The same, made ready to be read group by group, which takes 96 MB at most.
pub fn open_to_export(dir: &Path) -> Result<Store, CareError> {
    let store = open_read_only(dir)?;
    store.sealer().pack_all()?;
    Ok(store)
}

/// Reads all pages of a file and compares them with their sums; what is wrong
/// with it, if anything is.
pub(super) fn check_pages(path: &Path) -> Result<Option<String>, CareError> {
    let check = || {
        let mut database = open_database(path)?;
        Ok(database.check_integrity()?)
    };
    match attempt(check) {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some("pages don't match their sums".to_owned())),
        Err(fault) => match error_of(path, fault) {
            CareError::Damaged { reason, .. } => Ok(Some(reason)),
            other => Err(other),
        },
    }
}

fn open_file(path: &Path, schema: Schema) -> Result<Database, CareError> {
    let open = || {
        let database = open_database(path)?;
        let version = migrate::version(&*database)?
            .ok_or_else(|| Fault::damaged("file", "it has tables, but no schema version"))?;
        Ok((database, version))
    };
    let (database, found) = attempt(open).map_err(|fault| error_of(path, fault))?;
    let supported = schema.supported_version();
    if found > supported {
        return Err(CareError::Newer {
            path: path.to_owned(),
            found,
            supported,
        });
    }
    let migrated = attempt(|| schema.run(&database, found));
    migrated.map_err(|fault| error_of(path, fault))?;
    let source = Box::new(Frozen(path.to_owned()));
    Ok(Database::rehearsed(database, source))
}

/// Opened anew after a failure, it is as it was.
struct Frozen(PathBuf);

impl Source for Frozen {
    fn open(&self) -> Result<redb::Database, Fault> {
        Err(Fault::Database(redb::Error::DatabaseClosed))
    }

    fn stand_in(&self) -> Result<StandInDatabase, Fault> {
        open_database(&self.0)
    }

    fn size_bytes(&self) -> io::Result<u64> {
        if self.0.exists() {
            size_on_disk(&self.0)
        } else {
            Ok(0)
        }
    }
}

fn open_database(path: &Path) -> Result<StandInDatabase, Fault> {
    let file = path.exists().then(|| open_shared(path)).transpose()?;
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    StandInDatabase::open(&builder, file)
}

/// The file, which nobody opens to write while this is open.
fn open_shared(path: &Path) -> Result<File, Fault> {
    let file = File::open(path)?;
    match file.try_lock_shared() {
        // Where a file system has no such locks, nobody could be kept out.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(redb::Error::DatabaseAlreadyOpen.into()),
    }
}

fn error_of(path: &Path, fault: Fault) -> CareError {
    let path = PathBuf::from(path);
    let damaged = |path, reason| CareError::Damaged { path, reason };
    match fault {
        Fault::Busy => CareError::Locked { path },
        Fault::Damaged { what, reason } => damaged(path, format!("{what}: {reason}")),
        Fault::GivenUp(reason) => damaged(
            path,
            format!("the database gave up on its contents: {reason}"),
        ),
        Fault::NotOpen(error) => damaged(path, error.to_string()),
        Fault::Database(redb::Error::DatabaseAlreadyOpen) => CareError::Locked { path },
        Fault::Database(redb::Error::Corrupted(reason)) => damaged(path, reason),
        Fault::Database(redb::Error::Io(error)) => match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                damaged(path, error.to_string())
            }
            _ => CareError::disk("read", path)(error),
        },
        Fault::Database(error) => damaged(path, error.to_string()),
    }
}
