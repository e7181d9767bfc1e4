//! `/api/v1/events`: what happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::State,
    http::Uri,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    model::{
        ClusterName, Event, EventKind, GapScope, GroupId, Partition, SeriesIndex, TimestampMs,
        TopicName,
    },
    store::{ReadError, Store},
};

use super::{
    HttpState, Pages,
    array::JsonArray,
    cluster,
    error::ApiError,
    gate::Allowance,
    json,
    openapi::{
        parameters::{accepts, any_text, from, some_of},
        responses::QueryRefusals,
        words::EventKindWord,
    },
    query::{Parameters, Range},
};

const PARAMETERS: [&str; 5] = ["cluster", "group", "kind", "from", "to"];

accepts!(
    PARAMETERS,
    any_text(
        "group",
        "A consumer group: what names it, and gaps of its topics and of its whole cluster.",
        "orders-service"
    ),
    some_of("kind", "Which kinds. All, unless given.", &EventKind::NAMES),
    from("a day before `to`"),
);

/// Of more, the newest: a list of events is read from its end.
const MAX_EVENTS: usize = 10_000;

/// Where no `from` is given.
const DEFAULT_RANGE: Duration = Duration::from_hours(24);

const REMEDY: &str = "ask for a shorter range, one group or one kind";

/// Which events are asked for; `None`: any.
#[derive(Debug)]
struct Filter {
    cluster: Option<ClusterName>,
    group: Option<GroupId>,
    kinds: Option<Vec<&'static str>>,
}

/// What happened: the newest 10,000 events of the range, oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    params(Accepted),
    responses((status = 200, body = [Row<'static>]), QueryRefusals),
)]
pub(super) async fn events(
    State(pages): State<Arc<Pages>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &PARAMETERS)?;
    let state = pages.state();
    let range = parameters.range(TimestampMs::now(), DEFAULT_RANGE)?;
    let filter = Filter::read(&parameters, &state)?;
    let work = move |allowance: &Allowance| answer(&state, &filter, range, allowance);
    Ok(json(pages.queries.run(work).await?).into_response())
}

fn answer(
    state: &HttpState,
    filter: &Filter,
    range: Range,
    allowance: &Allowance,
) -> Result<Vec<u8>, ApiError> {
    let group = filter.group.as_ref();
    let group = group.map(|group| Concerned::of(state, group)).transpose()?;
    let picks = |event: &Event| {
        let concerns = |group: &Concerned| group.is_concerned(event);
        filter.picks(event) && group.as_ref().is_none_or(concerns)
    };
    let mut array = JsonArray::new(REMEDY);
    for event in &newest(&state.store, picks, range, allowance)? {
        array.push(&Row::from(event))?;
    }
    Ok(array.finish())
}

/// The newest events of those that `picks` picks, oldest first.
pub(super) fn newest(
    store: &Store,
    picks: impl Fn(&Event) -> bool,
    range: Range,
    allowance: &Allowance,
) -> Result<Vec<Event>, ApiError> {
    let mut newest = Vec::new();
    for event in store.events(range.from, range.to) {
        allowance.check()?;
        let event = event?;
        if picks(&event) {
            newest.push(event);
        }
        if newest.len() == MAX_EVENTS {
            break;
        }
    }
    newest.reverse();
    Ok(newest)
}

impl Filter {
    fn read(parameters: &Parameters, state: &HttpState) -> Result<Self, ApiError> {
        let cluster = parameters.text("cluster");
        let cluster = cluster.map(|name| cluster::configured(state, name).cloned());
        Ok(Self {
            cluster: cluster.transpose()?,
            group: parameters.text("group").map(GroupId::from),
            kinds: parameters.text("kind").map(kinds).transpose()?,
        })
    }

    /// Whichever group it is about.
    fn picks(&self, event: &Event) -> bool {
        let kind = event.kind.name();
        (self.cluster.is_none() || self.cluster == event.cluster)
            && self
                .kinds
                .as_ref()
                .is_none_or(|kinds| kinds.contains(&kind))
    }
}

