//! A file that is read and never written: changes stay in memory.
//!
//! A database on it judges a file, repair and migrations included, without
//! touching a byte. It also stands in for a file while the disk takes no
//! changes, so that what was recorded can be read.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    ops::{Deref, DerefMut},
    os::unix::fs::FileExt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{Builder, StorageBackend};

use super::{database::attempt, error::Fault};

const PAGE_BYTES: usize = 4096;
type Page = [u8; PAGE_BYTES];

/// A database on a stand-in.
#[derive(Debug)]
pub(super) struct StandInDatabase {
    /// `None` while it is dropped.
    database: Option<redb::Database>,
    is_shut: Arc<AtomicBool>,
}

impl StandInDatabase {
    /// In place of `file`, or of an empty one.
    pub(super) fn open(builder: &Builder, file: Option<File>) -> Result<Self, Fault> {
        let stand_in = StandIn::new(file)?;
        let is_shut = Arc::clone(&stand_in.is_shut);
        Ok(Self {
            database: Some(builder.create_with_backend(stand_in)?),
            is_shut,
        })
    }
}

impl Deref for StandInDatabase {
    type Target = redb::Database;

    fn deref(&self) -> &redb::Database {
        self.database
            .as_ref()
            .expect("it is there until it is dropped")
    }
}

impl DerefMut for StandInDatabase {
    fn deref_mut(&mut self) -> &mut redb::Database {
        self.database
            .as_mut()
            .expect("it is there until it is dropped")
    }
}

impl Drop for StandInDatabase {
    /// The database ends with a commit, and may give up twice in one on a damaged
    /// file, which would end the process. After a failure of the disk it lets be.
    fn drop(&mut self) {
        self.is_shut.store(true, Ordering::Relaxed);
        let database = self.database.take();
        let mut database = database.expect("it is dropped once");
        attempt(|| Ok(database.check_integrity()?)).ok();
        attempt(|| {
            drop(database);
            Ok(())
        })
        .ok();
    }
}

/// The bytes of a file, and over them what was changed. Memory holds the changed
/// pages: those of a repair or a migration.
#[derive(Debug)]
struct StandIn {
    /// `None` for a file that isn't there. Holds its lock, if there is one.
    file: Option<File>,
    changes: Mutex<Changes>,
    /// Nothing is read or written any more.
    is_shut: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Changes {
    length: u64,
    /// What is behind this in the file was cut off.
    file_length: u64,
    pages: BTreeMap<u64, Box<Page>>,
}

impl StandIn {
    /// Stands in for `file`, or for an empty one.
    fn new(file: Option<File>) -> io::Result<Self> {
        let metadata = file.as_ref().map(File::metadata).transpose()?;
        let length = metadata.map_or(0, |metadata| metadata.len());
        let changes = Changes {
            length,
            file_length: length,
            pages: BTreeMap::new(),
        };
        Ok(Self {
            file,
            changes: Mutex::new(changes),
            is_shut: Arc::default(),
        })
    }

    fn changes(&self) -> io::Result<MutexGuard<'_, Changes>> {
        if self.is_shut.load(Ordering::Relaxed) {
            return Err(io::Error::other("the stand-in is shut"));
        }
        // Whoever panics in here leaves whole pages.
        Ok(self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn page(&self, changes: &Changes, number: u64) -> io::Result<Page> {
        if let Some(page) = changes.pages.get(&number) {
            return Ok(**page);
        }
        let mut page = [0; PAGE_BYTES];
        let start = number * PAGE_BYTES as u64;
        let length = changes.file_length.saturating_sub(start);
        let length = length.min(PAGE_BYTES as u64) as usize;
        if let Some(file) = &self.file {
            file.read_exact_at(&mut page[..length], start)?;
        }
        Ok(page)
    }
}

impl StorageBackend for StandIn {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes()?.length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes()?;
        for (number, within, part) in parts(offset, out.len()) {
            let page = self.page(&changes, number)?;
            let length = part.len();
            out[part].copy_from_slice(&page[within..within + length]);
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changes = self.changes()?;
        if length < changes.length {
            let last = length / PAGE_BYTES as u64;
            let mut page = self.page(&changes, last)?;
            page[(length % PAGE_BYTES as u64) as usize..].fill(0);
            changes.pages.split_off(&last);
            changes.pages.insert(last, Box::new(page));
        }
        changes.file_length = changes.file_length.min(length);
        changes.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.changes().map(drop)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes()?;
        for (number, within, part) in parts(offset, data.len()) {
            let mut page = self.page(&changes, number)?;
            page[within..within + part.len()].copy_from_slice(&data[part]);
            changes.pages.insert(number, Box::new(page));
        }
        Ok(())
    }
}

/// The pages that `length` bytes at `offset` lie in: the page's number, where in
/// it they begin, and which of the bytes they are.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % PAGE_BYTES as u64) as usize;
        let part = done..length.min(done + PAGE_BYTES - within);
        done = part.end;
        (!part.is_empty()).then(|| (at / PAGE_BYTES as u64, within, part))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(usize, Vec<u8>),
        Length(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_usize..12_000, vec(any::<u8>(), 1..9_000)).prop_map(|(at, bytes)| Step::Write(at, bytes)),
            1 => (0_usize..24_000).prop_map(Step::Length),
        ]
    }

    proptest! {
        #[test]
        fn it_reads_as_a_file_would_and_leaves_the_file_alone(
            contents in vec(any::<u8>(), 0..10_000),
            steps in vec(step(), 0..12),
        ) {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(&contents).expect("written");
            let stand_in = StandIn::new(Some(file.try_clone().expect("a handle"))).expect("opened");
            let mut expected = contents.clone();
            for step in steps {
                match step {
                    Step::Write(at, bytes) => {
                        let end = at + bytes.len();
                        if end > expected.len() {
                            expected.resize(end, 0);
                            stand_in.set_len(end as u64).expect("longer");
                        }
                        expected[at..end].copy_from_slice(&bytes);
                        stand_in.write(at as u64, &bytes).expect("written");
                    }
                    Step::Length(length) => {
                        expected.resize(length, 0);
                        stand_in.set_len(length as u64).expect("cut or grown");
                    }
                }
            }
            let mut found = vec![0; expected.len()];
            stand_in.read(0, &mut found).expect("read");
            prop_assert!(found == expected);
            prop_assert_eq!(stand_in.len().expect("a length"), expected.len() as u64);
            let mut on_disk = vec![0; contents.len()];
            file.read_exact_at(&mut on_disk, 0).expect("read");
            prop_assert!(on_disk == contents);
        }
    }
}
