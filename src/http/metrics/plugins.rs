//! Metrics of the names of Azul's plugins, where they are looked up.

use std::fmt;

use crate::model::TimestampMs;

use super::{
    super::HttpState,
    page::{Family, Page, family},
};

const NAMES: Family = family(
    "tidegauge_plugin_names",
    "Plugins whose names are in use, by state: stale is one that can't be read at present",
);
const OLDEST: Family = family(
    "tidegauge_plugin_name_oldest_age_seconds",
    "How long ago the name in use was read that was read longest ago",
);
const LOOKUPS: Family = family(
    "tidegauge_plugin_lookups",
    "How often Redis was asked for the name of a plugin, by result",
);

pub(super) fn encode(page: &mut Page<'_>, state: &HttpState) -> fmt::Result {
    if !state.names.are_looked_up() {
        return Ok(());
    }
    let names = state.names.state();
    let by_state = [("fresh", names.fresh), ("stale", names.stale)];
    page.gauges(
        NAMES,
        by_state.map(|(state, count)| ([("state", state)], count)),
    )?;
    if let Some(oldest) = names.oldest_read_at {
        let age = TimestampMs::now().since(oldest);
        page.gauge(OLDEST, age.as_secs_f64())?;
    }
    page.counters(
        LOOKUPS,
        names
            .lookups
            .map(|(result, count)| ([("result", result)], count)),
    )
}