/// A group, and what it reads.
#[derive(Debug)]
struct Concerned<'a> {
    group: &'a GroupId,
    /// Of the clusters that know the group.
    topics: BTreeMap<&'a ClusterName, BTreeSet<TopicName>>,
}

impl<'a> Concerned<'a> {
    fn of(state: &'a HttpState, group: &'a GroupId) -> Result<Self, ReadError> {
        let board = state.newest_board();
        let topics = |index: &SeriesIndex| {
            let series = index.groups().get(group)?;
            Some(series.topics.keys().cloned().collect())
        };
        let mut known = BTreeMap::new();
        for cluster in &state.clusters {
            let found = cluster::with_index(state, &board, cluster, topics)?;
            known.extend(found.flatten().map(|topics| (cluster, topics)));
        }
        Ok(Self {
            group,
            topics: known,
        })
    }

    /// A gap of a topic that it reads, or of its whole cluster, is one of it too.
    fn is_concerned(&self, event: &Event) -> bool {
        if let Some(named) = event.kind.group() {
            return named == self.group;
        }
        let cluster = event.cluster.as_ref();
        let Some(topics) = cluster.and_then(|cluster| self.topics.get(cluster)) else {
            return false;
        };
        match event.kind.scope() {
            Some(GapScope::Cluster) => true,
            Some(scope) => scope.topic().is_some_and(|topic| topics.contains(topic)),
            None => false,
        }
    }
}

/// Names that are separated by commas.
fn kinds(text: &str) -> Result<Vec<&'static str>, ApiError> {
    let kind = |name: &str| {
        let found = EventKind::NAMES.into_iter().find(|kind| *kind == name);
        found.ok_or_else(|| {
            let names = EventKind::NAMES.join(", ");
            ApiError::bad("kind", name, format!("some of {names}"))
        })
    };
    text.split(',').map(str::trim).map(kind).collect()
}

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventRow)]
struct Row<'a> {
    #[schema(format = DateTime)]
    time: String,
    #[schema(value_type = EventKindWord)]
    kind: &'static str,
    cluster: Option<&'a str>,
    group: Option<&'a str>,
    topic: Option<&'a str>,
    #[schema(value_type = Option<i32>)]
    partition: Option<Partition>,
    /// What could not be read.
    scope: Option<String>,
    /// The gap's word, as in the metric `tidegauge_gaps`.
    code: Option<&'a str>,
    members_before: Option<u32>,
    members: Option<u32>,
    message: String,
}

