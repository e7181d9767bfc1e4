//! Where history is kept, and for how long.

use std::{path::PathBuf, time::Duration};

use chrono::Utc;
use croner::parser::{CronParser, Seconds};

use super::{HOUR, section::Section};

const DEFAULT_DATA_DIR: &str = "/var/lib/tidegauge";
const DEFAULT_RETENTION: Duration = Duration::from_hours(3 * 24);
/// Ten years as `humantime` counts them.
const LONGEST_RETENTION: Duration = Duration::from_secs(315_576_000);
const DEFAULT_RETENTION_SCHEDULE: &str = "0 */10 * * * *";
const MAX_SCHEDULE_CHARS: usize = 200;

/// `[store]`: where history is kept, and for how long.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The folder of the database; it should be on a volume that outlives the
    /// pod. Default `/var/lib/tidegauge`; `TIDEGAUGE_STORE__DATA_DIR`.
    pub data_dir: PathBuf,
    /// How long history is kept, 1 hour to 10 years. Default 3 days;
    /// `TIDEGAUGE_STORE__RETENTION`.
    pub retention: Duration,
    /// When older history is dropped: six cron fields in UTC, seconds first.
    /// Default `0 */10 * * * *`; `TIDEGAUGE_STORE__RETENTION_SCHEDULE`.
    pub retention_schedule: String,
}

impl StoreConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            data_dir: section
                .path("data_dir")
                .unwrap_or_else(|| DEFAULT_DATA_DIR.into()),
            retention: section.duration("retention", DEFAULT_RETENTION, HOUR..=LONGEST_RETENTION),
            retention_schedule: retention_schedule(section),
        }
    }
}

fn retention_schedule(section: &mut Section<'_>) -> String {
    let key = "retention_schedule";
    let Some(schedule) = section.text(key, 1..=MAX_SCHEDULE_CHARS) else {
        return DEFAULT_RETENTION_SCHEDULE.to_owned();
    };
    if let Err(why) = check_schedule(&schedule) {
        let accepted =
            format!("six cron fields, seconds first, such as \"{DEFAULT_RETENTION_SCHEDULE}\"");
        section.refuse_because(key, why, accepted);
    }
    schedule
}

/// Parses as `tokio-cron-scheduler` does, which tells no reason. A schedule that
/// never comes is refused: the disk would fill.
fn check_schedule(schedule: &str) -> Result<(), croner::errors::CronError> {
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .dom_and_dow(true)
        .build();
    let cron = parser.parse(schedule)?;
    cron.find_next_occurrence(&Utc::now(), false)?;
    Ok(())
}
