//! Puts a backup in the place of a store.
//!
//! ```text
//! 1  verify the backup                             nothing is touched
//! 2  copy: head.redb.restoring, history.redb.restoring, durable, sums compared
//! 3  lock what is there, so that no process has it open
//! 4  restore.unfinished, durable                   from here on no scaler starts
//! 5  head.redb -> head.redb.before-restore-TIME, history.redb likewise
//! 6  history.redb.restoring -> history.redb, head.redb.restoring -> head.redb
//! 7  restore.unfinished is removed
//! ```
//! Two files can't change their names in one step. Killed before 4, all is as it
//! was; after 7, all is restored; in between the store can't be opened, and the
//! command run again goes through all steps once more and ends it. Nothing that
//! was there is ever deleted but our own copies.

use std::{
    fs::{self, File, OpenOptions},
    io,
    ops::Bound,
    path::{Path, PathBuf},
};

use redb::{StorageBackend as _, backends::FileBackend};
use tempfile::TempPath;

use super::{
    CareError, Checkpoint, Contents,
    manifest::{FileSum, Manifest},
    open_read_only,
    shelf::sync_folder,
    verify_folder,
};
use crate::{
    model::TimestampMs,
    store::{
        error::Fault,
        open::{HEAD_FILE, HISTORY_FILE},
    },
};

const MARK_FILE: &str = "restore.unfinished";
const COPY_SUFFIX: &str = ".restoring";

/// What a restore did.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// What is in the store now.
    pub contents: Contents,
    /// Under which names the files are that were there before.
    pub set_aside: Vec<PathBuf>,
}

/// Verifies the backup in `from`, and puts it in the place of the store in
/// `data_dir`, whose files are set aside under names with the time `now`.
pub fn restore(
    from: &Path,
    data_dir: &Path,
    now: TimestampMs,
    checkpoint: Checkpoint<'_>,
) -> Result<Restored, CareError> {
    let manifest = verify_backup(from)?;
    checkpoint()?;
    fs::create_dir_all(data_dir).map_err(CareError::disk("make the folder", data_dir))?;
    let head = copy(from, data_dir, HEAD_FILE, &manifest.head, checkpoint)?;
    let history = copy(from, data_dir, HISTORY_FILE, &manifest.history, checkpoint)?;
    let locks = lock_files(data_dir)?;
    checkpoint()?;
    let mark = data_dir.join(MARK_FILE);
    let marked = File::create(&mark).and_then(|file| file.sync_all());
    marked.map_err(CareError::disk("write", &mark))?;
    sync_folder(data_dir)?;
    checkpoint()?;
    let mut set_aside = Vec::new();
    for name in [HEAD_FILE, HISTORY_FILE] {
        set_aside.extend(move_away(data_dir, name, now)?);
        checkpoint()?;
    }
    put(history, &data_dir.join(HISTORY_FILE))?;
    checkpoint()?;
    put(head, &data_dir.join(HEAD_FILE))?;
    sync_folder(data_dir)?;
    checkpoint()?;
    fs::remove_file(&mark).map_err(CareError::disk("delete", &mark))?;
    sync_folder(data_dir)?;
    drop(locks);
    let contents = open_read_only(data_dir)?.contents()?;
    Ok(Restored {
        contents,
        set_aside,
    })
}

/// Was a restore into this folder cut short?
pub(in crate::store) fn is_restore_unfinished(data_dir: &Path) -> bool {
    data_dir.join(MARK_FILE).exists()
}

fn verify_backup(from: &Path) -> Result<Manifest, CareError> {
    let manifest = Manifest::read(from)?;
    let verified = verify_folder(from)?;
    match verified.damages.first() {
        None => Ok(manifest),
        Some(damage) => {
            let reason = format!("{}: {}", damage.place, damage.reason);
            Err(CareError::not_whole(from, reason))
        }
    }
}

/// The copy of one file, which goes away again if it is not put in place.
fn copy(
    from: &Path,
    data_dir: &Path,
    name: &str,
    expected: &FileSum,
    checkpoint: Checkpoint<'_>,
) -> Result<TempPath, CareError> {
    let path = data_dir.join(format!("{name}{COPY_SUFFIX}"));
    let copy = TempPath::try_from_path(path.clone()).map_err(CareError::disk("write", &path))?;
    let found = FileSum::of_copy(&from.join(name), &path, checkpoint)?;
    if found == *expected {
        return Ok(copy);
    }
    let reason = format!("{name} is not the file that was backed up, by its length or sum");
    Err(CareError::not_whole(from, reason))
}

/// Holds the files that are there, or says that a process has them open.
fn lock_files(data_dir: &Path) -> Result<Vec<FileBackend>, CareError> {
    let mut locks = Vec::new();
    for name in [HEAD_FILE, HISTORY_FILE] {
        let path = data_dir.join(name);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => FileBackend::new(file).map_err(Fault::from)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(CareError::disk("lock", path)(error)),
        };
        match file.try_lock_range(Bound::Unbounded, Bound::Unbounded) {
            Ok(true) => locks.push(file),
            Ok(false) => return Err(CareError::Locked { path }),
            Err(error) => return Err(CareError::disk("lock", path)(io::Error::other(error))),
        }
    }
    Ok(locks)
}

/// The name under which the file is now, if there was one.
fn move_away(data_dir: &Path, name: &str, now: TimestampMs) -> Result<Option<PathBuf>, CareError> {
    let path = data_dir.join(name);
    let time = now.to_string().replace(':', "-");
    let aside = data_dir.join(format!("{name}.before-restore-{time}"));
    if aside.exists() {
        let exists = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(CareError::disk("set a file aside as", aside)(exists));
    }
    match fs::rename(&path, &aside) {
        Ok(()) => Ok(Some(aside)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CareError::disk("rename", path)(error)),
    }
}

/// Gives the copy its name, which nobody has.
fn put(copy: TempPath, path: &Path) -> Result<(), CareError> {
    let put = copy.persist_noclobber(path);
    put.map_err(|error| CareError::disk("put a file in place as", path)(error.error))
}