impl<'a> From<&'a Event> for Row<'a> {
    fn from(event: &'a Event) -> Self {
        let kind = &event.kind;
        let scope = kind.scope();
        let (members_before, members) = match kind {
            EventKind::Rebalance {
                members_before,
                members,
                ..
            } => (Some(*members_before), Some(*members)),
            _ => (None, None),
        };
        Self {
            time: event.at.to_string(),
            kind: kind.name(),
            cluster: event.cluster.as_ref().map(|cluster| cluster.as_str()),
            group: kind.group().map(|group| group.as_str()),
            topic: scope
                .and_then(|scope| scope.topic())
                .map(|topic| topic.as_str()),
            partition: scope.and_then(|scope| scope.partition()),
            scope: scope.map(ToString::to_string),
            code: match kind {
                EventKind::GapBegan(gap) => Some(&gap.reason.code),
                _ => None,
            },
            members_before,
            members,
            message: kind.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{Setting, T0_MS, gap, t0_plus, tick};
    use crate::model::{GapScope, Tick};

    fn setting() -> Setting {
        let mut ticks: Vec<Tick> = (0..4)
            .map(|n| tick(t0_plus(n * 10), &[(0, 1), (0, 1)]))
            .collect();
        ticks[1].gaps = vec![
            gap(GapScope::Group("g".into()), "no answer"),
            gap(GapScope::Partition("t".into(), 1), "no leader"),
        ];
        ticks[2].gaps = vec![gap(GapScope::Partition("t".into(), 1), "no leader")];
        let membership = ticks[3].groups[0].membership.as_mut();
        let members = membership.and_then(|membership| membership.members.as_mut());
        let members = members.expect("members");
        members.count = 3;
        members.assignment.as_mut().expect("assignment").fingerprint = 8;
        Setting::recorded(ticks)
    }

    async fn rows(query: &str) -> Vec<Value> {
        let (from, to) = (T0_MS, T0_MS + 60_000);
        let uri = format!("/api/v1/events?from={from}&to={to}{query}");
        let answer = setting().get(&uri).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json().as_array().expect("an array").clone()
    }

    #[tokio::test]
    async fn what_happened_is_told_in_its_order() {
        let row = |seconds: i64, more: Value| {
            let mut row = json!({
                "time": t0_plus(seconds).to_string(),
                "kind": null, "cluster": "main", "group": null, "topic": null,
                "partition": null, "scope": null, "code": null,
                "members_before": null, "members": null, "message": null,
            });
            let fields = row.as_object_mut().expect("an object");
            fields.extend(more.as_object().expect("an object").clone());
            row
        };
        let ended = "read again, or not asked for any more";
        let expected = [
            row(
                10,
                json!({
                    "kind": "gap_began", "group": "g", "scope": "group \"g\"",
                    "code": "timed_out", "message": "no answer",
                }),
            ),
            row(
                10,
                json!({
                    "kind": "gap_began", "topic": "t", "partition": 1, "scope": "partition t-1",
                    "code": "timed_out", "message": "no leader",
                }),
            ),
            row(
                20,
                json!({
                    "kind": "gap_ended", "group": "g", "scope": "group \"g\"", "message": ended,
                }),
            ),
            row(
                30,
                json!({
                    "kind": "gap_ended", "topic": "t", "partition": 1, "scope": "partition t-1",
                    "message": ended,
                }),
            ),
            row(
                30,
                json!({
                    "kind": "rebalance", "group": "g", "members_before": 2, "members": 3,
                    "message": "2 members before, 3 now",
                }),
            ),
        ];
        assert_eq!(rows("").await, expected);
    }

    #[tokio::test]
    async fn events_are_found_by_cluster_group_and_kind() {
        for (query, expected) in [
            // Two of them name a partition of its topic.
            ("&group=g", 5),
            ("&group=x", 0),
            ("&cluster=main", 5),
            ("&cluster=other", 0),
            ("&kind=rebalance", 1),
            ("&group=g&cluster=other", 0),
            ("&kind=gap_began,gap_ended&group=g", 4),
        ] {
            assert_eq!(rows(query).await.len(), expected, "{query}");
        }
        let answer = setting().get("/api/v1/events?kind=stopped").await;
        let stopped = &answer.json()[0];
        assert_eq!(
            stopped["kind"], "stopped",
            "the recorder's end in this test"
        );
        assert_eq!(stopped["cluster"], Value::Null);
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        let setting = setting();
        for (query, status, message) in [
            ("cluster=x", 404, "there is no cluster \"x\""),
            (
                "kind=rebalance,boom",
                400,
                "kind is \"boom\", accepted is some of rebalance, gap_began, gap_ended, started, \
                 stopped, configuration_changed, recording_failed, recording_resumed, left_off",
            ),
            (
                "from=2&to=1",
                400,
                "from is \"1970-01-01T00:00:02.000Z\", accepted is a time before to, which is \
                 1970-01-01T00:00:01.000Z",
            ),
            (
                "topic=t",
                400,
                "\"topic\" is no parameter of this endpoint, accepted are cluster, group, kind, \
                 from, to",
            ),
        ] {
            let answer = setting.get(&format!("/api/v1/events?{query}")).await;
            let (found, _, text) = answer.error();
            assert_eq!((found, text.as_str()), (status, message), "{query}");
        }
    }
}
