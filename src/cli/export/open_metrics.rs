//! OpenMetrics text for a backfill, with the names and labels of `/metrics`.
//!
//! A family's samples come together, and so do those of one series, in the order
//! of time. What was not read has no sample: the page tells the last reading
//! until it is too old, and here only that of the log's start, which is read every
//! few minutes, stands in. Time lags need a window and are left out.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use super::{
    Indexed, Request, is_wanted,
    rows::{GroupTopic, Reading, Step, group_topics, groups},
};
use crate::{
    http::metrics::{
        Family,
        families::{
            EARLIEST_OFFSET, GROUP_LAG, GROUP_MAX_LAG, GROUP_OFFSET, GROUP_SUM_LAG,
            GROUP_TOPIC_SUM_LAG, LATEST_OFFSET,
        },
    },
    model::{Cell, ClusterName, GroupId, SeriesIndex, TimestampMs, TopicName},
    store::Store,
};

/// Samples that are put in the order of their series at a time: 16 bytes each.
const BATCH_SAMPLES: usize = 2 << 20;

/// Takes a value out of what was read of a partition.
type Value = fn(Reading) -> Option<u64>;
/// The same of the lags of many.
type LagValue = fn(Lags) -> Option<u64>;

struct Export<'a, W> {
    store: &'a Store,
    clusters: &'a Indexed,
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
        clusters,
        request,
        out,
    };
    export.partitions(GROUP_OFFSET, |reading| offset(reading.committed))?;
    export.partitions(GROUP_LAG, Reading::lag)?;
    export.group_sums(GROUP_MAX_LAG, |lags| lags.max)?;
    export.group_sums(GROUP_SUM_LAG, |lags| lags.sum)?;
    export.topic_sums()?;
    export.logs(LATEST_OFFSET, |reading| offset(reading.log_end))?;
    export.logs(EARLIEST_OFFSET, |reading| offset(reading.log_start))?;
    export.out.write_all(b"# EOF\n")?;
    Ok(())
}

fn topic_labels(cluster: &ClusterName, group: &GroupId, topic: &TopicName) -> String {
    labels(&[
        ("cluster_name", cluster.as_str()),
        ("group", group.as_str()),
        ("topic", topic.as_str()),
    ])
}

fn offset(cell: Cell) -> Option<u64> {
    u64::try_from(cell.value()?).ok()
}

