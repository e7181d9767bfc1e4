//! How often the clusters are asked.

use std::time::Duration;

use super::{HOUR, MINUTE, SECOND, section::Section};

const SHORTEST: Duration = Duration::from_millis(100);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_DISCOVERY_INTERVAL: Duration = Duration::from_secs(60);
const DEFAULT_METADATA_INTERVAL: Duration = Duration::from_secs(30);

/// `[poll]`: how often the clusters are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollConfig {
    /// Time from one tick to the next, 100 ms to 1 hour. Default 10 seconds;
    /// `TIDEGAUGE_POLL__INTERVAL`.
    pub interval: Duration,
    /// How long one request to a broker may take, 100 ms to 5 minutes. Default
    /// 5 seconds; `TIDEGAUGE_POLL__REQUEST_TIMEOUT`.
    pub request_timeout: Duration,
    /// How often the list of groups is read, 1 second to 24 hours. Default 60
    /// seconds; `TIDEGAUGE_POLL__DISCOVERY_INTERVAL`.
    pub discovery_interval: Duration,
    /// How often the existence of topics and their number of partitions are
    /// read, 1 second to 24 hours. Default 30 seconds;
    /// `TIDEGAUGE_POLL__METADATA_INTERVAL`.
    pub metadata_interval: Duration,
}

impl PollConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let seldom = SECOND..=24 * HOUR;
        Self {
            interval: section.duration("interval", DEFAULT_INTERVAL, SHORTEST..=HOUR),
            request_timeout: section.duration(
                "request_timeout",
                DEFAULT_REQUEST_TIMEOUT,
                SHORTEST..=5 * MINUTE,
            ),
            discovery_interval: section.duration(
                "discovery_interval",
                DEFAULT_DISCOVERY_INTERVAL,
                seldom.clone(),
            ),
            metadata_interval: section.duration(
                "metadata_interval",
                DEFAULT_METADATA_INTERVAL,
                seldom,
            ),
        }
    }
}
