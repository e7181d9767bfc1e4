//! Files that the configuration is in or points to, each read with a bound.

use std::{
    fs::File,
    io,
    io::Read,
    path::{Path, PathBuf},
};

use super::section::Section;

/// Opens a file, which must be one: a folder opens well, and fails only later.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    File::open(path)
}

/// The text of a file of at most `most_bytes`.
pub(crate) fn read_text(path: &Path, most_bytes: u64) -> io::Result<String> {
    let mut text = String::new();
    let read = open(path)?.take(most_bytes + 1).read_to_string(&mut text)?;
    if read as u64 > most_bytes {
        let message = format!("larger than {} KiB", most_bytes / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// The path of a PEM file that can be read.
pub(super) fn readable_file(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    let path = section.path(key)?;
    if let Err(why) = open(&path) {
        section.refuse_because(key, why, "the path of a readable PEM file");
    }
    Some(path)
}
