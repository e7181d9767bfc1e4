//! `/api/v1/last`: the last value that was recorded, however old it is.
//!
//! It looks back in windows that grow, through hours as far as there are any, and
//! where one of them has a value, through its ticks: what is a year old takes a
//! handful of steps.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::Uri,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    model::{ClusterName, Frame, GroupId, Partition, SeriesIndex, TimestampMs, TopicName},
    store::{LagOf, LagSelection, Lags, Level, OffsetColumns, Selection},
};

use super::{
    HttpState, Pages,
    array::JsonArray,
    backwards, cluster,
    error::ApiError,
    gate::Allowance,
    joined::{Joined, Span},
    json,
    openapi::{
        parameters::{accepts, moment, partition, required_group, required_topic, word},
        responses::QueryRefusals,
        words::LevelWord,
    },
    query::{Parameters, Range},
};

const PARAMETERS: [&str; 6] = ["group", "topic", "partition", "cluster", "metric", "before"];

accepts!(
    PARAMETERS,
    required_group(),
    required_topic(),
    partition(
        "One partition. All of the topic, unless given, of which only the lag is known.",
        None
    ),
    word(
        "metric",
        "What was read. The lag, unless given.",
        &METRICS.map(|(name, _)| name)
    ),
    moment("before", "The latest time to look at. Now, unless given."),
);

/// The first window.
const FIRST_WINDOW: Duration = Duration::from_hours(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    Lag,
    CommittedOffset,
    LogEndOffset,
    LogStartOffset,
}

const METRICS: [(&str, Metric); 4] = [
    ("lag", Metric::Lag),
    ("committed_offset", Metric::CommittedOffset),
    ("log_end_offset", Metric::LogEndOffset),
    ("log_start_offset", Metric::LogStartOffset),
];

#[derive(Debug)]
struct Request {
    cluster: Option<String>,
    group: GroupId,
    topic: TopicName,
    /// `None`: the topic as a whole.
    partition: Option<Partition>,
    metric: Metric,
    before: TimestampMs,
}

/// A value, with the time of the tick that it was read in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastRow)]
struct Row<'a> {
    #[schema(format = DateTime)]
    time: String,
    cluster: &'a str,
    group: &'a str,
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i32, required = false)]
    partition: Option<Partition>,
    metric: &'a str,
    value: i64,
    /// How fine the time is.
    #[schema(value_type = LevelWord)]
    level: &'static str,
}

/// A value, with the level that it was found in.
type Found = (TimestampMs, i64, Level);

/// The last recorded lag or offset, however old: one row, or none.
#[utoipa::path(
    get,
    path = "/api/v1/last",
    params(Accepted),
    responses((status = 200, body = [Row<'static>]), QueryRefusals),
)]
pub(super) async fn last(State(pages): State<Arc<Pages>>, uri: Uri) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &PARAMETERS)?;
    let state = pages.state();
    let request = Request::read(&parameters)?;
    let clusters = cluster::asked(&state, request.cluster.as_deref())?;
    let clusters: Vec<_> = clusters.into_iter().cloned().collect();
    let work = move |allowance: &Allowance| answer(&state, &clusters, &request, allowance);
    Ok(json(pages.queries.run(work).await?).into_response())
}

impl Request {
    fn read(parameters: &Parameters) -> Result<Self, ApiError> {
        let group = parameters.required("group", "the group.id of a consumer group")?;
        let topic = parameters.required("topic", "a topic that the group has commits in")?;
        let metric = metric(parameters.text("metric").unwrap_or("lag"))?;
        let partition = parameters.partition("a number from 0")?;
        if metric != Metric::Lag && partition.is_none() {
            return Err(ApiError::MissingParameter {
                parameter: "partition",
                accepted: "a number from 0; only a lag can be of a whole topic",
            });
        }
        Ok(Self {
            cluster: parameters.text("cluster").map(str::to_owned),
            group: group.into(),
            topic: topic.into(),
            partition,
            metric,
            before: parameters.time("before")?.unwrap_or(TimestampMs::now()),
        })
    }

    fn metric_name(&self) -> &'static str {
        let named = METRICS.iter().find(|(_, metric)| *metric == self.metric);
        named.expect("each has a name").0
    }

    /// What to read; `None` if the group has no such commits.
    fn selection(&self, index: &SeriesIndex) -> Option<Selection> {
        let commits = index.groups().get(&self.group)?.topics.get(&self.topic)?;
        let partitions = OffsetColumns::of_topic(index, &self.topic, commits);
        let Some(partition) = self.partition else {
            return (!partitions.is_empty()).then(|| lags(LagOf::Total(partitions)));
        };
        let columns = *partitions.get(usize::try_from(partition).ok()?)?;
        let column = match self.metric {
            Metric::Lag => return Some(lags(LagOf::Partition(columns))),
            Metric::CommittedOffset => Some(columns.committed),
            Metric::LogEndOffset => columns.log_end,
            Metric::LogStartOffset => columns.log_start,
        };
        Some(Selection::Columns(column.into_iter().collect()))
    }

    /// The value in a tick, or the newest of a bucket.
    fn value(&self, frame: &Frame) -> Option<i64> {
        match self.metric {
            Metric::Lag => Lags::of(frame, 0).newest.value(),
            _ => frame.cell(0).value(),
        }
    }

    /// Has any tick of the bucket a value?
    fn has_value(&self, frame: &Frame) -> bool {
        let max = |frame| Lags::of(frame, 0).max;
        let any = self.metric == Metric::Lag && max(frame).value().is_some();
        any || self.value(frame).is_some()
    }
}

