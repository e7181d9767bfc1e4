//! Backups of the running store, whoever asks for them, and how they went.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    config::BackupConfig,
    logging::in_full,
    model::TimestampMs,
    store::{self, Backup, CareError, Store},
};

/// Makes backups in the configured folder.
#[derive(Debug)]
pub struct Backups {
    store: Store,
    dir: PathBuf,
    keep: usize,
    shutdown: CancellationToken,
    made: AtomicU64,
    failed: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    newest: Option<TimestampMs>,
    /// Why the newest attempt failed, if it did.
    failure: Option<String>,
}

impl Backups {
    /// Of this store. Looks which backups there are already.
    pub fn new(store: Store, config: &BackupConfig, shutdown: CancellationToken) -> Self {
        let newest = store::newest_backup(&config.dir);
        let newest = newest.unwrap_or_else(|cause| {
            warn!(
                cause = in_full(&cause),
                "what backups there are can't be read"
            );
            None
        });
        Self {
            store,
            dir: config.dir.clone(),
            keep: config.keep,
            shutdown,
            made: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            state: Mutex::new(State {
                newest,
                failure: None,
            }),
        }
    }

    /// Makes one, on a thread where it may block. It goes on when nobody waits
    /// for it any more, and ends with the process.
    pub async fn make(self: &Arc<Self>) -> Result<Backup, CareError> {
        let backups = Arc::clone(self);
        let made = spawn_blocking(move || backups.make_blocking()).await;
        made.unwrap_or_else(|cause| {
            error!(%cause, "a backup did not end");
            Err(CareError::Interrupted)
        })
    }

    fn make_blocking(&self) -> Result<Backup, CareError> {
        let mut checkpoint = || match self.shutdown.is_cancelled() {
            true => Err(CareError::Interrupted),
            false => Ok(()),
        };
        let now = TimestampMs::now();
        let made = self
            .store
            .backup(&self.dir, Some(self.keep), now, &mut checkpoint);
        match &made {
            Ok(backup) => {
                info!(path = %backup.path.display(), bytes = backup.bytes, "a backup was made");
                self.made.fetch_add(1, Ordering::Relaxed);
                *self.state() = State {
                    newest: Some(backup.made_at),
                    failure: None,
                };
            }
            // Neither says anything of the next one.
            Err(CareError::Busy { .. } | CareError::Interrupted) => {}
            Err(cause) => {
                let cause = in_full(cause);
                error!(cause, "a backup failed");
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.state().failure = Some(cause);
            }
        }
        made
    }

    /// How many were made.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// How many failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// When the newest one was made, by this process or an earlier one.
    pub fn newest(&self) -> Option<TimestampMs> {
        self.state().newest
    }

    /// Why the newest attempt failed, if it did.
    pub fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
