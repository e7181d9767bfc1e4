//! `/api/v1/top`: the groups with the most lag.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    model::{Cell, ClusterName, Frame, GroupId, GroupSeries, SeriesIndex, TimestampMs, TopicName},
    store::{LagOf, LagSelection, Lags, Level, OffsetColumns, Selection},
};

use super::{
    HttpState, LEVELS, Pages,
    array::JsonArray,
    cluster,
    error::ApiError,
    gate::Allowance,
    joined::{Joined, Span},
    openapi::{
        parameters::{accepts, limit, word},
        responses::{LevelsHeader, QueryRefusals},
    },
    query::{Parameters, Range, count},
    task::Kind,
};

const PARAMETERS: [&str; 5] = ["by", "limit", "cluster", "from", "to"];

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 1_000;
accepts!(
    PARAMETERS,
    word(
        "by",
        "By the newest lag, which is usual, or by the greatest of the range.",
        &By::ALL.map(By::name)
    ),
    limit(DEFAULT_LIMIT, MAX_LIMIT),
);

/// Where no `from` is given.
const DEFAULT_RANGE: Duration = Duration::from_hours(1);

/// Longer ranges are told from minutes, and still longer ones from hours, so
/// that none has more ticks than some thousand.
const LONGEST_RAW: Duration = Duration::from_hours(2);
const LONGEST_MINUTES: Duration = Duration::from_hours(48);

/// Groups that are read at a time: what is held of a chunk stays below 30 MB,
/// and a caller who goes is noticed soon.
const ITEMS_AT_A_TIME: usize = 1_024;

const REMEDY: &str = "ask for fewer";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Lag,
    MaxLag,
}

impl By {
    const ALL: [Self; 2] = [Self::Lag, Self::MaxLag];

    fn name(self) -> &'static str {
        match self {
            Self::Lag => "lag",
            Self::MaxLag => "max_lag",
        }
    }

    fn parse(text: &str) -> Result<Self, ApiError> {
        let found = Self::ALL.into_iter().find(|by| by.name() == text);
        let names = || Self::ALL.map(Self::name).join(" or ");
        found.ok_or_else(|| ApiError::bad("by", text, names()))
    }
}

#[derive(Debug)]
pub(super) struct Request {
    by: By,
    limit: usize,
    clusters: Vec<ClusterName>,
    range: Range,
}

/// A group in a topic, over the range.
#[derive(Debug)]
pub(super) struct Standing {
    cluster: ClusterName,
    group: GroupId,
    kind: Kind,
    topic: TopicName,
    newest: Option<(TimestampMs, Cell)>,
    most: Option<(TimestampMs, i64)>,
}

/// A group in a topic.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TopRow)]
pub(super) struct Row<'a> {
    cluster: &'a str,
    group: &'a str,
    kind: Kind,
    topic: &'a str,
    lag: Option<i64>,
    #[schema(format = DateTime)]
    lag_at: Option<String>,
    max_lag: Option<i64>,
    #[schema(format = DateTime)]
    max_lag_at: Option<String>,
}

/// The groups with the most lag, by topic: now, or at its height.
#[utoipa::path(
    get,
    path = "/api/v1/top",
    params(Accepted),
    responses(
        (status = 200, body = [Row<'static>], headers(("tidegauge-levels" = LevelsHeader))),
        QueryRefusals,
    ),
)]
pub(super) async fn top(State(pages): State<Arc<Pages>>, uri: Uri) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &PARAMETERS)?;
    let state = pages.state();
    let request = Request::read(&parameters, &state)?;
    let work = move |allowance: &Allowance| answer(&state, &request, allowance);
    let (json, levels) = pages.queries.run(work).await?;
    let levels: Vec<_> = levels.into_iter().map(Level::name).collect();
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (LEVELS, levels.join(", ")),
    ];
    Ok((headers, json).into_response())
}

impl Request {
    fn read(parameters: &Parameters, state: &HttpState) -> Result<Self, ApiError> {
        let clusters = cluster::asked(state, parameters.text("cluster"))?;
        let clusters = clusters.into_iter().cloned().collect();
        let range = parameters.range(TimestampMs::now(), DEFAULT_RANGE)?;
        Self::new(
            parameters.text("by"),
            parameters.text("limit"),
            clusters,
            range,
        )
    }

    pub(super) fn new(
        by: Option<&str>,
        limit: Option<&str>,
        clusters: Vec<ClusterName>,
        range: Range,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            by: by.map_or(Ok(By::Lag), By::parse)?,
            limit: count("limit", limit, DEFAULT_LIMIT, MAX_LIMIT)?,
            clusters,
            range,
        })
    }

    fn level(&self) -> Level {
        match self.range.to.since(self.range.from) {
            range if range <= LONGEST_RAW => Level::Raw,
            range if range <= LONGEST_MINUTES => Level::Minutes,
            _ => Level::Hours,
        }
    }

    /// Most first; what is not known comes last.
    fn sort(&self, standings: &mut [Standing]) {
        let lag = |standing: &Standing| match self.by {
            By::Lag => standing.lag(),
            By::MaxLag => standing.most.map(|(_, lag)| lag),
        };
        // `None` is less than any.
        standings.sort_by_key(|standing| Reverse(lag(standing)));
    }
}

