//! Backups of the running store, whoever asks for them, and how they went.

use std::{
    path::Path,
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

/// Makes backups in the configured folder, which may change.
#[derive(Debug)]
pub struct Backups {
    store: Store,
    config: Mutex<BackupConfig>,
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
        let newest = newest_in(&config.dir);
        Self {
            store,
            config: Mutex::new(config.clone()),
            shutdown,
            made: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            state: Mutex::new(State {
                newest,
                failure: None,
            }),
        }
    }

    /// The next one is made by `config`. Looks which backups there are, if they
    /// are elsewhere from now on. Blocks on the disk.
    pub fn reconfigure(&self, config: &BackupConfig) {
        let before = std::mem::replace(&mut *self.config(), config.clone());
        if before.dir != config.dir {
            *self.state() = State {
                newest: newest_in(&config.dir),
                failure: None,
            };
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
        let (config, now) = (self.config().clone(), TimestampMs::now());
        let made = self
            .store
            .backup(&config.dir, Some(config.keep), now, &mut checkpoint);
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

    fn config(&self) -> MutexGuard<'_, BackupConfig> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn newest_in(dir: &Path) -> Option<TimestampMs> {
    store::newest_backup(dir).unwrap_or_else(|cause| {
        let cause = in_full(&cause);
        warn!(cause, "what backups there are can't be read");
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_backup_goes_where_the_newest_configuration_says() {
        let data_dir = tempfile::tempdir().expect("a folder");
        let (_writer, store) = store::open(data_dir.path()).expect("the store opens");
        let in_folder = |name: &str| BackupConfig {
            dir: data_dir.path().join(name),
            schedule: None,
            keep: 1,
        };
        let shutdown = CancellationToken::new();
        let backups = Arc::new(Backups::new(store, &in_folder("a"), shutdown));
        backups.make().await.expect("made");
        let first = backups.newest();
        assert!(first.is_some());

        backups.reconfigure(&in_folder("b"));
        assert_eq!(backups.newest(), None, "there is none yet");
        let made = backups.make().await.expect("made");
        assert!(made.path.starts_with(data_dir.path().join("b")));
        backups.reconfigure(&in_folder("a"));
        assert_eq!(backups.newest(), first);
    }
}
