//! Opening the data directory: lock, check, migrate, load.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{Builder, DatabaseError};

use super::{
    Store, Writer,
    database::Database,
    error::{Fault, OpenError},
    files::Files,
    migrate::{self, Schema},
};

/// Recent ticks, the catalogue and the watches.
const HEAD_FILE: &str = "head.redb";
/// Sealed chunks.
const HISTORY_FILE: &str = "history.redb";

/// Memory for pages, of each file. It holds what is read again and again; long
/// reads go through it once and gain nothing from more. Half of it bounds what
/// one transaction keeps from the disk until its commit.
const CACHE_BYTES: usize = 16 << 20;

/// Opens the store in `data_dir`, which is made if it isn't there, and brings
/// it to the newest schema version.
///
/// There is one store a process and one process a directory: a second is
/// refused. The file is locked until the writer and all clones of the store
/// are dropped.
pub fn open(data_dir: &Path) -> Result<(Writer, Store), OpenError> {
    fs::create_dir_all(data_dir).map_err(|source| OpenError::Directory {
        path: data_dir.to_owned(),
        source,
    })?;
    let head = StoreFile::new(data_dir, HEAD_FILE, migrate::HEAD);
    let history = StoreFile::new(data_dir, HISTORY_FILE, migrate::HISTORY);
    // redb trusts a file that was closed in order and may panic where its
    // bytes were changed since.
    let guarded = |file: &StoreFile| {
        catch_unwind(AssertUnwindSafe(|| file.open()))
            .unwrap_or_else(|_| Err(file.damaged("the database gave up on its contents")))
    };
    let files = Files::new(
        (guarded(&head)?, head.path.clone()),
        (guarded(&history)?, history.path.clone()),
    );
    catch_unwind(AssertUnwindSafe(|| assemble(files)))
        .unwrap_or_else(|_| Err(Fault::damaged("catalogue", "the database gave up on it")))
        .map_err(|fault| head.error(fault))
}

/// The handles on open files.
pub(super) fn assemble(files: Files) -> Result<(Writer, Store), Fault> {
    files.restore_catalogue()?;
    let files = Arc::new(files);
    let writer = Writer::load(files.clone())?;
    Ok((writer, Store::new(files)))
}

struct StoreFile {
    path: PathBuf,
    schema: Schema,
}

impl StoreFile {
    fn new(data_dir: &Path, name: &str, schema: Schema) -> Self {
        Self {
            path: data_dir.join(name),
            schema,
        }
    }

    fn open(&self) -> Result<Database, OpenError> {
        if !self.path.exists() {
            self.create().map_err(|fault| self.error(fault))?;
        }
        self.refuse_newer()?;
        let database = builder()
            .create(&self.path)
            .map_err(|error| self.error(error.into()))?;
        // Once more: a file in need of a repair had no version to read before.
        let version = self.known_version(migrate::version(&database))?;
        self.schema
            .run(&database, version)
            .map_err(|fault| self.error(fault))?;
        let path = self.path.clone();
        let opener = Box::new(move || builder().open(&path));
        Ok(Database::new(database, opener))
    }

    /// Makes the file under another name and moves it to its own when it is
    /// whole, so that a crash in between leaves nothing that can't be opened.
    fn create(&self) -> Result<(), Fault> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let unfinished = tempfile::Builder::new()
            .prefix(&self.path.file_stem().unwrap_or_default())
            .suffix(".creating")
            .tempfile_in(directory)
            .map_err(redb::Error::Io)?;
        let database = builder().create(unfinished.path())?;
        self.schema.run(&database, 0)?;
        database.close()?;
        match unfinished.persist_noclobber(&self.path) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Fault::Database(redb::Error::Io(error.error)));
            }
            // Another process was faster: its file is as good.
            _ => {}
        }
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| Fault::Database(redb::Error::Io(error)))
    }

    /// Looks at the version without writing a byte, so that a file of a later
    /// release is left as it was. A file that needs a repair can't be looked
    /// at that way; it is repaired first, which changes nothing in it.
    fn refuse_newer(&self) -> Result<(), OpenError> {
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() == 0) {
            return Ok(());
        }
        match builder().open_read_only(&self.path) {
            Ok(database) => self.known_version(migrate::version(&database)).map(drop),
            Err(DatabaseError::RepairAborted) => Ok(()),
            Err(error) => Err(self.error(error.into())),
        }
    }

    fn known_version(&self, version: Result<Option<u32>, Fault>) -> Result<u32, OpenError> {
        let supported = self.schema.supported_version();
        match version.map_err(|fault| self.error(fault))? {
            Some(version) if version <= supported => Ok(version),
            Some(found) => Err(OpenError::Newer {
                path: self.path.clone(),
                found,
                supported,
            }),
            None => Err(self.damaged("it has tables, but no schema version")),
        }
    }

    fn damaged(&self, reason: impl ToString) -> OpenError {
        OpenError::Damaged {
            path: self.path.clone(),
            reason: reason.to_string(),
        }
    }

    fn error(&self, fault: Fault) -> OpenError {
        let path = self.path.clone();
        let error = match fault {
            Fault::Damaged { what, reason } => return self.damaged(format!("{what}: {reason}")),
            Fault::Database(error) => error,
        };
        match error {
            redb::Error::DatabaseAlreadyOpen => OpenError::Locked { path },
            redb::Error::Corrupted(reason) => self.damaged(reason),
            redb::Error::Io(source) => match source.kind() {
                io::ErrorKind::PermissionDenied => OpenError::Denied { path, source },
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => self.damaged(source),
                _ => OpenError::Database {
                    path,
                    source: redb::Error::Io(source).into(),
                },
            },
            error => OpenError::Database {
                path,
                source: error.into(),
            },
        }
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

#[cfg(test)]
mod tests;
