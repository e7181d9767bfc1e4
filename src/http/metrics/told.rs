//! What KEDA was told last.

use std::{fmt, sync::Arc};

use crate::{
    http::{HttpState, recorded},
    model::{Frame, SeriesIndex, TimestampMs, WatchName},
    store::ReadError,
};

use super::{
    bounds::MAX_WATCH_SERIES,
    families::{LEFT_OUT, Measure, RECORDED, Subject, TRUNCATED},
    lag::LeftOut,
    page::Page,
};

/// The newest that was recorded.
#[derive(Debug)]
pub(super) struct ToldReadings {
    index: SeriesIndex,
    newest: Option<Frame>,
}

impl ToldReadings {
    pub(super) fn of(state: &HttpState, now: TimestampMs) -> Result<Self, ReadError> {
        Ok(Self {
            index: state.store.told_index()?.unwrap_or_default(),
            newest: state.store.told(now, now)?.last().transpose()?,
        })
    }

    /// Writes the families, and then what was left out of the whole page.
    pub(super) fn encode(&self, page: &mut Page<'_>, left_out: LeftOut) -> fmt::Result {
        let mut watches = 0;
        for told in RECORDED.iter().filter(|it| it.subject == Subject::Watch) {
            let samples: Vec<_> = self.samples(told.measure).collect();
            let fitting = samples.len().min(MAX_WATCH_SERIES / 3);
            watches += samples.len() - fitting;
            page.gauges(told.family, samples.into_iter().take(fitting))?;
        }
        let LeftOut { partitions, groups } = left_out;
        let levels = [
            ("partition", partitions),
            ("group", groups),
            ("watch", watches),
        ];
        let is_truncated = levels.iter().any(|(_, series)| *series > 0);
        let samples = levels.map(|(level, series)| ([("level", level)], series as u64));
        page.gauges(LEFT_OUT, samples)?;
        page.gauge(TRUNCATED, u64::from(is_truncated))
    }

    fn samples(&self, measure: Measure) -> impl Iterator<Item = ([(&'static str, &str); 5], f64)> {
        let watches = self.index.watches().iter();
        watches.filter_map(move |(watch, series)| {
            let told = series.told(self.newest.as_ref()?);
            Some((labels(watch), recorded::told_value(measure, told)?))
        })
    }
}

fn labels(watch: &Arc<WatchName>) -> [(&'static str, &str); 5] {
    let [group, topic, metric_name, key] = recorded::watch_labels(watch);
    [
        ("cluster_name", watch.cluster.as_str()),
        ("group", group),
        ("topic", topic),
        ("metric_name", metric_name),
        ("watch", key),
    ]
}
