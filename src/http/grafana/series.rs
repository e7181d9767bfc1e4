//! Time series for a panel, out of the history of each group.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Serialize, Serializer, ser::SerializeSeq};
use serde_json::Value;

use crate::{
    estimator::RatesFrom,
    model::{ClusterName, Partition, TimestampMs, TopicName},
};

use super::{
    super::{
        HttpState,
        array::MAX_ROWS,
        error::ApiError,
        gate::Allowance,
        history::{self, Asked, Detail, Request, RowSink, Subject, ToldRow},
        outlet::Head,
        query::Range,
    },
    catalogue::{self, Place},
    filter::Choice,
    payload::{Aggregation, Payload},
};

/// Lines that one answer may have: no panel shows more that can be told apart.
const MAX_SERIES: usize = 1_000;
/// As many values as `/api/v1/history` has rows.
const MAX_POINTS: usize = MAX_ROWS;

const REMEDY: &str = "ask for fewer groups or topics, a longer interval, or a sum";

/// Over which time, and in which steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    pub(super) range: Range,
    /// No step is shorter.
    pub(super) shortest: Duration,
    /// How many there may be.
    pub(super) most: u32,
}

/// What one answer may still hold.
#[derive(Debug)]
pub(super) struct Room {
    series: usize,
    points: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            series: MAX_SERIES,
            points: MAX_POINTS,
        }
    }
}

impl Room {
    fn take_series(&mut self) -> Result<(), ApiError> {
        self.series = less(self.series, "series", MAX_SERIES)?;
        Ok(())
    }

    fn take_point(&mut self) -> Result<(), ApiError> {
        self.points = less(self.points, "values", MAX_POINTS)?;
        Ok(())
    }
}

fn less(left: usize, what: &str, most: usize) -> Result<usize, ApiError> {
    left.checked_sub(1).ok_or_else(|| ApiError::TooLarge {
        found: format!("more than {most} {what}"),
        limit: format!("at most {most}"),
        remedy: REMEDY,
    })
}

/// One line, as the plugin reads it.
#[derive(Debug, Serialize)]
pub(super) struct Series {
    target: String,
    #[serde(rename = "refId")]
    ref_id: String,
    /// They become labels.
    tags: BTreeMap<&'static str, String>,
    datapoints: Vec<Point>,
}

/// A value, or that it is not known, and when.
#[derive(Debug, Clone, Copy)]
struct Point(TimestampMs, Option<f64>);

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_seq(Some(2))?;
        pair.serialize_element(&self.1)?;
        pair.serialize_element(&self.0.0)?;
        pair.end()
    }
}

/// What one target asks for.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) metric: &'a str,
    pub(super) ref_id: &'a str,
    pub(super) payload: &'a Payload,
    pub(super) steps: Steps,
}

/// The series of one target, in the order of clusters, groups and topics.
pub(super) fn tell(
    state: &HttpState,
    wanted: &Wanted<'_>,
    room: &mut Room,
    allowance: &Allowance,
) -> Result<Vec<Series>, ApiError> {
    Asked::parse(wanted.metric)?;
    let places = catalogue::places(state, &state.newest_board(), wanted.payload, allowance)?;
    if wanted.payload.aggregation == Aggregation::None {
        let mut told = Vec::new();
        for place in &places {
            let lines = Lines {
                picks: Picks::of(wanted, place),
                lines: BTreeMap::new(),
                room,
            };
            let lines = read(state, wanted, place, allowance, lines)?;
            told.extend(
                lines
                    .into_iter()
                    .map(|(key, line)| series(state, wanted, place, key, line)),
            );
        }
        return Ok(told);
    }
    let mut total = Total::default();
    for place in &places {
        let lines = Summands {
            picks: Picks::of(wanted, place),
            cluster: &place.cluster,
            total: &mut total,
        };
        read(state, wanted, place, allowance, lines)?;
    }
    let line = total.line(wanted, room)?;
    Ok(line.into_iter().collect())
}

