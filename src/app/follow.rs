//! The configuration's file, followed while the process runs.
//!
//! It owns when the file is looked at and which contents are taken up. It looks
//! at what the path holds, not at the file behind it: Kubernetes swaps a link,
//! editors rename, and some file systems tell of neither. Its key invariant: a
//! file that is half written is not taken up, since it must hold the same twice
//! in a row.

use std::{sync::Arc, time::Duration};

use tokio::{
    signal::unix::Signal,
    task::{JoinError, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::{error, info};

use crate::{
    config::{Contents, Source},
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
    looks: Looks,
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
        let (source, contents) = (Arc::clone(&self.source), self.looks.settled.clone());
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

/// What was found in the file, look by look.
#[derive(Debug)]
struct Looks {
    /// What was taken up or refused.
    settled: Contents,
    last: Contents,
}

impl Looks {
    fn new(contents: Contents) -> Self {
        Self {
            settled: contents.clone(),
            last: contents,
        }
    }

    fn settle(&mut self, contents: Contents) {
        *self = Self::new(contents);
    }

    /// Is `found`, found for the second time in a row, another than before?
    fn is_changed_by(&mut self, found: Contents) -> bool {
        let is_whole = found == self.last;
        let is_changed = is_whole && found != self.settled;
        if is_changed {
            self.settled = found.clone();
        }
        self.last = found;
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn looks(source: &Source) -> Looks {
        Looks::new(source.read())
    }

    #[test]
    fn a_change_counts_when_it_is_found_twice_in_a_row() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tidegauge.toml");
        fs::write(&path, "a = 1").expect("written");
        let source = Source::new(Some(&path), []);
        let mut looks = looks(&source);
        let mut found = |text: Option<&str>| {
            match text {
                Some(text) => fs::write(&path, text).expect("written"),
                None => fs::remove_file(&path).expect("removed"),
            }
            looks.is_changed_by(source.read())
        };
        for (text, expected) in [
            (Some("a = 1"), false),
            (Some(""), false),
            (Some("a ="), false),
            (Some("a = 2"), false),
            (Some("a = 2"), true),
            (Some("a = 2"), false),
            (Some("a = 3"), false),
            (Some("a = 2"), false),
            (Some("a = 2"), false),
            (None, false),
        ] {
            assert_eq!(found(text), expected, "{text:?}");
        }
        assert!(looks.is_changed_by(source.read()), "it is gone");
        assert!(!looks.is_changed_by(source.read()), "told once");
    }

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
        let mut looks = looks(&source);
        assert!(!looks.is_changed_by(source.read()));
        symlink("v2", of("..data_tmp")).expect("a link");
        fs::rename(of("..data_tmp"), of("..data")).expect("swapped");
        assert!(!looks.is_changed_by(source.read()), "found once");
        assert!(looks.is_changed_by(source.read()));
    }
}
