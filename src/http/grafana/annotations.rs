//! What happened, as annotations: marks at a time, and regions for what lasted.

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::model::{ClusterName, Event, EventKind, GapScope, TimestampMs, Told, WatchName};

use super::{
    super::{
        HttpState,
        error::ApiError,
        events,
        gate::Allowance,
        query::Range,
        told::{self, implied_replicas, number, shown_key},
    },
    catalogue,
    names::Names,
    payload::Payload,
    table::{Column, Table, told_picks},
};

/// More would cover a panel; of more, the newest.
const MAX_ANNOTATIONS: usize = 2_000;

const COLUMNS: [Column; 9] = [
    ("time", "time"),
    ("timeEnd", "time"),
    ("title", "string"),
    ("text", "string"),
    ("tags", "string"),
    ("kind", "string"),
    ("cluster", "string"),
    ("group", "string"),
    ("topic", "string"),
];

/// What can be marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rebalance,
    Gap,
    /// The process started or ended, or its configuration changed.
    Restart,
    /// What KEDA was told implies another number of replicas.
    Scaling,
    /// History could not be recorded, or not all of it.
    Recording,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [
        Self::Rebalance,
        Self::Gap,
        Self::Restart,
        Self::Scaling,
        Self::Recording,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rebalance => "rebalance",
            Self::Gap => "gap",
            Self::Restart => "restart",
            Self::Scaling => "scaling",
            Self::Recording => "recording",
        }
    }

    /// Those that a payload names; all if it names none.
    pub(super) fn read(value: &Value) -> Result<Vec<Self>, ApiError> {
        let named = Names::read("kind", value)?;
        if let Names::OneOf(names) = &named {
            let is_kind = |name: &&String| Self::ALL.iter().any(|kind| kind.name() == *name);
            if let Some(unknown) = names.iter().find(|name| !is_kind(name)) {
                let kinds = Self::ALL.map(Self::name).join(", ");
                return Err(ApiError::bad("kind", unknown, format!("some of {kinds}")));
            }
        }
        let kinds = Self::ALL.into_iter();
        Ok(kinds.filter(|kind| named.picks(kind.name())).collect())
    }

    fn of(event: &EventKind) -> Self {
        match event {
            EventKind::Rebalance { .. } => Self::Rebalance,
            EventKind::GapBegan(_) | EventKind::GapEnded(_) => Self::Gap,
            EventKind::Started { .. }
            | EventKind::Stopped
            | EventKind::ConfigurationChanged { .. } => Self::Restart,
            EventKind::RecordingFailed { .. }
            | EventKind::RecordingResumed
            | EventKind::LeftOff { .. } => Self::Recording,
        }
    }
}

/// A mark; a region if it ends later than it begins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Annotation {
    #[serde(serialize_with = "as_ms")]
    time: TimestampMs,
    #[serde(rename = "timeEnd", serialize_with = "as_ms")]
    time_end: TimestampMs,
    #[serde(rename = "isRegion")]
    is_region: bool,
    title: String,
    text: String,
    tags: Vec<String>,
    kind: &'static str,
    cluster: Option<String>,
    group: Option<String>,
    topic: Option<String>,
}

fn as_ms<S: Serializer>(time: &TimestampMs, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.0)
}

impl Annotation {
    fn of(event: &Event, time: TimestampMs) -> Self {
        let scope = event.kind.scope();
        let kind = Kind::of(&event.kind).name();
        let title = match scope {
            Some(scope) => format!("{kind}: {scope}"),
            None => match event.kind.group() {
                Some(group) => format!("{kind}: {group}"),
                None => event.kind.name().replace('_', " "),
            },
        };
        let topic = scope.and_then(GapScope::topic);
        Self {
            time,
            time_end: time,
            is_region: false,
            title,
            text: event.kind.to_string(),
            tags: Vec::new(),
            kind,
            cluster: event.cluster.as_ref().map(ToString::to_string),
            group: event.kind.group().map(ToString::to_string),
            topic: topic.map(ToString::to_string),
        }
        .with_tags()
    }

    fn with_tags(mut self) -> Self {
        let names = [&self.cluster, &self.group, &self.topic];
        let names = names.into_iter().flatten().cloned();
        self.tags = std::iter::once(self.kind.to_owned()).chain(names).collect();
        self
    }

    fn end(&mut self, at: TimestampMs) {
        self.time_end = at;
        self.is_region = self.time_end > self.time;
    }
}

/// As a table, whose tags are one text.
pub(super) fn table(ref_id: &str, annotations: &[Annotation]) -> Result<Table, ApiError> {
    let objects = annotations.iter().map(|annotation| {
        let mut object = serde_json::to_value(annotation).expect("a row has text keys only");
        object["tags"] = annotation.tags.join(",").into();
        object
    });
    Table::of(ref_id, &COLUMNS, objects)
}

/// What happened in the range to what a payload picks, oldest first.
pub(super) fn tell(
    state: &HttpState,
    payload: &Payload,
    range: Range,
    allowance: &Allowance,
) -> Result<Vec<Annotation>, ApiError> {
    let mut annotations = Vec::new();
    if payload.kinds.iter().any(|kind| *kind != Kind::Scaling) {
        let about = About::of(state, payload, allowance)?;
        let picks = |event: &Event| about.picks(event);
        let events = events::newest(&state.store, picks, range, allowance)?;
        annotations = joined(&events, range);
    }
    if payload.kinds.contains(&Kind::Scaling) {
        annotations.extend(scalings(state, payload, range, allowance)?);
    }
    annotations.sort_by_key(|annotation| annotation.time);
    let older = annotations.len().saturating_sub(MAX_ANNOTATIONS);
    Ok(annotations.split_off(older))
}