fn lags(item: LagOf) -> Selection {
    Selection::Lags(Arc::new(LagSelection::new(vec![item])))
}

fn metric(text: &str) -> Result<Metric, ApiError> {
    let found = METRICS.iter().find(|(name, _)| *name == text);
    found.map(|(_, metric)| *metric).ok_or_else(|| {
        let names = METRICS.map(|(name, _)| name).join(", ");
        ApiError::bad("metric", text, format!("one of {names}"))
    })
}

fn answer(
    state: &HttpState,
    clusters: &[ClusterName],
    request: &Request,
    allowance: &Allowance,
) -> Result<Vec<u8>, ApiError> {
    let board = state.newest_board();
    let mut found = Vec::new();
    for cluster in clusters {
        allowance.check()?;
        let selection = |index: &SeriesIndex| {
            let is_known = index.groups().contains_key(&request.group);
            is_known.then(|| request.selection(index))
        };
        let selection = cluster::with_index(state, &board, cluster, selection)?;
        found.extend(selection.flatten().map(|selection| (cluster, selection)));
    }
    let named = request.cluster.as_deref();
    let (cluster, selection) = cluster::only(found, request.group.as_str(), named)?;
    let selection = selection.ok_or_else(|| request.not_found())?;
    let search = Search {
        state,
        request,
        cluster: &cluster,
        selection,
        allowance,
    };
    let mut array = JsonArray::new("");
    if let Some((at, value, level)) = search.back_from(request.before)? {
        array.push(&Row {
            time: at.to_string(),
            cluster: cluster.as_str(),
            group: request.group.as_str(),
            topic: request.topic.as_str(),
            partition: request.partition,
            metric: request.metric_name(),
            value,
            level: level.name(),
        })?;
    }
    Ok(array.finish())
}

impl Request {
    fn not_found(&self) -> ApiError {
        let place = format!(" in group {:?}", self.group);
        match self.partition {
            Some(partition) => {
                let place = format!(" of topic {:?}{place}", self.topic);
                ApiError::not_found("partition", &partition.to_string(), place)
            }
            None => ApiError::not_found("topic", self.topic.as_str(), place),
        }
    }
}

struct Search<'a> {
    state: &'a HttpState,
    request: &'a Request,
    cluster: &'a ClusterName,
    selection: Selection,
    allowance: &'a Allowance,
}

impl Search<'_> {
    fn back_from(&self, before: TimestampMs) -> Result<Option<Found>, ApiError> {
        let store = &self.state.store;
        backwards::newest(store, self.cluster, before, FIRST_WINDOW, |range| {
            self.in_window(range)
        })
    }

    /// The last value of the range.
    fn in_window(&self, range: Range) -> Result<Option<Found>, ApiError> {
        let mut buckets = self.with_values(range)?;
        while let Some(bucket) = buckets.pop() {
            if let Some(found) = self.in_bucket(bucket)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The buckets, and at the ends of the range the ticks, that have a value.
    fn with_values(&self, range: Range) -> Result<Vec<Range>, ApiError> {
        let span = Span::of_hours(self.cluster, range);
        let mut frames = Joined::open(&self.state.store, span, self.selection.clone());
        let mut buckets = Vec::new();
        while let Some(frame) = frames.next() {
            self.allowance.check()?;
            let frame = frame?;
            if self.request.has_value(&frame) {
                let begin = match frames.told_level().resolution_ms() {
                    0 => frame.at,
                    bucket => TimestampMs(frame.at.0.div_euclid(bucket) * bucket),
                };
                buckets.push(Range {
                    from: begin.max(range.from),
                    to: frame.at,
                });
            }
        }
        Ok(buckets)
    }

    /// The last value of a bucket, from the finest there is.
    fn in_bucket(&self, Range { from, to }: Range) -> Result<Option<Found>, ApiError> {
        let selection = self.selection.clone();
        let store = &self.state.store;
        let mut frames = store.frames_of(self.cluster, selection, Level::Raw, from, to)?;
        let mut last = None;
        while let Some(frame) = frames.next() {
            self.allowance.check()?;
            let frame = frame?;
            if let Some(value) = self.request.value(&frame) {
                last = Some((frame.at, value, frames.told_level()));
            }
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests;
