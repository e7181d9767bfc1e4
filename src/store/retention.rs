//! How long history is kept, and how much of it.

use std::time::Duration;

use super::{
    Store,
    error::{Fault, RecordError},
    head::{self, Cut},
    history::{Level, drop_chunks_before, drop_oldest, level_sizes},
};
use crate::model::TimestampMs;

/// What a full folder is brought down to, in percent of its limit: so that not
/// each run has to delete again.
const TARGET_PERCENT: u64 = 90;
/// Compaction pays from so many unused bytes on, if they are a third of the file.
const MIN_UNUSED_BYTES: u64 = 64 << 20;

/// How long each level is kept, and how large the folder may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Ticks as they were recorded.
    pub raw: Duration,
    /// One tick a minute.
    pub minutes: Duration,
    /// One tick an hour.
    pub hours: Duration,
    /// What the files may take on the disk; `None`: as much as it is.
    pub max_bytes: Option<u64>,
}

impl Limits {
    fn of(&self, level: Level) -> Duration {
        match level {
            Level::Raw => self.raw,
            Level::Minutes => self.minutes,
            Level::Hours => self.hours,
        }
    }
}

/// What a retention run deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retained {
    /// Of the head: only what could not be sealed in all that time.
    pub head: Cut,
    /// Events that were too old or too many.
    pub events: u64,
    /// Chunks that were too old, by level.
    pub expired_chunks: [u64; 3],
    /// Chunks that had to go because the folder was full, by level.
    pub crowded_out_chunks: [u64; 3],
    /// Was the history file compacted?
    pub is_compacted: bool,
}

impl Store {
    /// Deletes what is older than `limits` as of `now`, of all clusters, and
    /// more, the oldest raw ticks first, while the files take too much. Events
    /// are kept for 400 days, and the newest million of them.
    ///
    /// It works chunk by chunk in history, which no tick waits for. Cut short,
    /// it leaves nothing half deleted to see, and the next run ends the work.
    pub fn retain(&self, limits: &Limits, now: TimestampMs) -> Result<Retained, RecordError> {
        Ok(self.try_retain(limits, now)?)
    }

    fn try_retain(&self, limits: &Limits, now: TimestampMs) -> Result<Retained, Fault> {
        let history = &self.files.history;
        let mut retained = Retained {
            head: head::retain_since(&self.files.head, now.minus(limits.raw))?,
            events: head::retain_events(&self.files.head, now)?,
            ..Retained::default()
        };
        for (place, level) in Level::ALL.into_iter().enumerate() {
            let cutoff = now.minus(limits.of(level)).0;
            retained.expired_chunks[place] = drop_chunks_before(history, level, cutoff)?.0;
        }
        if let Some(max_bytes) = limits.max_bytes {
            retained.crowded_out_chunks = self.make_room(max_bytes)?;
        }
        retained.is_compacted = self.compact_if_it_pays()?;
        Ok(retained)
    }

    fn make_room(&self, max_bytes: u64) -> Result<[u64; 3], Fault> {
        let mut dropped = [0; 3];
        let head = self.file_sizes()?.head;
        let mut live = self.live_bytes()? + head;
        if live <= max_bytes {
            return Ok(dropped);
        }
        let target = max_bytes / 100 * TARGET_PERCENT;
        for (place, level) in Level::ALL.into_iter().enumerate() {
            let excess = live.saturating_sub(target);
            let (chunks, bytes) = drop_oldest(&self.files.history, level, excess)?;
            dropped[place] = chunks;
            live = live.saturating_sub(bytes);
        }
        Ok(dropped)
    }

    fn compact_if_it_pays(&self) -> Result<bool, Fault> {
        let size = self.file_sizes()?.history;
        let unused = size.saturating_sub(self.live_bytes()?);
        if unused < MIN_UNUSED_BYTES || unused < size / 3 {
            return Ok(false);
        }
        self.files.history.compact()
    }

    fn live_bytes(&self) -> Result<u64, Fault> {
        let sizes = level_sizes(&self.files.history)?;
        Ok(sizes.iter().map(|size| size.bytes).sum())
    }

    fn file_sizes(&self) -> Result<super::FileSizes, Fault> {
        let sizes = self.files.size_bytes();
        sizes.map_err(|error| Fault::Database(redb::Error::Io(error)))
    }
}
