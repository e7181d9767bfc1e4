//! Azul Scaler's settings.

use std::time::Duration;

use super::{GROUP_CHARS, HOUR, SECOND, section::Section};

const PLUGIN: &str = "{plugin}";
const DEFAULT_WINDOW: Duration = Duration::from_secs(900);

/// `[azul]`: answers for ScaledObjects that were written for Azul Scaler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzulConfig {
    /// What every consumer group starts with, in any case. Default empty: any
    /// group; `TIDEGAUGE_AZUL__GROUP_PREFIX`.
    pub group_prefix: String,
    /// What a plugin's groups contain, in any case; `{plugin}` stands for its
    /// name. Default `{plugin}`; `TIDEGAUGE_AZUL__KAFKA_PREFIX`.
    pub kafka_prefix: String,
    /// The time over which its formula is taken, 10 seconds to 24 hours. Default
    /// 15 minutes; `TIDEGAUGE_AZUL__WINDOW`.
    pub window: Duration,
}

impl AzulConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let any = 0..=*GROUP_CHARS.end();
        Self {
            group_prefix: section.text("group_prefix", any).unwrap_or_default(),
            kafka_prefix: kafka_prefix(section),
            window: section.duration("window", DEFAULT_WINDOW, 10 * SECOND..=24 * HOUR),
        }
    }
}

fn kafka_prefix(section: &mut Section<'_>) -> String {
    let key = "kafka_prefix";
    let Some(template) = section.text(key, GROUP_CHARS) else {
        return PLUGIN.to_owned();
    };
    if !template.contains(PLUGIN) {
        section.refuse(key, "text that contains {plugin}");
    }
    template
}
