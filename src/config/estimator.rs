//! How readings are judged.

use std::time::Duration;

use humantime::format_duration;

use super::{GROUP_CHARS, HOUR, SECOND, section::Section};

const DEFAULT_WINDOW: Duration = Duration::from_secs(300);
const DEFAULT_MAX_STALENESS: Duration = Duration::from_secs(300);
const DEFAULT_HISTORIC_SUFFIX: &str = "-historic";
/// Up to so many poll intervals a reading is fresh, so that a shorter
/// `max_staleness` would leave no time in which it is stale.
pub(crate) const FRESH_INTERVALS: u32 = 3;

/// `[estimator]`: how readings are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EstimatorConfig {
    /// The time over which rates are taken, 10 seconds to 24 hours. Default 5
    /// minutes; `TIDEGAUGE_ESTIMATOR__WINDOW`.
    pub window: Duration,
    /// Up to this age the last reading is still told to KEDA; from then on it is
    /// an error. More than 3 poll intervals, up to 24 hours. Default 5 minutes;
    /// `TIDEGAUGE_ESTIMATOR__MAX_STALENESS`.
    pub max_staleness: Duration,
    /// How the id of a historic group ends. Default `-historic`;
    /// `TIDEGAUGE_ESTIMATOR__HISTORIC_SUFFIX`.
    pub historic_suffix: String,
}

impl EstimatorConfig {
    pub(super) fn read(section: &mut Section<'_>, poll_interval: Duration) -> Self {
        Self {
            window: section.duration("window", DEFAULT_WINDOW, 10 * SECOND..=24 * HOUR),
            max_staleness: max_staleness(section, poll_interval),
            historic_suffix: section
                .text("historic_suffix", GROUP_CHARS)
                .unwrap_or_else(|| DEFAULT_HISTORIC_SUFFIX.to_owned()),
        }
    }
}

fn max_staleness(section: &mut Section<'_>, poll_interval: Duration) -> Duration {
    let key = "max_staleness";
    let max_staleness = section.duration(key, DEFAULT_MAX_STALENESS, SECOND..=24 * HOUR);
    let fresh = FRESH_INTERVALS * poll_interval;
    if max_staleness <= fresh {
        let accepted = format!(
            "more than {}, {FRESH_INTERVALS} times poll.interval (default \"{}\")",
            format_duration(fresh),
            format_duration(DEFAULT_MAX_STALENESS),
        );
        section.refuse(key, accepted);
    }
    max_staleness
}
