//! OpenMetrics text for a backfill, with the names and labels of `/metrics`.
//!
//! A family's samples come together, and so do those of one series, in the order
//! of time. What was not read has no sample: the page tells the last reading
//! until it is too old, and here only that of the log's start, which is read every
//! few minutes, stands in. What needs a window of ticks is left out: time lags,
//! rates, ETA, status.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use super::{Indexed, Request, is_wanted, rows::Ticks};
use crate::{
    http::{
        metrics::families::{Measure, RECORDED, Recorded, Subject},
        recorded::{Of, Offsets, Promises, Series, Source, series, series_of_watches},
    },
    model::{ClusterName, SeriesIndex, TimestampMs},
    store::Store,
};

/// Samples that are put in the order of their series at a time: 16 bytes each.
const BATCH_SAMPLES: usize = 2 << 20;

/// A sample of one series.
type Sample = (TimestampMs, f64);

struct Export<'a, W> {
    store: &'a Store,
    told: SeriesIndex,
    request: &'a Request,
    out: &'a mut W,
}

/// Writes all families.
pub(super) fn write(
    store: &Store,
    clusters: &Indexed,
    request: &Request,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut export = Export {
        store,
        told: store.told_index()?.unwrap_or_default(),
        request,
        out,
    };
    for recorded in RECORDED {
        if recorded.source() == Source::Estimates {
            continue;
        }
        export.begin(recorded)?;
        for (cluster, index) in clusters {
            export.family(recorded, cluster, index)?;
        }
    }
    export.out.write_all(b"# EOF\n")?;
    Ok(())
}

impl<W: Write> Export<'_, W> {
    fn begin(&mut self, recorded: &Recorded) -> io::Result<()> {
        let (name, help) = (recorded.family.name, recorded.family.help);
        write!(self.out, "# HELP {name} {help}.\n# TYPE {name} gauge\n")
    }

    /// As many series at a time as memory is meant for.
    fn family(
        &mut self,
        recorded: &'static Recorded,
        cluster: &ClusterName,
        index: &SeriesIndex,
    ) -> anyhow::Result<()> {
        let series = self.series(recorded, cluster, index);
        let (mut rest, mut count) = (&series[..], 1);
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(rest.len().min(count));
            let ticks = self.batch(batch, cluster, index)?;
            count = (BATCH_SAMPLES / ticks.max(1)).max(1);
            rest = later;
        }
        Ok(())
    }

    fn series(
        &self,
        recorded: &'static Recorded,
        cluster: &ClusterName,
        index: &SeriesIndex,
    ) -> Vec<Series> {
        let request = self.request;
        let wanted = |name: &str, value: &str| match name {
            "group" | "task" => is_wanted(request.group.as_deref(), value),
            "topic" => is_wanted(request.topic.as_deref(), value),
            _ => true,
        };
        let of_ticks = series(recorded, index, &wanted);
        let of_ticks = of_ticks.filter(|series| is_whole(index, request, series));
        let told = Some(&self.told).filter(|_| recorded.subject == Subject::Watch);
        let of_told = told.into_iter();
        let of_told = of_told.flat_map(|told| series_of_watches(recorded, cluster, told, &wanted));
        of_ticks.chain(of_told).collect()
    }

    /// Writes these; tells how many ticks there were.
    fn batch(
        &mut self,
        series: &[Series],
        cluster: &ClusterName,
        index: &SeriesIndex,
    ) -> anyhow::Result<usize> {
        let (samples, ticks) = self.samples(series, cluster, index)?;
        for (series, samples) in series.iter().zip(&samples) {
            let labels = labels(cluster, series);
            for (at, value) in samples {
                self.sample(series.recorded.family.name, &labels, *value, *at)?;
            }
        }
        Ok(ticks)
    }

    fn samples(
        &self,
        series: &[Series],
        cluster: &ClusterName,
        index: &SeriesIndex,
    ) -> anyhow::Result<(Vec<Vec<Sample>>, usize)> {
        let (mut samples, mut count) = (vec![Vec::new(); series.len()], 0);
        let is_told = series
            .iter()
            .any(|series| series.recorded.source() == Source::Told);
        if is_told {
            let range = (self.request.from, self.request.to);
            let mut promises = Promises::open(self.store, &self.told, series, range)?;
            for frame in Ticks::open(self.store, cluster, self.request, Promises::selection())? {
                let at = frame?.at;
                count += 1;
                promises.advance(at)?;
                if at < self.request.from {
                    continue;
                }
                for (samples, reading) in samples.iter_mut().zip(promises.readings()) {
                    samples.extend(reading.value().map(|value| (at, value)));
                }
            }
            return Ok((samples, count));
        }
        let mut offsets = Offsets::new(index, series);
        for frame in Ticks::open(self.store, cluster, self.request, offsets.selection())? {
            let frame = frame?;
            count += 1;
            offsets.push(&frame);
            if frame.at < self.request.from {
                continue;
            }
            for (samples, reading) in samples.iter_mut().zip(offsets.readings(&frame)) {
                samples.extend(reading.value().map(|value| (frame.at, value)));
            }
        }
        Ok((samples, count))
    }

    fn sample(&mut self, name: &str, labels: &str, value: f64, at: TimestampMs) -> io::Result<()> {
        let (seconds, ms) = (at.0.div_euclid(1_000), at.0.rem_euclid(1_000));
        writeln!(self.out, "{name}{{{labels}}} {value} {seconds}.{ms:03}")
    }
}

/// Of a group in one of its topics there is no whole sum; and with a group that is
/// asked for go the topics that it reads.
fn is_whole(index: &SeriesIndex, request: &Request, series: &Series) -> bool {
    match &series.of {
        Of::Group(group) if series.recorded.measure != Measure::Members => {
            let topics = index.groups().get(group).map(|group| &group.topics);
            let is_only = |topic: &String| {
                topics.is_some_and(|topics| topics.len() == 1 && topics.contains_key(&**topic))
            };
            request.topic.as_ref().is_none_or(is_only)
        }
        Of::TopicPartition(topic, _) => request.group.as_ref().is_none_or(|group| {
            let group = index.groups().get(&**group);
            group.is_some_and(|group| group.topics.contains_key(topic))
        }),
        _ => true,
    }
}

/// `name="value",...` with what OpenMetrics wants escaped, those that are always
/// empty among them.
fn labels(cluster: &ClusterName, series: &Series) -> String {
    let mut text = String::new();
    for (name, value) in series.labels(cluster) {
        let value = value
            .replace('\\', r"\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, "{comma}{name}=\"{value}\"").expect("writing to a string does not fail");
    }
    if series.recorded.subject == Subject::GroupPartition {
        text.push_str(",member_host=\"\",consumer_id=\"\",client_id=\"\"");
    }
    text
}