/// Reads the history of one group, as `/api/v1/history` tells it.
fn read<S: RowSink>(
    state: &HttpState,
    wanted: &Wanted<'_>,
    place: &Place,
    allowance: &Allowance,
    sink: S,
) -> Result<S::Made, ApiError> {
    let only_topic = match place.topics.as_slice() {
        [(topic, _)] => Some(topic.clone()),
        _ => None,
    };
    let subject = Subject {
        cluster: Some(place.cluster.to_string()),
        group: place.group.clone(),
        topic: only_topic,
        detail: detail(wanted.payload),
    };
    let asked = Asked::parse(wanted.metric)?;
    let Steps {
        range,
        shortest,
        most,
    } = wanted.steps;
    let request = Request::in_steps(subject, asked, range, (shortest, most), &state.parameters);
    let clusters = std::slice::from_ref(&place.cluster);
    history::tell(state, clusters, &request, allowance, sink)
}

fn detail(payload: &Payload) -> Detail {
    let only = payload.partition.only();
    match only.and_then(|number| number.parse().ok()) {
        Some(partition) => Detail::OnePartition(partition),
        None if payload.by_partition => Detail::AllPartitions,
        None => Detail::Topics,
    }
}

/// Which rows of a group's history count.
struct Picks<'a> {
    topics: BTreeSet<&'a str>,
    partition: &'a Choice,
}

impl<'a> Picks<'a> {
    fn of(wanted: &Wanted<'a>, place: &'a Place) -> Self {
        Self {
            topics: place
                .topics
                .iter()
                .map(|(topic, _)| topic.as_str())
                .collect(),
            partition: &wanted.payload.partition,
        }
    }

    fn pick(&self, row: &ToldRow<'_>) -> bool {
        let is_picked = |number: Partition| self.partition.picks(&number.to_string());
        self.topics.contains(row.topic().as_str()) && row.partition().is_none_or(is_picked)
    }
}

/// The number in a row: the first key is the metric's own.
fn number(row: &ToldRow<'_>) -> Option<f64> {
    let (_, value) = row.values().next()?;
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(flag) => Some(f64::from(u8::from(flag))),
        Value::String(word) => status_number(&word).or_else(|| rates_from_number(&word)),
        _ => None,
    }
}

/// Burrow's own numbers for its words.
fn status_number(word: &str) -> Option<f64> {
    let words = ["NOTFOUND", "OK", "WARN", "ERR", "STOP", "STALL", "REWIND"];
    let place = words.iter().position(|known| *known == word)?;
    Some(place as f64)
}

/// Offsets, counters, depth.
fn rates_from_number(word: &str) -> Option<f64> {
    let mut words = RatesFrom::ALL.into_iter();
    let place = words.position(|known| known.as_str() == word)?;
    Some(place as f64)
}

type LineKey = (TopicName, Option<Partition>);

/// A line for each topic or partition of one group.
struct Lines<'a> {
    picks: Picks<'a>,
    lines: BTreeMap<LineKey, Vec<Point>>,
    room: &'a mut Room,
}

impl RowSink for Lines<'_> {
    type Made = BTreeMap<LineKey, Vec<Point>>;

    fn begin(&mut self, _: Head) {}

    fn push(&mut self, row: &ToldRow<'_>) -> Result<(), ApiError> {
        if !self.picks.pick(row) {
            return Ok(());
        }
        let key = (row.topic().clone(), row.partition());
        if !self.lines.contains_key(&key) {
            self.room.take_series()?;
        }
        self.room.take_point()?;
        let line = self.lines.entry(key).or_default();
        line.push(Point(row.time, number(row)));
        Ok(())
    }

    fn finish(self) -> Result<Self::Made, ApiError> {
        Ok(self.lines)
    }
}

