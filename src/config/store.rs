//! Where history is kept, and for how long.

use std::{path::PathBuf, time::Duration};

use super::{HOUR, backup::BackupConfig, schedule::schedule, section::Section};

const DEFAULT_DATA_DIR: &str = "/var/lib/tidegauge";
const DAY: Duration = Duration::from_hours(24);
const DEFAULT_RETENTION: Duration = Duration::from_hours(3 * 24);
const DEFAULT_RETENTION_MINUTES: Duration = Duration::from_hours(30 * 24);
const DEFAULT_RETENTION_HOURS: Duration = Duration::from_hours(400 * 24);
/// The hours of a day are made of its minutes, some hours after it is over.
const SHORTEST_RETENTION_MINUTES: Duration = DAY.saturating_mul(2);
/// The head of 100,000 series takes a tenth of it.
const LEAST_MAX_SIZE_MIB: usize = 1_024;
/// A pebibyte.
const MOST_MAX_SIZE_MIB: usize = 1 << 30;
/// Ten years as `humantime` counts them.
const LONGEST_RETENTION: Duration = Duration::from_secs(315_576_000);
/// Twice what Kubernetes gives a pod to end in.
const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(60);
const LONGEST_LOCK_TIMEOUT: Duration = HOUR;
const DEFAULT_RETENTION_SCHEDULE: &str = "0 */10 * * * *";

/// `[store]`: where history is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The folder of the database; it should be on a volume that outlives the
    /// pod. Default `/var/lib/tidegauge`; `TIDEGAUGE_STORE__DATA_DIR`.
    pub data_dir: PathBuf,
    /// How long a start waits for files that another process has open, such as
    /// the pod before that still ends, 0 to 1 hour; 0: it is refused at once.
    /// Default 1 minute; `TIDEGAUGE_STORE__LOCK_TIMEOUT`.
    pub lock_timeout: Duration,
    /// How long ticks are kept as they were recorded, 1 hour to 10 years.
    /// Default 3 days; `TIDEGAUGE_STORE__RETENTION`.
    pub retention: Duration,
    /// How long one tick a minute is kept, 2 days to 10 years. Default 30 days;
    /// `TIDEGAUGE_STORE__RETENTION_MINUTES`.
    pub retention_minutes: Duration,
    /// How long one tick an hour is kept, 2 days to 10 years. Default 400 days;
    /// `TIDEGAUGE_STORE__RETENTION_HOURS`.
    pub retention_hours: Duration,
    /// What the files may take on the disk, in MiB; then the oldest history
    /// goes, raw ticks first. Default: no limit; `TIDEGAUGE_STORE__MAX_SIZE_MIB`.
    pub max_size_mib: Option<usize>,
    /// When older history is dropped: six cron fields in UTC, seconds first.
    /// Default `0 */10 * * * *`; `TIDEGAUGE_STORE__RETENTION_SCHEDULE`.
    pub retention_schedule: String,
    /// What becomes of a file that is damaged when it is opened. Default
    /// `set_aside`; `TIDEGAUGE_STORE__WHEN_DAMAGED`.
    pub when_damaged: WhenDamaged,
    /// `[store.backup]`.
    pub backup: BackupConfig,
}

/// What becomes of a damaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenDamaged {
    /// It is kept under another name, and a fresh one begun.
    SetAside,
    /// It stays as it is, and the process does not start.
    Refuse,
}

/// The words for them.
const WHEN_DAMAGED: [(&str, WhenDamaged); 2] = [
    (WhenDamaged::SetAside.word(), WhenDamaged::SetAside),
    (WhenDamaged::Refuse.word(), WhenDamaged::Refuse),
];

impl WhenDamaged {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SetAside => "set_aside",
            Self::Refuse => "refuse",
        }
    }
}

impl StoreConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let data_dir = section.path("data_dir");
        let data_dir = data_dir.unwrap_or_else(|| DEFAULT_DATA_DIR.into());
        Self {
            lock_timeout: section.duration(
                "lock_timeout",
                DEFAULT_LOCK_TIMEOUT,
                Duration::ZERO..=LONGEST_LOCK_TIMEOUT,
            ),
            retention: section.duration("retention", DEFAULT_RETENTION, HOUR..=LONGEST_RETENTION),
            retention_minutes: section.duration(
                "retention_minutes",
                DEFAULT_RETENTION_MINUTES,
                SHORTEST_RETENTION_MINUTES..=LONGEST_RETENTION,
            ),
            retention_hours: section.duration(
                "retention_hours",
                DEFAULT_RETENTION_HOURS,
                SHORTEST_RETENTION_MINUTES..=LONGEST_RETENTION,
            ),
            max_size_mib: max_size_mib(section),
            retention_schedule: retention_schedule(section),
            when_damaged: section
                .choice("when_damaged", &WHEN_DAMAGED)
                .unwrap_or(WhenDamaged::SetAside),
            backup: section.table("backup", |section| BackupConfig::read(section, &data_dir)),
            data_dir,
        }
    }
}

fn max_size_mib(section: &mut Section<'_>) -> Option<usize> {
    let key = "max_size_mib";
    let is_set = section.has(key);
    let mib = section.number(
        key,
        LEAST_MAX_SIZE_MIB,
        LEAST_MAX_SIZE_MIB..=MOST_MAX_SIZE_MIB,
    );
    is_set.then_some(mib)
}

fn retention_schedule(section: &mut Section<'_>) -> String {
    let default = DEFAULT_RETENTION_SCHEDULE;
    schedule(section, "retention_schedule", default).unwrap_or_else(|| default.to_owned())
}
