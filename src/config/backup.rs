//! Where backups go, when, and how many are kept.

use std::path::{Path, PathBuf};

use super::{schedule::schedule, section::Section};

/// Within the data directory.
const DEFAULT_DIR: &str = "backups";
const DEFAULT_KEEP: usize = 7;
const MOST_KEPT: usize = 1_000;
const EXAMPLE_SCHEDULE: &str = "0 15 3 * * *";

/// `[store.backup]`: where backups go, when, and how many are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupConfig {
    /// The folder of the backups; best on another volume. Default `backups` in
    /// `store.data_dir`; `TIDEGAUGE_STORE__BACKUP__DIR`.
    pub dir: PathBuf,
    /// When one is made: six cron fields in UTC, seconds first. Default: only
    /// when it is asked for; `TIDEGAUGE_STORE__BACKUP__SCHEDULE`.
    pub schedule: Option<String>,
    /// How many are kept, 1 to 1,000. Default 7;
    /// `TIDEGAUGE_STORE__BACKUP__KEEP`.
    pub keep: usize,
}

impl BackupConfig {
    pub(super) fn read(section: &mut Section<'_>, data_dir: &Path) -> Self {
        Self {
            dir: section
                .path("dir")
                .unwrap_or_else(|| data_dir.join(DEFAULT_DIR)),
            schedule: schedule(section, "schedule", EXAMPLE_SCHEDULE),
            keep: section.number("keep", DEFAULT_KEEP, 1..=MOST_KEPT),
        }
    }
}
