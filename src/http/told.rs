//! `/api/v1/told`: what KEDA was told of each watch, a row for each change.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::Uri,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{
    Cell, ClusterName, Frame, GroupId, SeriesIndex, TimestampMs, Told, ToldSeries, WatchName,
};

use super::{
    HttpState, Pages,
    array::JsonArray,
    cluster,
    error::ApiError,
    gate::Allowance,
    json,
    openapi::{
        parameters::{accepts, any_text},
        responses::QueryRefusals,
    },
    query::{Parameters, Range},
};

const PARAMETERS: [&str; 6] = ["group", "cluster", "topic", "watch", "from", "to"];

accepts!(
    PARAMETERS,
    any_text(
        "watch",
        "One watch, as a row tells it.",
        "consumerGroup=\"orders-service\""
    ),
);

/// Where no `from` is given.
const DEFAULT_RANGE: Duration = Duration::from_hours(1);

const REMEDY: &str = "ask for a shorter range, one group or one watch";

/// Which watches are asked for; `None`: any.
#[derive(Debug)]
struct Filter {
    cluster: Option<ClusterName>,
    group: Option<String>,
    topic: Option<String>,
    watch: Option<String>,
}

/// What KEDA was told of each watch, a row for each change.
#[utoipa::path(
    get,
    path = "/api/v1/told",
    params(Accepted),
    responses((status = 200, body = [Row<'static>]), QueryRefusals),
)]
pub(super) async fn told(State(pages): State<Arc<Pages>>, uri: Uri) -> Result<Response, ApiError> {
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
    let mut array = JsonArray::new(REMEDY);
    let picks = |watch: &WatchName| filter.picks(watch, state);
    let watches = each_change(state, picks, range, allowance, |time, watch, told| {
        array.push(&Row::new(&time.to_string(), watch, told))
    })?;
    if watches == 0
        && let Some(why) = filter.nothing_found(state)
    {
        return Err(why);
    }
    Ok(array.finish())
}

/// Visits each change of what was told of the watches that `picks` picks, first
/// what was in force at the start of the range, under that time. Tells how many
/// watches there are.
pub(super) fn each_change(
    state: &HttpState,
    picks: impl Fn(&WatchName) -> bool,
    range: Range,
    allowance: &Allowance,
    visit: impl FnMut(TimestampMs, &WatchName, Told) -> Result<(), ApiError>,
) -> Result<usize, ApiError> {
    let index = state.store.told_index()?.unwrap_or_default();
    let mut changes = Changes::of(&index, picks, visit);
    if changes.watches.is_empty() {
        return Ok(0);
    }
    let mut in_force = None;
    for frame in state.store.told(range.from, range.to)? {
        allowance.check()?;
        let frame = frame?;
        if frame.at <= range.from {
            in_force = Some(frame);
            continue;
        }
        changes.tell_in_force(range.from, in_force.take())?;
        changes.tell(frame.at, &frame)?;
    }
    changes.tell_in_force(range.from, in_force)?;
    Ok(changes.watches.len())
}

impl Filter {
    fn read(parameters: &Parameters, state: &HttpState) -> Result<Self, ApiError> {
        let text = |name| parameters.text(name).map(str::to_owned);
        let cluster = parameters.text("cluster");
        let cluster = cluster.map(|name| cluster::configured(state, name).cloned());
        Ok(Self {
            cluster: cluster.transpose()?,
            group: text("group"),
            topic: text("topic"),
            watch: text("watch"),
        })
    }

    fn picks(&self, watch: &WatchName, state: &HttpState) -> bool {
        let is = |asked: &Option<String>, found: Option<&str>| {
            asked.as_deref().is_none_or(|asked| Some(asked) == found)
        };
        // A trigger that picks groups by a rule is found by each of them as
        // long as somebody asks for it.
        let group = || {
            is(
                &self.group,
                watch.group.as_ref().map(|group| group.as_str()),
            ) || self
                .group
                .as_ref()
                .is_some_and(|group| state.watches.covers(&watch.key, group))
        };
        self.cluster
            .as_ref()
            .is_none_or(|name| *name == watch.cluster)
            && is(
                &self.topic,
                watch.topic.as_ref().map(|topic| topic.as_str()),
            )
            && is(&self.watch, Some(shown_key(watch)))
            && group()
    }

    fn is_of_known_group(&self, state: &HttpState) -> bool {
        let Some(group) = self.group.as_deref().map(GroupId::from) else {
            return false;
        };
        let board = state.newest_board();
        let of_cluster = |name: &&ClusterName| self.cluster.as_ref().is_none_or(|one| one == *name);
        let mut clusters = state.clusters.iter().filter(of_cluster);
        clusters.any(|name| cluster::knowing(&board, name, &group).is_some())
    }

    /// The narrowest of what was asked for and is not there; `None` if nothing
    /// in particular was, or a group that is there, only without a watch.
    fn nothing_found(&self, state: &HttpState) -> Option<ApiError> {
        if self.watch.is_none() && self.topic.is_none() && self.is_of_known_group(state) {
            return None;
        }
        let place = match &self.cluster {
            Some(cluster) => format!(" in cluster {cluster:?}"),
            None => String::new(),
        };
        let asked = [
            ("watch", &self.watch),
            ("watch on topic", &self.topic),
            ("watch of group", &self.group),
        ];
        let mut asked = asked.into_iter();
        asked.find_map(|(what, name)| {
            Some(ApiError::not_found(what, name.as_deref()?, place.clone()))
        })
    }
}

/// The key ends in a space, which a caller would lose.
pub(super) fn shown_key(watch: &WatchName) -> &str {
    watch.key.trim_end()
}

/// Looks where something else is told of a watch.
struct Changes<'a, V> {
    watches: Vec<(&'a WatchName, &'a ToldSeries, Told)>,
    visit: V,
}