/// Which events a payload picks.
struct About<'a> {
    payload: &'a Payload,
    /// Those that its groups read; what is about one of them is about them.
    topics: BTreeSet<(ClusterName, String)>,
}

impl<'a> About<'a> {
    fn of(
        state: &HttpState,
        payload: &'a Payload,
        allowance: &Allowance,
    ) -> Result<Self, ApiError> {
        let places = catalogue::places(state, &state.newest_board(), payload, allowance)?;
        let topics = places.iter().flat_map(|place| {
            let topics = place.topics.iter();
            topics.map(|(topic, _)| (place.cluster.clone(), topic.to_string()))
        });
        Ok(Self {
            payload,
            topics: topics.collect(),
        })
    }

    fn picks(&self, event: &Event) -> bool {
        self.payload.kinds.contains(&Kind::of(&event.kind)) && self.is_about(event)
    }

    /// What happened to the process, or to a whole cluster, is about all in it.
    fn is_about(&self, event: &Event) -> bool {
        let Some(cluster) = &event.cluster else {
            return true;
        };
        if !self.payload.cluster.picks(cluster.as_str()) {
            return false;
        }
        match (
            event.kind.group(),
            event.kind.scope().and_then(GapScope::topic),
        ) {
            (Some(group), topic) => {
                let is_picked = |topic: &str| self.payload.topic.picks(topic);
                self.payload.group.picks(group.as_str())
                    && topic.is_none_or(|topic| is_picked(topic.as_str()))
            }
            (None, Some(topic)) => self.topics.contains(&(cluster.clone(), topic.to_string())),
            (None, None) => true,
        }
    }
}

/// What can begin and end: a gap, by its place, and the time without recording.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Lasting {
    Gap(Option<String>, String),
    NoRecording,
}

/// Makes one region of each beginning and its end. What began earlier begins
/// with the range, and what goes on ends with it.
fn joined(events: &[Event], range: Range) -> Vec<Annotation> {
    let mut annotations: Vec<Annotation> = Vec::with_capacity(events.len());
    let mut open: HashMap<Lasting, usize> = HashMap::new();
    for event in events {
        let Some((lasting, begins)) = lasting(event) else {
            annotations.push(Annotation::of(event, event.at));
            continue;
        };
        match open.remove(&lasting) {
            Some(begun) => annotations[begun].end(event.at),
            None if begins => {}
            None => {
                let mut whole = Annotation::of(event, range.from);
                whole.end(event.at);
                annotations.push(whole);
            }
        }
        if begins {
            open.insert(lasting, annotations.len());
            annotations.push(Annotation::of(event, event.at));
        }
    }
    let until = range.to.min(TimestampMs::now());
    for begun in open.into_values() {
        annotations[begun].end(until);
    }
    annotations
}

fn lasting(event: &Event) -> Option<(Lasting, bool)> {
    let cluster = event.cluster.as_ref().map(ToString::to_string);
    let gap = |scope: &GapScope| Lasting::Gap(cluster, scope.to_string());
    match &event.kind {
        EventKind::GapBegan(found) => Some((gap(&found.scope), true)),
        EventKind::GapEnded(scope) => Some((gap(scope), false)),
        EventKind::RecordingFailed { .. } => Some((Lasting::NoRecording, true)),
        EventKind::RecordingResumed => Some((Lasting::NoRecording, false)),
        _ => None,
    }
}

/// Where what KEDA was told implies more or fewer replicas than before.
fn scalings(
    state: &HttpState,
    payload: &Payload,
    range: Range,
    allowance: &Allowance,
) -> Result<VecDeque<Annotation>, ApiError> {
    let mut scalings = VecDeque::new();
    let mut replicas: HashMap<String, i64> = HashMap::new();
    let picks = told_picks(payload);
    told::each_change(state, picks, range, allowance, |time, watch, told| {
        let Some(now) = implied_replicas(told) else {
            return Ok(());
        };
        if let Some(before) = replicas.insert(watch.key.clone(), now)
            && before != now
        {
            scalings.push_back(scaling(time, watch, told, before, now));
            if scalings.len() > MAX_ANNOTATIONS {
                scalings.pop_front();
            }
        }
        Ok(())
    })?;
    Ok(scalings)
}

fn scaling(time: TimestampMs, watch: &WatchName, told: Told, before: i64, now: i64) -> Annotation {
    let shown = |cell| number(cell).map_or("unknown".to_owned(), |value| value.to_string());
    let group = watch.group.as_ref().map(ToString::to_string);
    let of = group.as_deref().unwrap_or_else(|| shown_key(watch));
    Annotation {
        time,
        time_end: time,
        is_region: false,
        title: format!("scaling: {of}, {before} to {now} replicas"),
        text: format!(
            "{} {}, a replica bears {}",
            watch.metric_name,
            shown(told.metric_value),
            shown(told.target)
        ),
        tags: Vec::new(),
        kind: Kind::Scaling.name(),
        cluster: Some(watch.cluster.to_string()),
        group,
        topic: watch.topic.as_ref().map(ToString::to_string),
    }
    .with_tags()
}