impl<W: Write> Export<'_, W> {
    fn begin(&mut self, family: Family) -> io::Result<()> {
        let Family { name, help } = family;
        write!(self.out, "# HELP {name} {help}.\n# TYPE {name} gauge\n")
    }

    fn partitions(&mut self, family: Family, value: Value) -> anyhow::Result<()> {
        self.begin(family)?;
        for (cluster, index) in self.clusters {
            for (group, topic) in group_topics(index, self.request) {
                let columns = GroupTopic::of(index, group, topic);
                let labels = topic_labels(cluster, group, topic);
                let rest = ",member_host=\"\",consumer_id=\"\",client_id=\"\"";
                self.series(family, cluster, &columns, value, &labels, rest)?;
            }
        }
        Ok(())
    }

    /// By topic, whoever reads it.
    fn logs(&mut self, family: Family, value: Value) -> anyhow::Result<()> {
        self.begin(family)?;
        for (cluster, index) in self.clusters {
            let topics = index.topics().keys();
            let wanted = |name: &str| is_wanted(self.request.topic.as_deref(), name);
            let topics = topics.filter(|name| wanted(name.as_str()));
            for topic in topics.filter(|name| is_read(index, self.request, name)) {
                let columns = GroupTopic::of_logs(index, topic);
                let labels = labels(&[
                    ("cluster_name", cluster.as_str()),
                    ("topic", topic.as_str()),
                ]);
                self.series(family, cluster, &columns, value, &labels, "")?;
            }
        }
        Ok(())
    }

    /// One series a partition, as many at a time as memory is meant for.
    fn series(
        &mut self,
        family: Family,
        cluster: &ClusterName,
        columns: &GroupTopic,
        value: Value,
        labels: &str,
        rest: &str,
    ) -> anyhow::Result<()> {
        let (mut first, mut count) = (0, 1);
        while first < columns.partitions() {
            let part = columns.part(first, count);
            let mut series = vec![Vec::new(); part.partitions()];
            let mut ticks = 0;
            for step in part.steps(self.store, cluster, self.request)? {
                let step = step?;
                ticks += 1;
                for (samples, reading) in series.iter_mut().zip(&step.readings) {
                    let known = Some(*reading).filter(|reading| !reading.is_gone());
                    samples.extend(known.and_then(value).map(|value| (step.at, value)));
                }
            }
            for (partition, samples) in (first..).zip(&series) {
                let labels = format!("{labels},partition=\"{partition}\"{rest}");
                for (at, value) in samples {
                    self.sample(family, &labels, *value, *at)?;
                }
            }
            first += part.partitions();
            count = (BATCH_SAMPLES / std::cmp::max(ticks, 1)).max(1);
        }
        Ok(())
    }

    fn topic_sums(&mut self) -> anyhow::Result<()> {
        self.begin(GROUP_TOPIC_SUM_LAG)?;
        let sum = |lags: Lags| lags.sum;
        for (cluster, index) in self.clusters {
            for (group, topic) in group_topics(index, self.request) {
                let columns = GroupTopic::of(index, group, topic);
                let labels = topic_labels(cluster, group, topic);
                self.sums(GROUP_TOPIC_SUM_LAG, cluster, &columns, &labels, sum)?;
            }
        }
        Ok(())
    }

    fn group_sums(&mut self, family: Family, value: LagValue) -> anyhow::Result<()> {
        self.begin(family)?;
        for (cluster, index) in self.clusters {
            for (group, series) in groups(index, self.request) {
                // Of a group in one of its topics there is no whole sum.
                if self.request.topic.is_some() && series.topics.len() > 1 {
                    continue;
                }
                let columns = GroupTopic::of_group(index, group);
                let labels = labels(&[
                    ("cluster_name", cluster.as_str()),
                    ("group", group.as_str()),
                ]);
                self.sums(family, cluster, &columns, &labels, value)?;
            }
        }
        Ok(())
    }

    fn sums(
        &mut self,
        family: Family,
        cluster: &ClusterName,
        columns: &GroupTopic,
        labels: &str,
        value: LagValue,
    ) -> anyhow::Result<()> {
        for step in columns.steps(self.store, cluster, self.request)? {
            let step = step?;
            if let Some(value) = Lags::of(&step).and_then(value) {
                self.sample(family, labels, value, step.at)?;
            }
        }
        Ok(())
    }

    fn sample(
        &mut self,
        family: Family,
        labels: &str,
        value: u64,
        at: TimestampMs,
    ) -> io::Result<()> {
        let (seconds, ms) = (at.0.div_euclid(1_000), at.0.rem_euclid(1_000));
        writeln!(
            self.out,
            "{}{{{labels}}} {value} {seconds}.{ms:03}",
            family.name
        )
    }
}

/// The lags of some partitions at one time, of which each is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lags {
    /// `None`: there is no commit to count from.
    sum: Option<u64>,
    max: Option<u64>,
}

impl Lags {
    /// `None`: one of them is unknown, or there is none.
    fn of(step: &Step) -> Option<Self> {
        let there = step.readings.iter().filter(|reading| !reading.is_gone());
        let mut lags = Vec::new();
        let mut partitions = 0;
        for reading in there {
            partitions += 1;
            match reading.lag() {
                Some(lag) => lags.push(lag),
                None if reading.has_no_commit() => {}
                None => return None,
            }
        }
        let has_commit = !lags.is_empty();
        (partitions > 0).then(|| Self {
            sum: has_commit.then(|| lags.iter().sum()),
            max: lags.iter().max().copied(),
        })
    }
}

/// Without a group that is asked for, any topic; or else one that it reads.
fn is_read(index: &SeriesIndex, request: &Request, topic: &TopicName) -> bool {
    let Some(group) = &request.group else {
        return true;
    };
    let group = index.groups().get(group.as_str());
    group.is_some_and(|group| group.topics.contains_key(topic))
}

/// `name="value",...` with what OpenMetrics wants escaped.
fn labels(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let value = value
            .replace('\\', r"\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, "{comma}{name}=\"{value}\"").expect("writing to a string does not fail");
    }
    text
}
