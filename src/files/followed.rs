//! What is made of files, and made anew when they change.

use std::{fmt::Display, path::PathBuf, sync::Arc, time::Duration};

use parking_lot::RwLock;
use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info};

use super::{Holding, Looks};
use crate::{model::TimestampMs, reloads::ReloadStatus};

/// Between two looks at the files.
const LOOK_AFTER: Duration = Duration::from_millis(500);

/// What is made of files, and made anew when they change.
#[derive(Debug)]
pub struct Followed<T> {
    /// The table of the configuration that names the files.
    name: &'static str,
    files: Vec<PathBuf>,
    /// What the files held when the first was made.
    held: Holding,
    newest: RwLock<Arc<T>>,
    status: ReloadStatus,
}

impl<T: Send + Sync + 'static> Followed<T> {
    /// What `read` makes of `files` now.
    pub fn begin<E>(
        name: &'static str,
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, E>,
    ) -> Result<Self, E> {
        // Before they are read, so that what changes in between is seen.
        let held = holding(&files);
        Ok(Self {
            name,
            files,
            held,
            newest: RwLock::new(Arc::new(read()?)),
            status: ReloadStatus::default(),
        })
    }

    /// The table of the configuration that names the files.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What was last made of them.
    pub fn newest(&self) -> Arc<T> {
        Arc::clone(&self.newest.read())
    }

    /// How changes of the files went.
    pub fn status(&self) -> &ReloadStatus {
        &self.status
    }

    /// Looks at the files until dropped, unless there are none. `read` blocks, and
    /// says what is wrong with them.
    pub async fn follow<E>(&self, read: impl Fn() -> Result<T, E> + Clone + Send + 'static)
    where
        E: Display + Send + 'static,
    {
        if self.files.is_empty() {
            return;
        }
        let mut looks = Looks::new(self.held);
        let mut times = interval(LOOK_AFTER);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            times.tick().await;
            let files = self.files.clone();
            let found = spawn_blocking(move || holding(&files)).await;
            if found.is_ok_and(|found| looks.is_changed_by(found)) {
                match spawn_blocking(read.clone()).await {
                    Ok(made) => self.take_up(made),
                    Err(cause) => error!(files = self.name, %cause, "reading files broke down"),
                }
            }
        }
    }

    fn take_up<E: Display>(&self, made: Result<T, E>) {
        let (files, now) = (self.name, TimestampMs::now());
        match made {
            Ok(made) => {
                *self.newest.write() = Arc::new(made);
                info!(files, "changed files are in use");
                self.status.taken_up(now);
            }
            Err(cause) => {
                error!(files, %cause, "changed files are refused; those from before stay in use");
                self.status.refused(now, cause.to_string());
            }
        }
    }
}

fn holding(files: &[PathBuf]) -> Holding {
    Holding::of(files.iter().map(PathBuf::as_path))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn number(path: &Path) -> Result<i32, String> {
        let text = fs::read_to_string(path).map_err(|error| error.kind().to_string())?;
        text.parse().map_err(|_| format!("no number: {text:?}"))
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_be_made_of_nothing_leaves_what_was_made_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("number");
        fs::write(&path, "1").expect("written");
        let read = {
            let path = path.clone();
            move || number(&path)
        };
        let followed = Followed::begin("numbers", vec![path.clone()], &read);
        let followed = Arc::new(followed.expect("a number"));
        let following = Arc::clone(&followed);
        let task = tokio::spawn(async move { following.follow(read).await });

        for (content, expected, refusal) in [
            (Some("x"), 1, Some("no number: \"x\"")),
            (Some("2"), 2, None),
            (None, 2, Some("entity not found")),
            (Some("2"), 2, None),
        ] {
            match content {
                Some(content) => fs::write(&path, content).expect("written"),
                None => fs::remove_file(&path).expect("removed"),
            }
            let before = followed.status().results();
            let deadline = std::time::Instant::now() + Duration::from_secs(30);
            while followed.status().results() == before {
                assert!(
                    std::time::Instant::now() < deadline,
                    "{content:?} is not seen"
                );
                tokio::time::advance(LOOK_AFTER).await;
                tokio::task::yield_now().await;
            }
            assert_eq!(*followed.newest(), expected, "{content:?}");
            let found = followed.status().refusal().map(|refusal| refusal.cause);
            assert_eq!(found.as_deref(), refusal, "{content:?}");
        }
        task.abort();
        assert!(task.await.is_err_and(|ended| ended.is_cancelled()));
        assert_eq!(followed.status().results()[0], ("ok", 2));
    }

    #[test]
    fn there_is_no_first_one_of_files_that_are_of_no_use() {
        let read = || number(Path::new("/no/such/file"));
        let begun = Followed::begin("numbers", Vec::new(), read);
        assert_eq!(begun.err().as_deref(), Some("entity not found"));
    }
}
