//! Damaged files, kept beside the fresh ones under another name.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};

use super::open::sync_directory;
use crate::model::TimestampMs;

/// So many are kept. They are never deleted, and one more at each start of a
/// process that starts over and over would fill the disk.
pub(super) const MAX_SET_ASIDE: usize = 20;

/// A damaged file that was set aside when the store was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its name until then, under which a fresh one is.
    pub path: PathBuf,
    /// Where it is now.
    pub kept_as: PathBuf,
    /// When that was.
    pub at: TimestampMs,
    /// What is wrong with it.
    pub reason: String,
}

/// How many files were set aside for `path` before.
pub(super) fn count(path: &Path) -> io::Result<usize> {
    let prefix = named(path, ".damaged-");
    let prefix = prefix.as_encoded_bytes();
    let mut count = 0;
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let name = entry?.file_name();
        count += usize::from(name.as_encoded_bytes().starts_with(prefix));
    }
    Ok(count)
}

/// Gives the file another name, for good when this returns. Whoever calls it
/// holds the file's lock.
pub(super) fn set_aside(path: &Path, at: TimestampMs, reason: String) -> io::Result<SetAside> {
    let kept_as = free_name(path, at)?;
    fs::rename(path, &kept_as)?;
    sync_directory(path)?;
    let (file, kept) = (path.display(), kept_as.display());
    tracing::error!(%file, %kept, reason, "a damaged file is set aside, and a fresh one begun");
    Ok(SetAside {
        path: path.to_owned(),
        kept_as,
        at,
        reason,
    })
}

/// `<name>.damaged-<time>`, with a number if there is one of that name.
fn free_name(path: &Path, at: TimestampMs) -> io::Result<PathBuf> {
    let time = DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default();
    let base = named(path, &format!(".damaged-{}", time.format("%Y%m%dT%H%M%SZ")));
    for number in 1..=MAX_SET_ASIDE {
        let mut name = base.clone();
        if number > 1 {
            name.push(format!("-{number}"));
        }
        let name = path.with_file_name(name);
        if !name.try_exists()? {
            return Ok(name);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn named(path: &Path, suffix: &str) -> OsString {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    name
}
