//! Opening the data directory: lock, judge, migrate, load.
//!
//! A file is judged before it is trusted, on a stand-in: it is opened there,
//! repaired and migrated, its checksums are verified and what a start needs is
//! read, without a byte of the file being touched. A damaged one is refused or
//! set aside. A disk that takes no changes is no reason not to start: the
//! stand-in is then read, until the file can be opened.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use redb::{Builder, ReadableDatabase as _, ReadableTable as _};

use super::{
    Store, Writer, care,
    database::{Database, Source, attempt},
    error::{Fault, OpenError},
    files::Files,
    head::STREAMS,
    history::level_sizes,
    migrate::{self, Schema},
    reader::{series_index, streams},
    set_aside::{self, MAX_SET_ASIDE, SetAside},
    stand_in::StandInDatabase,
};
use crate::{config::WhenDamaged, logging::in_full, model::TimestampMs};

/// Recent ticks, the catalogue and the watches.
pub(super) const HEAD_FILE: &str = "head.redb";
/// Sealed chunks.
pub(super) const HISTORY_FILE: &str = "history.redb";

/// Memory for pages, of each file. It holds what is read again and again; long
/// reads go through it once and gain nothing from more. Half of it bounds what
/// one transaction keeps from the disk until its commit.
const CACHE_BYTES: usize = 16 << 20;

/// A file up to this length is verified as a whole when it is opened: half a
/// second from a slow disk. Of a longer one, what a start needs is read.
const VERIFIED_BYTES: u64 = 64 << 20;

/// Long against the making of a process, short for who is refused.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct OpenSettings {
    /// The folder of its files, made if it isn't there.
    pub data_dir: PathBuf,
    /// What becomes of a damaged file.
    pub when_damaged: WhenDamaged,
    /// So much of the newest history must be readable, or the file is damaged.
    pub needed: Duration,
    /// The time, for the names of what is set aside.
    pub now: TimestampMs,
}

/// Opens the store in `data_dir`, and refuses a damaged file.
pub fn open(data_dir: &Path) -> Result<(Writer, Store), OpenError> {
    open_with(&OpenSettings {
        data_dir: data_dir.to_owned(),
        when_damaged: WhenDamaged::Refuse,
        needed: Duration::ZERO,
        now: TimestampMs(0),
    })
}

/// Opens the store and brings it to the newest schema version.
///
/// There is one store a process and one process a directory: a second is
/// refused. The file is locked until the writer and all clones of the store
/// are dropped. While the disk is full or read-only the store opens all the
/// same: what is there can be read, and writing fails until the disk is well.
pub fn open_with(settings: &OpenSettings) -> Result<(Writer, Store), OpenError> {
    if care::is_restore_unfinished(&settings.data_dir) {
        return Err(OpenError::HalfRestored {
            path: settings.data_dir.clone(),
        });
    }
    let head = StoreFile::new(&settings.data_dir, HEAD_FILE, migrate::HEAD);
    let history = StoreFile::new(&settings.data_dir, HISTORY_FILE, migrate::HISTORY);
    let needed = settings.needed;
    // Nothing is done to one before both are judged.
    let judged_head = head.judge(settings, |database| read_head(database, needed))?;
    let judged_history = history.judge(settings, read_history)?;
    let (head_database, head_aside) = judged_head.open(settings.now)?;
    let (history_database, history_aside) = judged_history.open(settings.now)?;
    let files = Files::new(head_database, history_database);
    let set_aside = head_aside.into_iter().chain(history_aside);
    assemble(files, set_aside).map_err(|fault| head.error(fault))
}

/// The handles on open files.
pub(super) fn assemble(
    files: Files,
    set_aside: impl IntoIterator<Item = SetAside>,
) -> Result<(Writer, Store), Fault> {
    files.restore_catalogue()?;
    let files = Arc::new(files);
    let writer = Writer::load(files.clone())?;
    Ok((writer, Store::new(files, set_aside)))
}

