//! Azul Scaler's settings.

use std::{collections::BTreeMap, time::Duration};

use super::{
    GROUP_CHARS, HOUR, RedisConfig, SECOND,
    section::{Item, Section},
};

const PLUGIN: &str = "{plugin}";
const DEFAULT_WINDOW: Duration = Duration::from_secs(900);
const MAX_PLUGINS: usize = 10_000;

/// `[azul]`: answers for ScaledObjects that were written for Azul Scaler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzulConfig {
    /// What every consumer group starts with, in any case. Default empty: any
    /// group; `TIDEGAUGE_AZUL__GROUP_PREFIX`.
    pub group_prefix: String,
    /// What a plugin's groups contain, in any case; `{plugin}` stands for its
    /// name. Used where there are neither `plugins` nor `redis`. Default
    /// `{plugin}`; `TIDEGAUGE_AZUL__KAFKA_PREFIX`.
    pub kafka_prefix: String,
    /// The time over which its formula is taken, 10 seconds to 24 hours. Default
    /// 15 minutes; `TIDEGAUGE_AZUL__WINDOW`.
    pub window: Duration,
    /// `[azul.plugins]`: what the groups of some plugins contain, by the plugin's
    /// name, at most 10,000. Default: none; only in the file.
    pub plugins: BTreeMap<String, String>,
    /// `[azul.redis]`: where plugins are looked up that are not among `plugins`.
    /// Default: nowhere.
    pub redis: Option<RedisConfig>,
}

impl AzulConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let any = 0..=*GROUP_CHARS.end();
        let group_prefix = section.text("group_prefix", any).unwrap_or_default();
        let window = section.duration("window", DEFAULT_WINDOW, 10 * SECOND..=24 * HOUR);
        let plugins = section.table("plugins", plugins);
        let redis = section.optional_table("redis", RedisConfig::read);
        let is_used = plugins.is_empty() && redis.is_none();
        Self {
            group_prefix,
            kafka_prefix: kafka_prefix(section, is_used),
            window,
            plugins,
            redis,
        }
    }
}

fn kafka_prefix(section: &mut Section<'_>, is_used: bool) -> String {
    let key = "kafka_prefix";
    let Some(template) = section.text(key, GROUP_CHARS) else {
        return PLUGIN.to_owned();
    };
    if !template.contains(PLUGIN) {
        section.refuse(key, "text that contains {plugin}");
    } else if !is_used && template != PLUGIN {
        section.refuse(key, "none beside [azul.plugins] and [azul.redis]");
    }
    template
}

fn plugins(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let items = section.items();
    if items.len() > MAX_PLUGINS {
        let found = format!("{} plugins", items.len());
        section.refuse_whole(found, format!("at most {MAX_PLUGINS}"));
        return BTreeMap::new();
    }
    let plugin = |item: &Item| plugin(section, item);
    items.iter().filter_map(plugin).collect()
}

fn plugin(section: &mut Section<'_>, item: &Item) -> Option<(String, String)> {
    let fits = |text: &str| GROUP_CHARS.contains(&text.chars().count());
    let most = GROUP_CHARS.end();
    if !fits(&item.name) {
        let accepted = format!("a name of 1 to {most} characters");
        section.refuse_item_unseen(item, "not the name of a plugin", accepted);
        return None;
    }
    match item.value().text().filter(|text| fits(text)) {
        Some(text) => Some((item.name.clone(), text.to_owned())),
        None => {
            section.refuse_item(item, format!("text of 1 to {most} characters"));
            None
        }
    }
}
