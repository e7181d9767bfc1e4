//! A disk in memory that can lose power and run full.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use redb::{DatabaseError, StorageBackend};

use super::{Store, Writer, error::Fault, migrate, open::assemble};

/// Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What a process sees.
    live: Vec<u8>,
    /// What a power cut leaves for certain.
    synced: Vec<u8>,
    /// What it may or may not leave.
    unsynced: Vec<Change>,
    /// Changes and syncs until the power goes.
    until_cut: Option<u32>,
    is_full: bool,
    ignores_sync: bool,
}

#[derive(Debug)]
enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Disk {
    pub(super) fn open(&self) -> Result<(Writer, Store), Fault> {
        let disk = self.clone();
        let opener = move || disk.open_database();
        let database = opener()?;
        let version = migrate::version(&database)?.expect("no tables of others");
        assemble(database, version, Box::new(opener), PathBuf::new())
    }

    fn open_database(&self) -> Result<redb::Database, DatabaseError> {
        redb::Builder::new()
            .set_cache_size(1 << 20)
            .create_with_backend(self.clone())
    }

    pub(super) fn cut_power_after(&self, operations: u32) {
        self.state().until_cut = Some(operations);
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Syncs are acknowledged and not done, as by a disk that lies.
    pub(super) fn ignore_syncs(&self) {
        self.state().ignores_sync = true;
    }

    /// The disk after the power is back: of what was not synced, each change is
    /// there, or not, or in part.
    pub(super) fn after_power_cut(&self, random: &mut TestRng) -> Self {
        let mut state = self.state();
        let mut image = std::mem::take(&mut state.synced);
        let kept_of_ten = [1, 5, 10][random.next_u32() as usize % 3];
        for change in state.unsynced.drain(..) {
            if random.next_u32() % 10 < kept_of_ten {
                torn(change, random).apply(&mut image);
            }
        }
        let state = State {
            live: image.clone(),
            synced: image,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics in here")
    }
}

/// One write in five ends at a sector within.
fn torn(change: Change, random: &mut TestRng) -> Change {
    const SECTOR: usize = 512;
    match change {
        Change::Write(offset, mut bytes) if random.next_u32().is_multiple_of(5) => {
            let sectors = bytes.len() / SECTOR + 1;
            bytes.truncate(random.next_u32() as usize % sectors * SECTOR);
            Change::Write(offset, bytes)
        }
        whole => whole,
    }
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(length) => image.resize(*length, 0),
            Self::Write(offset, bytes) => {
                let end = offset + bytes.len();
                if end > image.len() {
                    image.resize(end, 0);
                }
                image[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

impl State {
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.until_cut {
            Some(0) => return Err(io::Error::other("the power is cut")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.spend()?;
        if self.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        change.apply(&mut self.live);
        self.unsynced.push(change);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = offset as usize;
        out.copy_from_slice(&self.state().live[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.state().change(Change::Length(length as usize))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.spend()?;
        if !state.ignores_sync {
            let changes = std::mem::take(&mut state.unsynced);
            for change in changes {
                change.apply(&mut state.synced);
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let change = Change::Write(offset as usize, data.to_vec());
        self.state().change(change)
    }
}