/// Reads what a start reads of the head: the catalogue, the watches, the names
/// of plugins, and of each cluster the newest gaps and the ticks of the time `needed`.
fn read_head(head: Database, needed: Duration) -> Result<(), Fault> {
    let history = StandInDatabase::open(&builder(), None)?;
    migrate::HISTORY.run(&history, 0)?;
    let history = Database::rehearsed(history, Box::new(Rehearsal));
    let files = Files::new(head, history);
    let (_writer, store) = assemble(files, None)?;
    store.watches()?;
    store.plugin_names()?;
    for cluster in store.clusters()? {
        if let Some((_, newest)) = store.span(&cluster)? {
            let mut frames = store.frames(&cluster, newest.minus(needed), newest)?;
            frames.try_for_each(|frame| frame.map(drop))?;
        }
    }
    Ok(())
}

/// Reads what says where all else in history is: the catalogue and the headers.
fn read_history(history: Database) -> Result<(), Fault> {
    level_sizes(&history)?;
    history.read(|transaction| {
        for (stream, _) in streams(transaction)? {
            series_index(transaction, stream)?;
        }
        Ok(())
    })
}

/// One file of the data directory.
#[derive(Debug, Clone)]
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

    /// Holds the file, if it is there, and looks whether it can be opened. `check`
    /// reads what must be readable; if it fails, the file is damaged.
    fn judge(
        &self,
        settings: &OpenSettings,
        check: impl FnOnce(Database) -> Result<(), Fault>,
    ) -> Result<Judged<'_>, OpenError> {
        let held = self.hold()?;
        let judged = attempt(|| self.rehearse(held.as_ref(), check));
        let may_set_aside = settings.when_damaged == WhenDamaged::SetAside
            && held.as_ref().is_some_and(|held| held.is_locked);
        let damage = match judged.map_err(|fault| self.error(fault)) {
            Ok(()) => None,
            Err(OpenError::Damaged { reason, .. }) if may_set_aside => Some(reason),
            Err(error) => return Err(error),
        };
        Ok(Judged {
            file: self,
            held,
            damage,
        })
    }

    /// Locks the file until what this returns is dropped; `None`: there is none.
    fn hold(&self) -> Result<Option<Held>, OpenError> {
        // Over NFS only a file that may be written can be locked.
        let writable = File::options().read(true).write(true).open(&self.path);
        let found = match writable.or_else(|_| File::open(&self.path)) {
            Ok(file) => file,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(self.error(error.into())),
        };
        let is_same = || Some(found.metadata().ok()?.ino() == self.path.metadata().ok()?.ino());
        let is_locked = patiently(|| lock(&found)).map_err(|fault| self.error(fault))?;
        if is_locked && is_same() != Some(true) {
            // Another process has just set it aside.
            let path = self.path.clone();
            return Err(OpenError::Locked { path });
        }
        Ok(Some(Held {
            file: found,
            is_locked,
        }))
    }

    /// `None` if the disk takes no changes.
    fn set_aside(&self, reason: String, now: TimestampMs) -> Result<Option<SetAside>, OpenError> {
        let path = &self.path;
        let kept = set_aside::count(path).map_err(|error| self.error(error.into()))?;
        if kept >= MAX_SET_ASIDE {
            let path = path.clone();
            return Err(OpenError::TooManySetAside { path, reason, kept });
        }
        match set_aside::set_aside(path, now, reason) {
            Ok(set_aside) => Ok(Some(set_aside)),
            Err(error) => match self.error(error.into()) {
                error if error.may_pass() => Ok(None),
                error => Err(error),
            },
        }
    }

    fn open_or_stand_in(&self, is_known: bool) -> Result<Database, OpenError> {
        let source = Box::new(Opener {
            file: self.clone(),
            is_known: AtomicBool::new(is_known),
        });
        match attempt(|| source.open()).map_err(|fault| self.error(fault)) {
            Ok(database) => {
                self.remove_unfinished();
                Ok(Database::new(database, source))
            }
            Err(error) if error.may_pass() => {
                let cause = in_full(&error);
                tracing::error!(%cause, "history can't be recorded yet; scaling goes on from memory");
                Database::standing_in(source).map_err(|fault| self.error(fault))
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the file under another name and moves it to its own when it is
    /// whole, so that a crash in between leaves nothing that can't be opened.
    fn create(&self) -> Result<(), Fault> {
        let directory = self.directory();
        fs::create_dir_all(directory).map_err(|source| {
            let path = directory.to_owned();
            Fault::NotOpen(Box::new(OpenError::Directory { path, source }))
        })?;
        let unfinished = tempfile::Builder::new()
            .prefix(&self.unfinished_prefix())
            .suffix(UNFINISHED_SUFFIX)
            .tempfile_in(directory)?;
        let database = builder().create(unfinished.path())?;
        self.schema.run(&database, 0)?;
        database.close()?;
        match unfinished.persist_noclobber(&self.path) {
            // Another process was faster: its file is as good.
            Err(error) if !self.path.exists() => return Err(error.error.into()),
            _ => {}
        }
        Ok(sync_directory(&self.path)?)
    }

    /// What a crash has left of [`create`](Self::create). Whoever calls it holds
    /// the lock, so a process that is creating now has lost anyway.
    fn remove_unfinished(&self) {
        let prefix = self.unfinished_prefix();
        for entry in fs::read_dir(self.directory()).into_iter().flatten() {
            let Ok(entry) = entry else { continue };
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&prefix) && name.ends_with(UNFINISHED_SUFFIX) {
                fs::remove_file(entry.path()).ok();
            }
        }
    }

    fn unfinished_prefix(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default();
        format!("{}-", stem.to_string_lossy())
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// All that is done with a file at a start, on a stand-in.
    fn rehearse(
        &self,
        held: Option<&Held>,
        check: impl FnOnce(Database) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Some(Held { file, .. }) = held else {
            return Ok(());
        };
        let length = file.metadata()?.len();
        let mut database = StandInDatabase::open(&builder(), Some(file.try_clone()?))?;
        let version = self.known_version(&database)?;
        // A repair is no way out: it may go back to an older state, and was not
        // asked for by the opening itself, which repairs what a crash has left.
        if length <= VERIFIED_BYTES && !database.check_integrity()? {
            return Err(Fault::damaged("a page", "it does not fit its checksum"));
        }
        self.schema.run(&database, version)?;
        check(Database::rehearsed(database, Box::new(Rehearsal)))
    }

    fn migrate(&self, database: &redb::Database) -> Result<(), Fault> {
        self.schema.run(database, self.known_version(database)?)
    }

    fn known_version(&self, database: &redb::Database) -> Result<u32, Fault> {
        let supported = self.schema.supported_version();
        match migrate::version(database)? {
            Some(version) if version <= supported => Ok(version),
            Some(found) => Err(Fault::NotOpen(Box::new(OpenError::Newer {
                path: self.path.clone(),
                found,
                supported,
            }))),
            None => Err(Fault::damaged("schema", "it has tables, but no version")),
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
            Fault::GivenUp(reason) => {
                return self.damaged(format!("the database gave up on its contents: {reason}"));
            }
            Fault::NotOpen(error) => return *error,
            Fault::Busy => io::Error::from(io::ErrorKind::ResourceBusy).into(),
            Fault::Database(error) => error,
        };
        match error {
            redb::Error::DatabaseAlreadyOpen => OpenError::Locked { path },
            redb::Error::Corrupted(reason) => self.damaged(reason),
            // Of the newest version, and not as that has it.
            error @ (redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }) => self.damaged(error),
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

/// A file that can be opened, or set aside.
struct Judged<'a> {
    file: &'a StoreFile,
    held: Option<Held>,
    /// What is wrong with it.
    damage: Option<String>,
}

impl Judged<'_> {
    /// Opens the file, which is made if it isn't there, or sets it aside first.
    fn open(self, now: TimestampMs) -> Result<(Database, Option<SetAside>), OpenError> {
        let Self { file, held, damage } = self;
        // An empty one is a creation that was cut short.
        let has_contents = held.as_ref().is_some_and(|held| !is_empty(&held.file));
        let is_known = damage.is_none() && has_contents;
        let set_aside = damage.map(|reason| file.set_aside(reason, now));
        let set_aside = set_aside.transpose()?.flatten();
        drop(held);
        Ok((file.open_or_stand_in(is_known)?, set_aside))
    }
}

/// A file that no other process changes, nor its name.
struct Held {
    file: File,
    /// `false` where the file system has no such locks. Then another process may
    /// be at work on what looks damaged.
    is_locked: bool,
}

const UNFINISHED_SUFFIX: &str = ".creating";

/// Is the file locked now? `false`: its file system has no locks.
fn lock(file: &File) -> Result<bool, Fault> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Err(redb::Error::DatabaseAlreadyOpen.into()),
        Err(TryLockError::Error(_)) => Ok(false),
    }
}

