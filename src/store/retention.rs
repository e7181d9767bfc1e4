//! How long history is kept, and how much of it.
//!
//! Each level is kept for its own time, and nothing goes before what is made of
//! it has been made, unless that has failed for a week. A folder that is full
//! loses the oldest raw ticks first, then minutes, then hours. The history file
//! is compacted when that pays; the head's free pages are its next ticks', unless
//! it has grown far beyond what it needs, since sealing failed for long.

use std::{sync::atomic::Ordering, time::Duration};

use super::{
    FileSizes, Store,
    error::{Fault, RecordError},
    head::{self, Cut},
    history::{Cutoff, Level, LevelSize, drop_expired, drop_left_blocks, drop_oldest, level_sizes},
};
use crate::model::TimestampMs;

/// What a full folder is brought down to, in percent of its limit: so that not
/// each run has to delete again.
const TARGET_PERCENT: u64 = 90;
/// How much longer than its own time is kept what could not be sealed yet: long
/// enough to mend a disk, short enough for a head that only grows.
const UNSEALED_GRACE: Duration = Duration::from_hours(7 * 24);
/// Compaction pays from so many unused bytes on ...
const MIN_UNUSED_BYTES: u64 = 64 << 20;
/// ... if they are one in so many of the file: less is soon used again.
const UNUSED_SHARE: u64 = 3;
/// Of the head no more than one in so many bytes may be in use: ticks wait while
/// these are moved, less than a second.
const HEAD_USED_SHARE: u64 = 4;

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

/// What a retention run deleted, and what it left.
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
    /// Chunks that were begun and never came to their end.
    pub unfinished_chunks: u64,
    /// Was a file compacted?
    pub is_compacted: bool,
    /// So much more than `max_bytes` is in use, and may not be deleted.
    pub excess_bytes: u64,
    /// What is left of each level.
    pub left: [LevelSize; 3],
}

impl Retained {
    /// Has anything gone?
    pub fn has_deleted(&self) -> bool {
        let chunks = self.expired_chunks.iter().chain(&self.crowded_out_chunks);
        self.head != Cut::default()
            || self.events + self.unfinished_chunks + chunks.sum::<u64>() > 0
    }
}

impl Store {
    /// Deletes what is older than `limits` as of `now`, of all clusters, and
    /// more, the oldest raw ticks first, while the files take too much; never
    /// the last day of any level. Events are kept for 400 days, and the newest
    /// million of them.
    ///
    /// It works chunk by chunk in history, which no tick waits for. Cut short,
    /// it leaves nothing half deleted to see, and the next run ends the work.
    pub fn retain(&self, limits: &Limits, now: TimestampMs) -> Result<Retained, RecordError> {
        Ok(self.try_retain(limits, now)?)
    }

    fn try_retain(&self, limits: &Limits, now: TimestampMs) -> Result<Retained, Fault> {
        let mut retained = Retained {
            head: self.cut_unsealed(limits, now.minus(UNSEALED_GRACE))?,
            events: head::retain_events(&self.files.head, now)?,
            ..Retained::default()
        };
        for (level, expired) in Level::ALL.into_iter().zip(&mut retained.expired_chunks) {
            let cutoff = now.minus(limits.of(level));
            let cutoff = Cutoff {
                made: cutoff.0,
                any: cutoff.minus(UNSEALED_GRACE).0,
            };
            *expired = drop_expired(&self.files.history, level, cutoff)?.chunks;
        }
        retained.unfinished_chunks = drop_left_blocks(&self.files)?;
        if let Some(max_bytes) = limits.max_bytes {
            self.make_room(max_bytes, limits, now, &mut retained)?;
        }
        let head = self.compact_head_if_it_pays()?;
        let history = self.compact_if_it_pays(limits.max_bytes)?;
        retained.is_compacted = head || history;
        retained.left = level_sizes(&self.files.history)?;
        Ok(retained)
    }

    fn cut_unsealed(&self, limits: &Limits, now: TimestampMs) -> Result<Cut, Fault> {
        head::retain_since(&self.files.head, now.minus(limits.raw))
    }

