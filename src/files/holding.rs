//! What files hold, to be told apart.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    path::Path,
};

/// Of a file no more is looked at; the largest are bundles of authorities.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Tells apart what files hold; what that is can't be told from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding(u64);

impl Holding {
    /// Reads `files`, and blocks for it. One that can't be read is told apart
    /// from one that can.
    pub fn of<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        let mut hasher = DefaultHasher::new();
        for path in files {
            contents(path)
                .map_err(|error| error.kind())
                .hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)?
        .take(MAX_FILE_BYTES)
        .read_to_end(&mut contents)?;
    Ok(contents)
}
