//! Tables: the groups now, those with the most lag, what KEDA was told.

use serde::Serialize;
use serde_json::Value;

use crate::model::TimestampMs;

use super::{
    super::{HttpState, error::ApiError, gate::Allowance, groups, query::Range, told, top},
    catalogue,
    filter::Choice,
    payload::Payload,
};

/// As many rows as an event list or a list of series has.
const MAX_ROWS: usize = 10_000;

/// A column's name in Grafana's table, and its type.
pub(super) type Column = (&'static str, &'static str);

const TIME: &str = "time";
const TEXT: &str = "string";
const NUMBER: &str = "number";
const FLAG: &str = "boolean";

const GROUPS: [Column; 20] = [
    ("cluster", TEXT),
    ("group", TEXT),
    ("kind", TEXT),
    ("status", TEXT),
    ("lag", NUMBER),
    ("depth", NUMBER),
    ("arrival_rate", NUMBER),
    ("consumption_rate", NUMBER),
    ("rates_from", TEXT),
    ("eta_seconds", NUMBER),
    ("drains", FLAG),
    ("time_lag_seconds", NUMBER),
    ("oldest_age_seconds", NUMBER),
    ("lost_records", NUMBER),
    ("members", NUMBER),
    ("state", TEXT),
    ("unknown_partition_count", NUMBER),
    ("reason", TEXT),
    ("freshness", TEXT),
    ("as_of", TIME),
];

const TOP: [Column; 8] = [
    ("cluster", TEXT),
    ("group", TEXT),
    ("kind", TEXT),
    ("topic", TEXT),
    ("lag", NUMBER),
    ("lag_at", TIME),
    ("max_lag", NUMBER),
    ("max_lag_at", TIME),
];

const TOLD: [Column; 10] = [
    ("time", TIME),
    ("cluster", TEXT),
    ("group", TEXT),
    ("topic", TEXT),
    ("metric_name", TEXT),
    ("watch", TEXT),
    ("metric_value", NUMBER),
    ("target", NUMBER),
    ("implied_replicas", NUMBER),
    ("active", FLAG),
];

/// As the plugin reads it.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "refId")]
    ref_id: String,
    columns: Vec<ColumnJson>,
    rows: Vec<Vec<Value>>,
}

#[derive(Debug, Serialize)]
struct ColumnJson {
    text: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Table {
    /// Of rows that are flat objects: a value for each column, times as
    /// milliseconds.
    pub(super) fn of(
        ref_id: &str,
        columns: &[Column],
        objects: impl IntoIterator<Item = impl Serialize>,
    ) -> Result<Self, ApiError> {
        let mut rows = Vec::new();
        for object in objects {
            if rows.len() == MAX_ROWS {
                return Err(too_many_rows());
            }
            let object = serde_json::to_value(object).expect("a row has text keys only");
            let cells = columns.iter().map(|(name, kind)| cell(&object[name], kind));
            rows.push(cells.collect());
        }
        let column = |(text, kind): &Column| ColumnJson { text, kind };
        Ok(Self {
            kind: "table",
            ref_id: ref_id.to_owned(),
            columns: columns.iter().map(column).collect(),
            rows,
        })
    }
}

fn too_many_rows() -> ApiError {
    ApiError::TooLarge {
        found: format!("more than {MAX_ROWS} rows"),
        limit: format!("at most {MAX_ROWS}"),
        remedy: "ask for a shorter range, one cluster or one group",
    }
}

fn cell(value: &Value, kind: &str) -> Value {
    match value.as_str() {
        Some(text) if kind == TIME => TimestampMs::parse(text).map(|time| time.0).into(),
        _ => value.clone(),
    }
}

/// The groups now, by how much they need attention.
pub(super) fn groups(
    state: &HttpState,
    ref_id: &str,
    payload: &Payload,
    allowance: &Allowance,
) -> Result<Table, ApiError> {
    let board = state.newest_board();
    let places = catalogue::places(state, &board, payload, allowance)?;
    let mut rows = Vec::new();
    for place in &places {
        allowance.check()?;
        if let Some(snapshot) = board.cluster(&place.cluster) {
            rows.extend(groups::judged(
                state,
                &place.cluster,
                snapshot,
                &place.group,
            ));
        }
    }
    rows.sort_by_key(|(order, _)| *order);
    Table::of(ref_id, &GROUPS, rows.into_iter().map(|(_, row)| row))
}

/// The groups with the most lag, by topic.
pub(super) fn top(
    state: &HttpState,
    ref_id: &str,
    payload: &Payload,
    range: Range,
    allowance: &Allowance,
) -> Result<Table, ApiError> {
    let clusters = catalogue::clusters(state, &payload.cluster)?;
    let clusters = clusters.into_iter().cloned().collect();
    let (by, limit) = (payload.by.as_deref(), payload.limit.as_deref());
    let request = top::Request::new(by, limit, clusters, range)?;
    let picks = |group: &str, topic: &str| payload.group.picks(group) && payload.topic.picks(topic);
    let (standings, _) = top::standings(state, &request, picks, allowance)?;
    Table::of(ref_id, &TOP, standings.iter().map(top::Row::from))
}

/// What KEDA was told, a row for each change.
pub(super) fn told(
    state: &HttpState,
    ref_id: &str,
    payload: &Payload,
    range: Range,
    allowance: &Allowance,
) -> Result<Table, ApiError> {
    let mut rows = Vec::new();
    let picks = told_picks(payload);
    told::each_change(state, picks, range, allowance, |time, watch, told| {
        if rows.len() > MAX_ROWS {
            return Err(too_many_rows());
        }
        let time = time.to_string();
        let row = told::Row::new(&time, watch, told);
        rows.push(serde_json::to_value(row).expect("a row has text keys only"));
        Ok(())
    })?;
    Table::of(ref_id, &TOLD, rows)
}

/// Which watches a payload picks; one without a group or topic is about any.
pub(super) fn told_picks(payload: &Payload) -> impl Fn(&crate::model::WatchName) -> bool {
    let is = |choice: &Choice, name: Option<&str>| name.is_none_or(|name| choice.picks(name));
    move |watch| {
        payload.cluster.picks(watch.cluster.as_str())
            && is(
                &payload.group,
                watch.group.as_ref().map(|group| group.as_str()),
            )
            && is(
                &payload.topic,
                watch.topic.as_ref().map(|topic| topic.as_str()),
            )
    }
}