    fn make_room(
        &self,
        max_bytes: u64,
        limits: &Limits,
        now: TimestampMs,
        retained: &mut Retained,
    ) -> Result<(), Fault> {
        let sizes = self.file_sizes()?;
        if sizes.total() <= max_bytes {
            return Ok(());
        }
        let mut used = self.measure_history()? + sizes.head;
        let target = max_bytes / 100 * TARGET_PERCENT;
        let levels = Level::ALL.into_iter();
        for (level, crowded_out) in levels.zip(&mut retained.crowded_out_chunks) {
            let excess = used.saturating_sub(target);
            let dropped = drop_oldest(&self.files.history, level, excess)?;
            *crowded_out = dropped.chunks;
            used = used.saturating_sub(dropped.bytes);
        }
        if used > max_bytes {
            // What can't be sealed goes without its grace.
            retained.head = self.cut_unsealed(limits, now)?;
            retained.excess_bytes = used - max_bytes;
        }
        Ok(())
    }

    fn compact_if_it_pays(&self, max_bytes: Option<u64>) -> Result<bool, Fault> {
        let pays = |used| Ok::<_, Fault>(does_compaction_pay(self.file_sizes()?, used, max_bytes));
        // Measuring reads the whole file.
        if pays(self.estimate_history()?)? && pays(self.measure_history()?)? {
            return self.files.history.compact();
        }
        Ok(false)
    }

    fn compact_head_if_it_pays(&self) -> Result<bool, Fault> {
        let (head, known) = (&self.files.head, &self.files.head_used);
        let size = self.file_sizes()?.head;
        // A tick waits while the whole file is read: not without need.
        if !is_mostly_unused(size, known.load(Ordering::Relaxed)) {
            return Ok(false);
        }
        let used = head.used_bytes()?;
        known.store(used, Ordering::Relaxed);
        if is_mostly_unused(size, used) {
            return head.compact();
        }
        Ok(false)
    }

    /// What is in use of the history file.
    fn measure_history(&self) -> Result<u64, Fault> {
        let used = self.files.history.used_bytes()?;
        let overhead = used.saturating_sub(self.block_bytes()?);
        let measured = &self.files.history_overhead;
        measured.store(overhead, Ordering::Relaxed);
        Ok(used)
    }

    fn estimate_history(&self) -> Result<u64, Fault> {
        let overhead = self.files.history_overhead.load(Ordering::Relaxed);
        Ok(self.block_bytes()? + overhead)
    }

    fn block_bytes(&self) -> Result<u64, Fault> {
        let sizes = level_sizes(&self.files.history)?;
        Ok(sizes.iter().map(|size| size.bytes).sum())
    }

    fn file_sizes(&self) -> Result<FileSizes, Fault> {
        Ok(self.files.size_bytes()?)
    }
}

/// With `used` bytes of the history file in use.
fn does_compaction_pay(sizes: FileSizes, used: u64, max_bytes: Option<u64>) -> bool {
    let unused = sizes.history.saturating_sub(used);
    let is_over = max_bytes.is_some_and(|max_bytes| sizes.total() > max_bytes);
    unused >= MIN_UNUSED_BYTES && (is_over || unused >= sizes.history / UNUSED_SHARE)
}

/// Of the head's `size`, with `used` bytes in use.
fn is_mostly_unused(size: u64, used: u64) -> bool {
    size.saturating_sub(used) >= MIN_UNUSED_BYTES && used <= size / HEAD_USED_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compaction_pays_when_there_is_much_to_gain() {
        const MIB: u64 = 1 << 20;
        for (history, used, max_mib, expected) in [
            (90, 30, None, false),
            (90, 26, None, true),
            (900, 700, None, false),
            (900, 601, None, false),
            (900, 600, None, true),
            (900, 836, Some(899), true),
            (900, 837, Some(899), false),
            (900, 700, Some(910), false),
            (900, 700, Some(909), true),
            (0, 10, None, false),
        ] {
            let sizes = FileSizes {
                head: 10 * MIB,
                history: history * MIB,
            };
            let max_bytes = max_mib.map(|mib: u64| mib * MIB);
            let pays = does_compaction_pay(sizes, used * MIB, max_bytes);
            assert_eq!(pays, expected, "{used} of {history} in use, {max_mib:?}");
        }
    }
}
