//! The folder in which backups stand, by name.
//!
//! ```text
//! tidegauge-20260101T000000.000Z            a backup, whole
//! tidegauge-20260101T000000.000Z.creating   one that is being made
//! tidegauge-20260101T000000.000Z.deleting   one that is being deleted
//! backup.lock                               held while one is made
//! ```

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, NaiveDateTime};

use super::{CareError, manifest::MANIFEST_FILE};
use crate::model::TimestampMs;

const NAME: &str = "tidegauge-%Y%m%dT%H%M%S%.3fZ";
const CREATING: &str = ".creating";
const DELETING: &str = ".deleting";
const LOCK_FILE: &str = "backup.lock";

/// The folder, held by one who makes a backup.
#[derive(Debug)]
pub(super) struct Shelf {
    dir: PathBuf,
    /// Locked until it is closed.
    _lock: File,
}

impl Shelf {
    /// Makes the folder if it isn't there, and clears away what a crash left.
    pub(super) fn lock(dir: &Path) -> Result<Self, CareError> {
        fs::create_dir_all(dir).map_err(CareError::disk("make the folder", dir))?;
        let path = dir.join(LOCK_FILE);
        let lock = File::create(&path).map_err(CareError::disk("write", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(CareError::Busy {
                    dir: dir.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(CareError::disk("lock", path)(error)),
        }
        let shelf = Self {
            dir: dir.to_owned(),
            _lock: lock,
        };
        shelf.remove_leftovers()?;
        Ok(shelf)
    }

    /// A new folder for the backup of this time.
    pub(super) fn begin(&self, at: TimestampMs) -> Result<Unfinished, CareError> {
        let name = name_of(at);
        let whole = self.dir.join(&name);
        if whole.exists() {
            let exists = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(CareError::disk("make the folder", whole)(exists));
        }
        let folder = self.dir.join(name + CREATING);
        fs::create_dir(&folder).map_err(CareError::disk("make the folder", &folder))?;
        Ok(Unfinished { folder, whole })
    }

    /// Gives a backup whose files are durable its name.
    pub(super) fn finish(&self, unfinished: &Unfinished) -> Result<PathBuf, CareError> {
        sync_folder(&unfinished.folder)?;
        fs::rename(&unfinished.folder, &unfinished.whole)
            .map_err(CareError::disk("rename", &unfinished.folder))?;
        sync_folder(&self.dir)?;
        Ok(unfinished.whole.clone())
    }

    /// Takes away a backup that will not be whole.
    pub(super) fn abandon(&self, unfinished: &Unfinished) {
        if let Err(cause) = fs::remove_dir_all(&unfinished.folder) {
            tracing::warn!(%cause, "an unfinished backup stays until the next one");
        }
    }

    /// Deletes all but the newest `keep` backups, and never `made`: a clock that
    /// was put back makes it look old.
    pub(super) fn keep_newest(&self, keep: usize, made: &Path) -> Result<(), CareError> {
        let mut backups = backups_in(&self.dir)?;
        backups.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let old = backups.into_iter().skip(keep).map(|(_, path)| path);
        for path in old.filter(|path| path != made) {
            // Killed in between, it must not look like a whole one.
            let mut doomed = path.clone().into_os_string();
            doomed.push(DELETING);
            fs::rename(&path, &doomed).map_err(CareError::disk("rename", path))?;
            fs::remove_dir_all(&doomed).map_err(CareError::disk("delete", doomed))?;
        }
        Ok(())
    }

    fn remove_leftovers(&self) -> Result<(), CareError> {
        for (name, path) in entries(&self.dir)? {
            let stem = name
                .strip_suffix(CREATING)
                .or_else(|| name.strip_suffix(DELETING));
            if stem.is_some_and(|stem| time_of(stem).is_some()) {
                fs::remove_dir_all(&path).map_err(CareError::disk("delete", path))?;
            }
        }
        Ok(())
    }
}

/// A backup that is being made.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) folder: PathBuf,
    whole: PathBuf,
}

/// When the newest backup in `dir` was made; `None` if there is none, or no
/// such folder.
pub fn newest_backup(dir: &Path) -> Result<Option<TimestampMs>, CareError> {
    match fs::exists(dir) {
        Ok(true) => Ok(backups_in(dir)?.into_iter().map(|(at, _)| at).max()),
        Ok(false) => Ok(None),
        Err(error) => Err(CareError::disk("read", dir)(error)),
    }
}

/// The folder's own entry is durable then.
pub(super) fn sync_folder(folder: &Path) -> Result<(), CareError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(CareError::disk("write", folder))
}

fn backups_in(dir: &Path) -> Result<Vec<(TimestampMs, PathBuf)>, CareError> {
    let backup = |(name, path): (String, PathBuf)| {
        let is_ours = path.join(MANIFEST_FILE).is_file();
        Some((time_of(&name).filter(|_| is_ours)?, path))
    };
    Ok(entries(dir)?.into_iter().filter_map(backup).collect())
}

fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, CareError> {
    let unreadable = || CareError::disk("read", dir);
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable())? {
        let entry = entry.map_err(unreadable())?;
        // Names of ours are text.
        if let Ok(name) = entry.file_name().into_string() {
            entries.push((name, entry.path()));
        }
    }
    Ok(entries)
}

fn name_of(at: TimestampMs) -> String {
    let time = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    time.format(NAME).to_string()
}

/// The time in a backup's name; `None` for any other name.
fn time_of(name: &str) -> Option<TimestampMs> {
    let time = NaiveDateTime::parse_from_str(name, NAME).ok()?;
    let at = TimestampMs(time.and_utc().timestamp_millis());
    (name_of(at) == name).then_some(at)
}
