//! Settings for tests.

use std::{sync::Arc, time::Duration};

use crate::estimator::Parameters;

use super::{Settings, WatchLimits, trigger::testing::rules};

/// How the tests' readings are judged.
pub(crate) const PARAMETERS: Parameters = Parameters {
    window: Duration::from_secs(300),
    fresh_for: Duration::from_secs(30),
    max_staleness: Duration::from_secs(300),
};

/// Settings for at most `limit` watches on these clusters.
pub(crate) fn settings(clusters: &[&str], limit: usize) -> Arc<Settings> {
    Arc::new(Settings {
        rules: rules(clusters),
        parameters: PARAMETERS,
        limits: WatchLimits {
            limit,
            time_to_live: Duration::from_secs(600),
        },
    })
}