/// From then on KEDA was told this.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToldRow)]
pub(super) struct Row<'a> {
    #[schema(format = DateTime)]
    time: &'a str,
    cluster: &'a str,
    group: Option<&'a str>,
    topic: Option<&'a str>,
    metric_name: &'a str,
    watch: &'a str,
    metric_value: Option<f64>,
    target: Option<f64>,
    active: Option<bool>,
    implied_replicas: Option<i64>,
}

impl<'a, V> Changes<'a, V>
where
    V: FnMut(TimestampMs, &WatchName, Told) -> Result<(), ApiError>,
{
    fn of(index: &'a SeriesIndex, picks: impl Fn(&WatchName) -> bool, visit: V) -> Self {
        let watches = index.watches().iter();
        let picked = watches.filter(|(watch, _)| picks(watch));
        Self {
            watches: picked
                .map(|(watch, series)| (&**watch, series, Told::NOTHING))
                .collect(),
            visit,
        }
    }

    /// What was in force at the start of the range, under that time.
    fn tell_in_force(&mut self, from: TimestampMs, frame: Option<Frame>) -> Result<(), ApiError> {
        frame.map_or(Ok(()), |frame| self.tell(from, &frame))
    }

    fn tell(&mut self, time: TimestampMs, frame: &Frame) -> Result<(), ApiError> {
        for (watch, series, told) in &mut self.watches {
            let now = series.told(frame);
            if values(*told) != values(now) {
                *told = now;
                (self.visit)(time, watch, now)?;
            }
        }
        Ok(())
    }
}

fn values(told: Told) -> [Option<i64>; 3] {
    [told.metric_value, told.target, told.active].map(Cell::value)
}

/// A cell of thousandths.
pub(super) fn number(cell: Cell) -> Option<f64> {
    Some(cell.value()? as f64 / 1000.0)
}

/// A cell of 0 or 1.
pub(super) fn flag(cell: Cell) -> Option<bool> {
    Some(cell.value()? != 0)
}

/// What the HPA makes of it by itself, before minimum, maximum and tolerance:
/// as many replicas as it takes for none to bear more than the target.
pub(super) fn implied_replicas(told: Told) -> Option<i64> {
    let (value, target) = (told.metric_value.value()?, told.target.value()?);
    // Neither is negative.
    (target > 0).then(|| value.div_euclid(target) + i64::from(value.rem_euclid(target) > 0))
}