fn series(
    state: &HttpState,
    wanted: &Wanted<'_>,
    place: &Place,
    (topic, partition): LineKey,
    datapoints: Vec<Point>,
) -> Series {
    let cluster = match state.clusters.len() {
        1 => String::new(),
        _ => format!("{} ", place.cluster),
    };
    let number = partition.map_or(String::new(), |partition| format!("-{partition}"));
    let mut tags = BTreeMap::from([
        ("cluster", place.cluster.to_string()),
        ("group", place.group.to_string()),
        ("topic", topic.to_string()),
    ]);
    tags.extend(partition.map(|partition| ("partition", partition.to_string())));
    Series {
        target: format!("{} {cluster}{} {topic}{number}", wanted.metric, place.group),
        ref_id: wanted.ref_id.to_owned(),
        tags,
        datapoints,
    }
}

/// Several series at one time.
#[derive(Debug, Clone, Copy)]
struct Sum {
    sum: f64,
    max: f64,
    min: f64,
    count: u32,
    /// With one that is unknown, all of it is.
    is_known: bool,
}

impl Sum {
    const NOTHING: Self = Self {
        sum: 0.0,
        max: f64::NEG_INFINITY,
        min: f64::INFINITY,
        count: 0,
        is_known: true,
    };

    fn take_in(&mut self, value: Option<f64>) {
        let Some(value) = value else {
            self.is_known = false;
            return;
        };
        self.sum += value;
        self.max = self.max.max(value);
        self.min = self.min.min(value);
        self.count += 1;
    }

    fn value(&self, aggregation: Aggregation) -> Option<f64> {
        let value = match aggregation {
            Aggregation::None | Aggregation::Sum => self.sum,
            Aggregation::Max => self.max,
            Aggregation::Min => self.min,
            Aggregation::Avg => self.sum / f64::from(self.count),
        };
        self.is_known.then_some(value)
    }
}

/// All series of a target together, step by step.
#[derive(Debug, Default)]
struct Total {
    steps: BTreeMap<TimestampMs, Sum>,
    /// The newest step of each cluster.
    newest: BTreeMap<ClusterName, TimestampMs>,
}

impl Total {
    /// Nothing if there is nothing to put together.
    fn line(mut self, wanted: &Wanted<'_>, room: &mut Room) -> Result<Option<Series>, ApiError> {
        self.leave_out_what_is_not_whole();
        if self.steps.is_empty() {
            return Ok(None);
        }
        room.take_series()?;
        let mut datapoints = Vec::with_capacity(self.steps.len());
        for (time, sum) in &self.steps {
            room.take_point()?;
            datapoints.push(Point(*time, sum.value(wanted.payload.aggregation)));
        }
        Ok(Some(Series {
            target: format!("{} {}", wanted.payload.aggregation.name(), wanted.metric),
            ref_id: wanted.ref_id.to_owned(),
            tags: BTreeMap::new(),
            datapoints,
        }))
    }

    /// The newest step is not told while a cluster that was in the one before has
    /// not come to it: the sum would seem to fall.
    fn leave_out_what_is_not_whole(&mut self) {
        let mut newest_first = self.steps.keys().rev();
        let (Some(newest), Some(before)) = (newest_first.next(), newest_first.next()) else {
            return;
        };
        if self.newest.values().any(|of_one| of_one == before) {
            let newest = *newest;
            self.steps.remove(&newest);
        }
    }
}

/// One group's rows, on their way into the total.
struct Summands<'a> {
    picks: Picks<'a>,
    cluster: &'a ClusterName,
    total: &'a mut Total,
}

impl RowSink for Summands<'_> {
    type Made = ();

    fn begin(&mut self, _: Head) {}

    fn push(&mut self, row: &ToldRow<'_>) -> Result<(), ApiError> {
        if self.picks.pick(row) {
            let step = self.total.steps.entry(row.time).or_insert(Sum::NOTHING);
            step.take_in(number(row));
            let newest = self.total.newest.entry(self.cluster.clone());
            let newest = newest.or_insert(row.time);
            *newest = row.time.max(*newest);
        }
        Ok(())
    }

    fn finish(self) -> Result<(), ApiError> {
        Ok(())
    }
}
