//! What a reload of the configuration may change for the scaler.

use std::{sync::Arc, time::Duration};

use crate::estimator::Parameters;

use super::{access::Access, trigger::TriggerRules};

/// What a reload of the configuration may change for the scaler.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What metadata is read against.
    pub rules: TriggerRules,
    /// How readings are judged.
    pub parameters: Parameters,
    /// How many watches there may be, and for how long.
    pub limits: WatchLimits,
    /// Which namespaces may ask, and for which groups.
    pub access: Arc<Access>,
}

/// How many watches there may be, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct WatchLimits {
    /// At most so many.
    pub limit: usize,
    /// One that nobody asks for in this time is dropped.
    pub time_to_live: Duration,
}