/// Tries again for a moment where the file is locked: a child process that is
/// being made holds our own locks until it is a program of its own.
fn patiently<T>(open: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
    let started = Instant::now();
    loop {
        match open() {
            Err(Fault::Database(redb::Error::DatabaseAlreadyOpen))
                if started.elapsed() < LOCK_PATIENCE =>
            {
                thread::sleep(LOCK_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Opens a file for good, and again after a failure.
struct Opener {
    file: StoreFile,
    /// Is what is in the file known to who has it open? If so, it is never made
    /// anew; if not, it must be empty, since nothing was read from it.
    is_known: AtomicBool,
}

impl Source for Opener {
    fn open(&self) -> Result<redb::Database, Fault> {
        let path = &self.file.path;
        let is_known = self.is_known.load(Ordering::Relaxed);
        if !is_known && !path.exists() {
            self.file.create()?;
        }
        let database = patiently(|| match is_known {
            true => Ok(builder().open(path)?),
            false => Ok(builder().create(path)?),
        })?;
        self.file.migrate(&database)?;
        if !is_known && has_streams(&database)? {
            let reason = "it appeared while this process ran; start the process again";
            return Err(Fault::damaged(path.display().to_string(), reason));
        }
        self.is_known.store(true, Ordering::Relaxed);
        Ok(database)
    }

    fn stand_in(&self) -> Result<StandInDatabase, Fault> {
        let held = match self.is_known.load(Ordering::Relaxed) {
            true => self
                .file
                .hold()
                .map_err(|error| Fault::NotOpen(Box::new(error)))?,
            false => None,
        };
        let database = StandInDatabase::open(&builder(), held.map(|held| held.file))?;
        self.file.migrate(&database)?;
        Ok(database)
    }

    /// Less than its length: the file is sparse.
    fn size_bytes(&self) -> io::Result<u64> {
        size_on_disk(&self.file.path)
    }
}

/// There is nothing to go back to where a file is judged.
struct Rehearsal;

impl Source for Rehearsal {
    fn open(&self) -> Result<redb::Database, Fault> {
        Err(Fault::Database(redb::Error::DatabaseClosed))
    }

    fn stand_in(&self) -> Result<StandInDatabase, Fault> {
        Err(Fault::Database(redb::Error::DatabaseClosed))
    }

    fn size_bytes(&self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Less than the file's length: it is sparse.
pub(super) fn size_on_disk(path: &Path) -> io::Result<u64> {
    /// The unit of `st_blocks`, whatever the file system's own.
    const BLOCK_BYTES: u64 = 512;
    Ok(path.metadata()?.blocks() * BLOCK_BYTES)
}

fn has_streams(database: &redb::Database) -> Result<bool, Fault> {
    let streams = database.begin_read()?.open_table(STREAMS)?;
    Ok(streams.first()?.is_some())
}

fn is_empty(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.len() == 0)
}

fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Makes the names in the file's folder last.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

#[cfg(test)]
mod tests;
