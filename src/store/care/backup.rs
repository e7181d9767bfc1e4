//! A copy of a store while ticks go on.

use std::path::{Path, PathBuf};

use redb::ReadTransaction;

use super::{
    CareError, Checkpoint,
    contents::whole_span,
    copy::Copier,
    manifest::{FileSum, Manifest},
    shelf::{Shelf, Unfinished},
};
use crate::{
    model::TimestampMs,
    store::{
        Store, head, history,
        open::{HEAD_FILE, HISTORY_FILE},
    },
};

/// A backup that was made, and is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its folder.
    pub path: PathBuf,
    /// When it was made.
    pub made_at: TimestampMs,
    /// What its files take, in bytes.
    pub bytes: u64,
    /// The oldest and the newest tick in it; `None` if there is none.
    pub span: Option<(TimestampMs, TimestampMs)>,
}

impl Store {
    /// Makes a backup in a folder of its own in `dir`, named after `now`, and
    /// then deletes all but the newest `keep` that are there, if a number is
    /// given. Blocks on the disk; nobody who records or reads waits for it.
    ///
    /// One is made at a time. It holds what was recorded when it began, for
    /// both files are read as of one moment each: the head first, so that a tick
    /// that is cut from it has long been in history.
    pub fn backup(
        &self,
        dir: &Path,
        keep: Option<usize>,
        now: TimestampMs,
        checkpoint: Checkpoint<'_>,
    ) -> Result<Backup, CareError> {
        let shelf = Shelf::lock(dir)?;
        checkpoint()?;
        let unfinished = shelf.begin(now)?;
        let made = self.fill(&shelf, &unfinished, now, checkpoint);
        if made.is_err() {
            shelf.abandon(&unfinished);
        }
        let made = made?;
        if let Some(keep) = keep {
            shelf.keep_newest(keep, &made.path)?;
        }
        Ok(made)
    }

    fn fill(
        &self,
        shelf: &Shelf,
        unfinished: &Unfinished,
        now: TimestampMs,
        checkpoint: Checkpoint<'_>,
    ) -> Result<Backup, CareError> {
        let head = self.files.head.snapshot()?;
        checkpoint()?;
        let history = self.files.history.snapshot()?;
        let span = whole_span(&head, &history)?;
        let folder = &unfinished.folder;
        let head = copy_head(head, &folder.join(HEAD_FILE), checkpoint)?;
        let history = copy_history(history, &folder.join(HISTORY_FILE), checkpoint)?;
        let bytes = head.bytes + history.bytes;
        checkpoint()?;
        Manifest::new(now.0, span, [head, history]).write(folder)?;
        checkpoint()?;
        Ok(Backup {
            path: shelf.finish(unfinished)?,
            made_at: now,
            bytes,
            span: span.map(|(oldest, newest)| (TimestampMs(oldest), TimestampMs(newest))),
        })
    }
}

fn copy_head(
    source: ReadTransaction,
    path: &Path,
    checkpoint: Checkpoint<'_>,
) -> Result<FileSum, CareError> {
    let mut copier = Copier::new(source, path, checkpoint)?;
    head::visit_tables(&mut copier)?;
    copier.close()?;
    FileSum::of(path, checkpoint)
}

fn copy_history(
    source: ReadTransaction,
    path: &Path,
    checkpoint: Checkpoint<'_>,
) -> Result<FileSum, CareError> {
    let mut copier = Copier::new(source, path, checkpoint)?;
    history::visit_tables(&mut copier)?;
    copier.close()?;
    FileSum::of(path, checkpoint)
}
