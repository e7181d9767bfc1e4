//! The files of one store, and what of them is held in memory.

use std::{io, path::Path, sync::atomic::AtomicU64};

use redb::{ReadableTable, WriteTransaction};

use super::{
    database::Database,
    error::Fault,
    head::{SEGMENTS, SERIES, STREAMS, Segment, StreamId, segment_at},
    recent::Recent,
};

/// Shared by the writer, the sealer and all who read.
#[derive(Debug)]
pub(super) struct Files {
    /// Recent ticks, the catalogue and the watches: small, and written each tick.
    pub(super) head: Database,
    /// Sealed chunks: large, and written now and then.
    pub(super) history: Database,
    pub(super) recent: Recent,
    /// What the history file needs beside its blocks, in bytes, as it was
    /// measured last; 0 before that.
    pub(super) history_overhead: AtomicU64,
    /// What is in use of the head, in bytes, as it was measured last; 0 before
    /// that.
    pub(super) head_used: AtomicU64,
}

impl Files {
    pub(super) fn new(head: Database, history: Database) -> Self {
        Self {
            head,
            history,
            recent: Recent::default(),
            history_overhead: AtomicU64::new(0),
            head_used: AtomicU64::new(0),
        }
    }

    /// The head's segment that covers `at`, or else the first one after it.
    pub(super) fn head_segment(&self, stream: StreamId, at: i64) -> Result<Option<Segment>, Fault> {
        self.head
            .read(|head| segment_at(&head.open_table(SEGMENTS)?, stream, at))
    }

    /// Copies what the head's catalogue says of `stream` and history's does not
    /// say yet.
    pub(super) fn copy_catalogue(
        &self,
        history: &WriteTransaction,
        stream: StreamId,
    ) -> Result<(), Fault> {
        let mut streams = history.open_table(STREAMS)?;
        let mut series = history.open_table(SERIES)?;
        let known = series
            .range((stream, 0)..=(stream, u32::MAX))?
            .next_back()
            .transpose()?
            .map(|(key, _)| key.value().1);
        let missing = known.map_or(0, |known| known.saturating_add(1));
        self.head.read(|head| {
            if let Some(record) = head.open_table(STREAMS)?.get(stream)? {
                streams.insert(stream, record.value())?;
            }
            let of_head = head.open_table(SERIES)?;
            for row in of_head.range((stream, missing)..=(stream, u32::MAX))? {
                let (key, record) = row?;
                series.insert(key.value(), record.value())?;
            }
            Ok(())
        })
    }

    /// Fills the catalogue of a head that has none from history's: columns keep
    /// their meaning when the head was lost.
    pub(super) fn restore_catalogue(&self) -> Result<(), Fault> {
        let is_empty =
            |head: &redb::ReadTransaction| Ok(head.open_table(STREAMS)?.iter()?.next().is_none());
        if !self.head.read(is_empty)? {
            return Ok(());
        }
        let (streams, series) = self.history.read(|history| {
            let mut streams = Vec::new();
            for row in history.open_table(STREAMS)?.iter()? {
                let (key, record) = row?;
                streams.push((key.value(), record.value().to_vec()));
            }
            let mut series = Vec::new();
            for row in history.open_table(SERIES)?.iter()? {
                let (key, record) = row?;
                series.push((key.value(), record.value().to_vec()));
            }
            Ok((streams, series))
        })?;
        if streams.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            streams = streams.len(),
            "the head is new: its catalogue is taken from history"
        );
        self.head.write(|head| {
            let mut table = head.open_table(STREAMS)?;
            for (key, record) in &streams {
                table.insert(key, record.as_slice())?;
            }
            let mut table = head.open_table(SERIES)?;
            for (key, record) in &series {
                table.insert(key, record.as_slice())?;
            }
            Ok(())
        })
    }

    /// What the files take on the disk.
    pub(super) fn size_bytes(&self) -> io::Result<FileSizes> {
        Ok(FileSizes {
            head: self.head.size_bytes()?,
            history: self.history.size_bytes()?,
        })
    }
}

/// A volume, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeSize {
    /// All of it.
    pub size: u64,
    /// What is left to this process.
    pub free: u64,
}

impl VolumeSize {
    /// Of the volume that `folder` is on.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let volume = rustix::fs::statvfs(folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
        Ok(Self {
            size: bytes(volume.f_blocks),
            free: bytes(volume.f_bavail),
        })
    }
}

/// What each file takes on the disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSizes {
    /// `head.redb`
    pub head: u64,
    /// `history.redb`
    pub history: u64,
}

impl FileSizes {
    /// Of both.
    pub fn total(self) -> u64 {
        self.head + self.history
    }
}
