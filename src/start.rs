//! How far a start is, for those who are asked meanwhile.
//!
//! It owns what is said of it, and where what comes with its end is waited for.
//! It knows nobody who waits. Its key invariant: what is there stays there, so
//! that looking costs no lock.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::SetOnce;

/// What is being done before there is something to serve from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// History is opened, repaired or migrated where it must be, and read.
    OpeningHistory,
    /// Another process has a file of the volume.
    WaitingForVolume {
        /// The file.
        file: PathBuf,
        /// When it was found so.
        since: Instant,
        /// How long that may last.
        patience: Duration,
    },
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpeningHistory => f.write_str("opening history"),
            Self::WaitingForVolume {
                file,
                since,
                patience,
            } => write!(
                f,
                "waiting for the volume: another process has {} open, for {} s, until {} s",
                file.display(),
                since.elapsed().as_secs(),
                patience.as_secs_f64(),
            ),
        }
    }
}

/// What a start is at. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Mutex<Doing>>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Doing::OpeningHistory)))
    }
}

impl Progress {
    /// From now on it is at this.
    pub fn is_at(&self, doing: Doing) {
        *self.0.lock() = doing;
    }

    /// What it is at, in words.
    pub fn words(&self) -> String {
        self.0.lock().to_string()
    }
}

/// What comes with the end of a start. Cheap to clone.
#[derive(Debug)]
pub struct Awaited<T> {
    found: Arc<SetOnce<T>>,
    progress: Progress,
}

impl<T> Clone for Awaited<T> {
    fn clone(&self) -> Self {
        Self {
            found: Arc::clone(&self.found),
            progress: self.progress.clone(),
        }
    }
}

impl<T> Awaited<T> {
    /// It comes with the end of the start that `progress` tells of.
    pub fn new(progress: &Progress) -> Self {
        Self {
            found: Arc::default(),
            progress: progress.clone(),
        }
    }

    /// It is there. Only the first call counts.
    pub fn set(&self, found: T) {
        self.found.set(found).ok();
    }

    /// It, or how far the start is.
    pub fn get(&self) -> Result<&T, &Progress> {
        self.found.get().ok_or(&self.progress)
    }

    /// Waits until it is there.
    pub async fn wait(&self) -> &T {
        self.found.wait().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_done_is_told_until_it_is_done() {
        let progress = Progress::default();
        let awaited = Awaited::new(&progress);
        let words = || awaited.get().map_err(Progress::words).copied();
        assert_eq!(words(), Err("opening history".to_owned()));
        progress.is_at(Doing::WaitingForVolume {
            file: "/v/head.redb".into(),
            since: Instant::now(),
            patience: Duration::from_secs(60),
        });
        let told =
            "waiting for the volume: another process has /v/head.redb open, for 0 s, until 60 s";
        assert_eq!(words(), Err(told.to_owned()));
        awaited.clone().set(1);
        awaited.set(2);
        assert_eq!(words(), Ok(1));
    }
}