impl<'a> Row<'a> {
    pub(super) fn new(time: &'a str, watch: &'a WatchName, told: Told) -> Self {
        Self {
            time,
            cluster: watch.cluster.as_str(),
            group: watch.group.as_ref().map(|group| group.as_str()),
            topic: watch.topic.as_ref().map(|topic| topic.as_str()),
            metric_name: &watch.metric_name,
            watch: shown_key(watch),
            metric_value: number(told.metric_value),
            target: number(told.target),
            active: flag(told.active),
            implied_replicas: implied_replicas(told),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{Setting, T0_MS, t0_plus, tick, told_change as change};

    fn setting() -> Setting {
        Setting::told(vec![
            change(0, "g", [Some(1_500), Some(10_000), None]),
            change(10, "h", [Some(7_000), None, Some(0)]),
            change(20, "g", [Some(2_000), Some(10_000), Some(1)]),
            change(30, "g", [None, Some(10_000), Some(1)]),
        ])
    }

    fn row(seconds: i64, group: &str, told: [Value; 3]) -> Value {
        let [metric_value, target, active] = told;
        let replicas = metric_value.as_f64().zip(target.as_f64());
        let replicas = replicas.map(|(value, target)| (value / target).ceil() as i64);
        json!({
            "time": t0_plus(seconds).to_string(),
            "cluster": "main",
            "group": group,
            "topic": "t",
            "metric_name": "kafka-t",
            "watch": format!("consumerGroup={group:?}"),
            "metric_value": metric_value,
            "target": target,
            "active": active,
            "implied_replicas": replicas,
        })
    }

    async fn rows(from: i64, to: i64, rest: &str) -> Value {
        let (from, to) = (T0_MS + from * 1_000, T0_MS + to * 1_000);
        let uri = format!("/api/v1/told?from={from}&to={to}{rest}");
        let answer = setting().get(&uri).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    #[tokio::test]
    async fn there_is_a_row_for_each_change_and_unknown_is_null() {
        let rows = rows(-5, 60, "").await;
        let expected = json!([
            row(0, "g", [json!(1.5), json!(10.0), Value::Null]),
            row(10, "h", [json!(7.0), Value::Null, json!(false)]),
            row(20, "g", [json!(2.0), json!(10.0), json!(true)]),
            row(30, "g", [Value::Null, json!(10.0), json!(true)]),
        ]);
        assert_eq!(rows, expected);
    }

    #[tokio::test]
    async fn a_range_begins_with_what_is_in_force() {
        let g = row(15, "g", [json!(1.5), json!(10.0), Value::Null]);
        let h = row(15, "h", [json!(7.0), Value::Null, json!(false)]);
        assert_eq!(rows(15, 18, "").await, json!([g, h]));
        assert_eq!(rows(-9, -5, "").await, json!([]));
    }

    #[tokio::test]
    async fn watches_are_found_by_what_they_are_about() {
        for (rest, expected) in [
            ("&group=h", 1),
            ("&group=h&topic=t&cluster=main", 1),
            ("&watch=consumerGroup%3D%22g%22", 3),
            ("&topic=t", 4),
        ] {
            let rows = rows(-5, 60, rest).await;
            assert_eq!(rows.as_array().map(Vec::len), Some(expected), "{rest}");
        }
    }

    #[tokio::test]
    async fn a_group_without_a_watch_was_told_nothing() {
        let told = vec![change(0, "h", [Some(1), None, None])];
        let ticks = vec![tick(t0_plus(0), &[(0, 1)])];
        let setting = Setting::recorded_and_told(ticks, told);
        let answer = setting.get("/api/v1/told?group=g&cluster=main").await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "[]"));
        let answer = setting.get("/api/v1/told?group=g&cluster=other").await;
        assert_eq!(answer.status, 404);
    }

    #[tokio::test]
    async fn what_is_not_there_and_what_is_wrong_is_named() {
        let setting = setting();
        for (query, status, code, message) in [
            (
                "group=x",
                404,
                "not_found",
                "there is no watch of group \"x\"",
            ),
            (
                "topic=x&cluster=main",
                404,
                "not_found",
                "there is no watch on topic \"x\" in cluster \"main\"",
            ),
            ("watch=x", 404, "not_found", "there is no watch \"x\""),
            ("cluster=x", 404, "not_found", "there is no cluster \"x\""),
            (
                "from=x",
                400,
                "bad_parameter",
                "from is \"x\", accepted is RFC 3339, epoch seconds or epoch milliseconds, \
                 from 1970 to 9999",
            ),
            (
                "step=1",
                400,
                "unknown_parameter",
                "\"step\" is no parameter of this endpoint, accepted are group, cluster, topic, \
                 watch, from, to",
            ),
        ] {
            let answer = setting.get(&format!("/api/v1/told?{query}")).await;
            let expected = (status, code.to_owned(), message.to_owned());
            assert_eq!(answer.error(), expected, "{query}");
        }
    }
}