fn answer(
    state: &HttpState,
    request: &Request,
    allowance: &Allowance,
) -> Result<(Vec<u8>, BTreeSet<Level>), ApiError> {
    let (standings, levels) = standings(state, request, |_, _| true, allowance)?;
    let mut array = JsonArray::new(REMEDY);
    for standing in &standings {
        array.push(&Row::from(standing))?;
    }
    Ok((array.finish(), levels))
}

/// Those with the most lag of what `picks` picks by group and topic, and the
/// levels of history that they were read from.
pub(super) fn standings(
    state: &HttpState,
    request: &Request,
    picks: impl Fn(&str, &str) -> bool,
    allowance: &Allowance,
) -> Result<(Vec<Standing>, BTreeSet<Level>), ApiError> {
    let board = state.newest_board();
    let (mut standings, mut levels) = (Vec::new(), BTreeSet::new());
    for cluster in &request.clusters {
        allowance.check()?;
        let items = |index: &SeriesIndex| items(index, cluster, &picks);
        let items = cluster::with_index(state, &board, cluster, items)?;
        let mut items = items.unwrap_or_default();
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(ITEMS_AT_A_TIME));
            let read = read(state, request, cluster, items, &mut levels, allowance)?;
            standings.extend(read.into_iter().filter(Standing::is_of_the_range));
            items = rest;
        }
    }
    request.sort(&mut standings);
    standings.truncate(request.limit);
    Ok((standings, levels))
}

fn items(
    index: &SeriesIndex,
    cluster: &ClusterName,
    picks: impl Fn(&str, &str) -> bool,
) -> Vec<(Standing, LagOf)> {
    let groups = index.groups().iter();
    let topics = groups.flat_map(|(group, series)| {
        let topics = series.topics.iter();
        topics.map(move |(topic, commits)| (group, topic, commits))
    });
    let topics = topics.filter(|(group, topic, _)| picks(group.as_str(), topic.as_str()));
    let with_commits = topics.filter(|(_, _, commits)| !commits.is_empty());
    let item = |(group, topic, commits): (&GroupId, &TopicName, _)| {
        let standing = Standing {
            cluster: cluster.clone(),
            group: group.clone(),
            kind: Kind::of(index.groups().get(group).is_some_and(GroupSeries::is_task)),
            topic: topic.clone(),
            newest: None,
            most: None,
        };
        let partitions = OffsetColumns::of_topic(index, topic, commits);
        (standing, LagOf::Total(partitions))
    };
    with_commits.map(item).collect()
}

fn read(
    state: &HttpState,
    request: &Request,
    cluster: &ClusterName,
    items: Vec<(Standing, LagOf)>,
    levels: &mut BTreeSet<Level>,
    allowance: &Allowance,
) -> Result<Vec<Standing>, ApiError> {
    let (mut standings, items): (Vec<_>, _) = items.into_iter().unzip();
    let span = Span {
        cluster,
        level: request.level(),
        since: request.range.from,
        range: request.range,
        until: request.range.to,
    };
    let selection = Selection::Lags(Arc::new(LagSelection::new(items)));
    let mut frames = Joined::open(&state.store, span, selection);
    while let Some(frame) = frames.next() {
        allowance.check()?;
        let frame = frame?;
        levels.insert(frames.told_level());
        for (item, standing) in standings.iter_mut().enumerate() {
            standing.take_in(&frame, item);
        }
    }
    Ok(standings)
}

impl Standing {
    fn take_in(&mut self, frame: &Frame, item: usize) {
        let Lags { max, newest, .. } = Lags::of(frame, item);
        if newest != Cell::ABSENT {
            self.newest = Some((frame.at, newest));
        }
        if let Some(max) = max.value()
            && self.most.is_none_or(|(_, most)| max > most)
        {
            self.most = Some((frame.at, max));
        }
    }

    fn lag(&self) -> Option<i64> {
        self.newest?.1.value()
    }

    /// Has it a lag, known or not? One that was gone all along has none.
    fn is_of_the_range(&self) -> bool {
        let is_gone = self.newest.is_some_and(|(_, newest)| newest == Cell::GONE);
        self.most.is_some() || !is_gone
    }
}

impl<'a> From<&'a Standing> for Row<'a> {
    fn from(standing: &'a Standing) -> Self {
        let lag_at = standing.newest.filter(|(_, lag)| lag.value().is_some());
        Self {
            cluster: standing.cluster.as_str(),
            group: standing.group.as_str(),
            kind: standing.kind,
            topic: standing.topic.as_str(),
            lag: standing.lag(),
            lag_at: lag_at.map(|(at, _)| at.to_string()),
            max_lag: standing.most.map(|(_, most)| most),
            max_lag_at: standing.most.map(|(at, _)| at.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
