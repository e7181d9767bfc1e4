//! A disk in memory that can lose power and run full, with the store's two files.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use redb::StorageBackend;

use super::{
    Store, Writer,
    database::{Database, Source},
    error::Fault,
    files::Files,
    migrate::{self, Schema},
    open::assemble,
    stand_in::StandInDatabase,
};

/// Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    head: Image,
    history: Image,
    /// Changes and syncs until the power goes.
    until_cut: Option<u32>,
    is_full: bool,
    ignores_sync: bool,
}

/// One file.
#[derive(Debug, Default)]
struct Image {
    /// What a process sees.
    live: Vec<u8>,
    /// What a power cut leaves for certain.
    synced: Vec<u8>,
    /// What it may or may not leave.
    unsynced: Vec<Change>,
    /// Who holds it makes changes and syncs wait.
    gate: Arc<Mutex<()>>,
}

/// A file of the disk, as the database opens it.
#[derive(Debug, Clone)]
struct File {
    disk: Disk,
    of: fn(&mut State) -> &mut Image,
}

#[derive(Debug)]
enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Disk {
    /// One with these bytes as the head.
    pub(super) fn holding(head: Vec<u8>) -> Self {
        let state = State {
            head: Image::of(head),
            ..State::default()
        };
        let disk = Self(Arc::new(Mutex::new(state)));
        // On a disk proper a file has its name only when it is whole.
        disk.open_file(disk.history(), migrate::HISTORY)
            .expect("history");
        disk
    }

    pub(super) fn open(&self) -> Result<(Writer, Store), Fault> {
        let head = self.open_file(self.head(), migrate::HEAD)?;
        let history = self.open_file(self.history(), migrate::HISTORY)?;
        let files = Files::new(head, history);
        assemble(files, None)
    }

    /// The head as it is, of whatever version.
    pub(super) fn open_unmigrated(&self) -> Result<redb::Database, Fault> {
        self.head().open()
    }

    fn head(&self) -> File {
        File {
            disk: self.clone(),
            of: |state| &mut state.head,
        }
    }

    fn history(&self) -> File {
        File {
            disk: self.clone(),
            of: |state| &mut state.history,
        }
    }

    fn open_file(&self, file: File, schema: Schema) -> Result<Database, Fault> {
        let database = file.open()?;
        let version = migrate::version(&database)?.expect("no tables of others");
        schema.run(&database, version)?;
        Ok(Database::new(database, Box::new(file)))
    }

    pub(super) fn cut_power_after(&self, operations: u32) {
        self.state().until_cut = Some(operations);
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Flips every bit on it.
    pub(super) fn damage(&self) {
        let mut state = self.state();
        let State { head, history, .. } = &mut *state;
        for byte in head.live.iter_mut().chain(&mut history.live) {
            *byte ^= 0xff;
        }
    }

    /// Syncs are acknowledged and not done, as by a disk that lies.
    pub(super) fn ignore_syncs(&self) {
        self.state().ignores_sync = true;
    }

    /// The disk after the power is back: of what was not synced, each change is
    /// there, or not, or in part.
    pub(super) fn after_power_cut(&self, random: &mut TestRng) -> Self {
        let mut state = self.state();
        let state = State {
            head: state.head.after_power_cut(random),
            history: state.history.after_power_cut(random),
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Another disk with what a process sees on this one.
    pub(super) fn copy(&self) -> Self {
        let state = self.state();
        let state = State {
            head: Image::of(state.head.live.clone()),
            history: Image::of(state.history.live.clone()),
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Makes changes to history's file wait for whoever locks it.
    pub(super) fn history_gate(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.state().history.gate)
    }

    /// The same disk with the head's file gone.
    pub(super) fn without_head(&self) -> Self {
        let history = std::mem::take(&mut self.state().history);
        let state = State {
            history,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics in here")
    }
}

impl Image {
    fn of(bytes: Vec<u8>) -> Self {
        Self {
            live: bytes.clone(),
            synced: bytes,
            ..Self::default()
        }
    }

    fn after_power_cut(&mut self, random: &mut TestRng) -> Self {
        let mut image = std::mem::take(&mut self.synced);
        let kept_of_ten = [1, 5, 10][random.next_u32() as usize % 3];
        for change in self.unsynced.drain(..) {
            if random.next_u32() % 10 < kept_of_ten {
                torn(change, random).apply(&mut image);
            }
        }
        Self::of(image)
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
}

impl Source for File {
    fn open(&self) -> Result<redb::Database, Fault> {
        let mut builder = redb::Builder::new();
        let builder = builder.set_cache_size(1 << 20);
        Ok(builder.create_with_backend(self.clone())?)
    }

    /// None: a disk in memory can be read as soon as it can be written.
    fn stand_in(&self) -> Result<StandInDatabase, Fault> {
        Err(Fault::Database(redb::Error::DatabaseClosed))
    }

    /// Its length; this disk knows no holes.
    fn size_bytes(&self) -> io::Result<u64> {
        self.len()
    }
}

impl File {
    fn wait_at_gate(&self) {
        let gate = Arc::clone(&(self.of)(&mut self.disk.state()).gate);
        drop(gate.lock().expect("no test panics while it holds it"));
    }

    fn change(&self, change: Change) -> io::Result<()> {
        self.wait_at_gate();
        let mut state = self.disk.state();
        state.spend()?;
        if state.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let image = (self.of)(&mut state);
        change.apply(&mut image.live);
        image.unsynced.push(change);
        Ok(())
    }
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        Ok((self.of)(&mut state).live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = offset as usize;
        let mut state = self.disk.state();
        let live = &(self.of)(&mut state).live;
        out.copy_from_slice(&live[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(length as usize))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.wait_at_gate();
        let mut state = self.disk.state();
        state.spend()?;
        if !state.ignores_sync {
            let image = (self.of)(&mut state);
            for change in std::mem::take(&mut image.unsynced) {
                change.apply(&mut image.synced);
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset as usize, data.to_vec()))
    }
}
