//! What KEDA asked for once.

use std::time::Duration;

use super::{DAY, MINUTE, SECOND, section::Section};

const DEFAULT_TIME_TO_LIVE: Duration = Duration::from_secs(600);
const DEFAULT_LIMIT: usize = 10_000;
/// A watch takes a few kB of memory and a place in every tick.
const MAX_LIMIT: usize = 1_000_000;

/// `[watches]`: what KEDA asked for once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchesConfig {
    /// A watch that nobody asks for is dropped after this time, 1 minute to 30
    /// days. Default 10 minutes; `TIDEGAUGE_WATCHES__TIME_TO_LIVE`.
    pub time_to_live: Duration,
    /// How many watches there may be, 1 to 1,000,000. Default 10,000;
    /// `TIDEGAUGE_WATCHES__LIMIT`.
    pub limit: usize,
    /// The longest window that a trigger may ask for, 10 seconds to 24 hours: all
    /// series are held in memory as far back as the longest. Default 24 hours;
    /// `TIDEGAUGE_WATCHES__MAX_WINDOW`.
    pub max_window: Duration,
}

impl WatchesConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let lives = MINUTE..=30 * DAY;
        Self {
            time_to_live: section.duration("time_to_live", DEFAULT_TIME_TO_LIVE, lives),
            limit: section.number("limit", DEFAULT_LIMIT, 1..=MAX_LIMIT),
            max_window: section.duration("max_window", DAY, 10 * SECOND..=DAY),
        }
    }
}
