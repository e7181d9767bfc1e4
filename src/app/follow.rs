//! The configuration's file, followed while the process runs.
//!
//! It owns when the file is looked at and which contents are taken up. It looks
//! at what the path holds. Its key invariant: a file that is half written is not
//! taken up.

use std::{sync::Arc, time::Duration};

use tokio::{
    signal::unix::Signal,
    task::{JoinError, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::{error, info};

use crate::{
    config::{Contents, Source},
    files::Looks,
    logging::LogFilter,
};

use super::reloader::Reloader;

/// Between two looks at the file.
const LOOK_AFTER: Duration = Duration::from_millis(500);
/// A refused file is tried again after this: what it needs, such as the file of
/// a password, may come later than the file itself.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Takes up the configuration when its file changes, or when it is asked to.
#[derive(Debug)]
pub struct Follower {
    source: Arc<Source>,
    reloader: Reloader,
    log: LogFilter,
    looks: Looks<Contents>,
    /// When the newest contents were refused last.
    refused: Option<Instant>,
}

impl Follower {
    /// Follows `source`, which held `contents` when the process started.
    pub fn new(source: Source, contents: Contents, reloader: Reloader, log: LogFilter) -> Self {
        Self {
            source: Arc::new(source),
            reloader,
            log,
            looks: Looks::new(contents),
            refused: None,
        }
    }

    /// Runs until dropped. Each `hangup` takes up what the file holds at once.
    pub async fn follow(mut self, mut hangup: Signal) {
        let mut looks = interval(LOOK_AFTER);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                Some(()) = hangup.recv() => self.take_up_now().await,
                _ = looks.tick(), if self.source.has_file() => self.look().await,
            };
            if let Err(cause) = step {
                error!(%cause, "a look at the configuration broke down");
            }
        }
    }

    async fn take_up_now(&mut self) -> Result<(), JoinError> {
        info!("SIGHUP: the configuration is read");
        self.looks.settle(self.read().await?);
        self.take_up(false).await
    }

    async fn look(&mut self) -> Result<(), JoinError> {
        let found = self.read().await?;
        let is_due = |refused: Instant| refused.elapsed() >= TRY_AGAIN_AFTER;
        if self.looks.is_changed_by(found) {
            self.take_up(false).await
        } else if self.refused.is_some_and(is_due) {
            self.take_up(true).await
        } else {
            Ok(())
        }
    }

    async fn read(&self) -> Result<Contents, JoinError> {
        let source = Arc::clone(&self.source);
        spawn_blocking(move || source.read()).await
    }

    /// Takes up the newest contents. `again`: they were refused, and it is only
    /// of interest if that has changed.
    async fn take_up(&mut self, again: bool) -> Result<(), JoinError> {
        let (source, contents) = (Arc::clone(&self.source), self.looks.settled().clone());
        let config = spawn_blocking(move || source.parse(&contents)).await?;
        let log = config.as_ref().ok().map(|config| config.log.clone());
        let outcome = self.reloader.attempt(config).await;
        self.refused = outcome.is_err().then(Instant::now);
        let is_known = |refused| again && self.reloader.knows(refused);
        if !outcome.as_ref().is_err_and(is_known) {
            self.reloader.note(&outcome);
        }
        if let (Ok(_), Some(log)) = (&outcome, &log)
            && let Err(cause) = self.log.set(log)
        {
            error!(cause = format!("{cause:#}"), "the log goes on as it was");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_swapped_link_is_seen_whatever_the_file_behind_it_looks_like() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = |name: &str| folder.path().join(name);
        for (version, text) in [("v1", "a = 1"), ("v2", "a = 2")] {
            fs::create_dir(of(version)).expect("a folder");
            let path = of(version).join("tidegauge.toml");
            fs::write(&path, text).expect("written");
            let file = fs::File::options().write(true).open(&path);
            let file = file.expect("opened");
            file.set_modified(std::time::UNIX_EPOCH)
                .expect("the same time");
        }
        symlink("v1", of("..data")).expect("a link");
        symlink("..data/tidegauge.toml", of("tidegauge.toml")).expect("a link");
        let source = Source::new(Some(&of("tidegauge.toml")), []);
        let mut looks = Looks::new(source.read());
        assert!(!looks.is_changed_by(source.read()));
        symlink("v2", of("..data_tmp")).expect("a link");
        fs::rename(of("..data_tmp"), of("..data")).expect("swapped");
        assert!(!looks.is_changed_by(source.read()), "found once");
        assert!(looks.is_changed_by(source.read()));
    }
}
