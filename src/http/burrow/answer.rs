//! From a request to Burrow's envelope around an answer or a failure.

use std::{
    fs,
    sync::{Arc, LazyLock},
};

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use serde::{Deserialize, Serialize};

use crate::{
    board::{Board, Snapshot},
    model::{ClusterName, TimestampMs},
};

use super::{
    super::{
        HttpState, Pages,
        error::{ApiError, shown},
        gate::Allowance,
        json,
        standing::{FreshnessJson, View},
    },
    shapes::{Envelope, Nothing, Request},
};

/// Which machine answers, as Burrow tells it; empty where that is not known.
static HOST: LazyLock<String> = LazyLock::new(|| {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
});

/// The names in a path; empty where it has none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Names {
    pub(super) cluster: String,
    pub(super) topic: String,
    pub(super) group: String,
}

/// A request, and what it may be answered from.
pub(super) struct Asked<'a> {
    pub(super) state: &'a HttpState,
    pub(super) board: &'a Board,
    pub(super) allowance: &'a Allowance,
    pub(super) names: Names,
    pub(super) now: TimestampMs,
}

pub(super) struct Answer<B> {
    pub(super) status: StatusCode,
    pub(super) message: &'static str,
    pub(super) body: B,
}

pub(super) type Outcome<B> = Result<Answer<B>, Failure>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    NotFound(&'static str),
    WrongMethod(Method),
    /// Something can't be read.
    Unread(String),
    Api(ApiError),
}

impl From<ApiError> for Failure {
    fn from(why: ApiError) -> Self {
        Self::Api(why)
    }
}

impl<B> Answer<B> {
    pub(super) fn ok(message: &'static str, body: B) -> Self {
        Self {
            status: StatusCode::OK,
            message,
            body,
        }
    }
}

/// An endpoint that answers what `tell` tells. It ignores the query, as Burrow
/// does.
pub(super) fn read<B: Serialize + 'static>(
    tell: fn(&Asked<'_>) -> Outcome<B>,
) -> MethodRouter<Arc<Pages>> {
    get(
        async move |State(pages): State<Arc<Pages>>,
                    names: Result<Path<Names>, PathRejection>,
                    uri: Uri| {
            let Ok(Path(names)) = names else {
                return failed(&uri, Failure::NotFound("invalid request type"));
            };
            let state = pages.state();
            let request = Request::of(&uri);
            let work = move |allowance: &Allowance| {
                let asked = Asked {
                    state: &state,
                    board: &state.newest_board(),
                    allowance,
                    names,
                    now: TimestampMs::now(),
                };
                Ok(tell(&asked).map(|answer| written(answer, request)))
            };
            match pages
                .queries
                .run(work)
                .await
                .map_err(Failure::from)
                .flatten()
            {
                Ok((status, bytes)) => (status, json(bytes)).into_response(),
                Err(why) => failed(&uri, why),
            }
        },
    )
}

fn written<B: Serialize>(answer: Answer<B>, request: Request) -> (StatusCode, Vec<u8>) {
    let envelope = Envelope {
        error: false,
        message: answer.message.to_owned(),
        body: answer.body,
        request,
    };
    let bytes = serde_json::to_vec(&envelope).expect("an answer has text keys only");
    (answer.status, bytes)
}

/// Burrow's shape of an error.
pub(super) fn failed(uri: &Uri, why: Failure) -> Response {
    let (mut response, message) = match why {
        Failure::NotFound(message) => (StatusCode::NOT_FOUND.into_response(), message.to_owned()),
        Failure::WrongMethod(method) => {
            let method = shown(method.as_str());
            let message = format!("{method} is not accepted here, GET is");
            (StatusCode::METHOD_NOT_ALLOWED.into_response(), message)
        }
        Failure::Unread(message) => (StatusCode::SERVICE_UNAVAILABLE.into_response(), message),
        Failure::Api(why) => {
            let message = why.to_string();
            (why.into_response(), message)
        }
    };
    let envelope = Envelope {
        error: true,
        message,
        body: Nothing {},
        request: Request::of(uri),
    };
    let (parts, body) = Json(envelope).into_response().into_parts();
    response.headers_mut().extend(parts.headers);
    *response.body_mut() = body;
    response
}

impl Request {
    fn of(uri: &Uri) -> Self {
        Self {
            url: uri.path().to_owned(),
            host: &HOST,
        }
    }
}

impl<'a> Asked<'a> {
    /// The cluster's newest state; what a client is told where there is none
    /// of this name is `not_found`.
    pub(super) fn view(&'a self, not_found: &'static str) -> Result<View<'a>, Failure> {
        let cluster = self.cluster(not_found)?;
        let view = |snapshot| View {
            cluster,
            snapshot,
            parameters: &self.state.parameters,
            now: self.now,
        };
        match self.board.cluster(cluster) {
            Some(snapshot) if self.is_usable(snapshot) => Ok(view(snapshot)),
            Some(snapshot) => Err(Failure::Unread(match snapshot.as_of() {
                Some(newest) => format!("cluster {cluster:?} has not been read since {newest}"),
                None => format!("cluster {cluster:?} was never read"),
            })),
            None => Err(Failure::Unread(format!(
                "cluster {cluster:?} was never read"
            ))),
        }
    }

    pub(super) fn cluster(&self, not_found: &'static str) -> Result<&'a ClusterName, Failure> {
        let mut clusters = self.clusters();
        let found = clusters.find(|cluster| cluster.as_str() == self.names.cluster);
        found.ok_or(Failure::NotFound(not_found))
    }

    /// Those of Kafka's: Burrow knows no queues.
    pub(super) fn clusters(&self) -> impl Iterator<Item = &'a ClusterName> {
        let HttpState {
            clusters, queues, ..
        } = self.state;
        clusters.iter().filter(|name| !queues.contains(*name))
    }

    fn is_usable(&self, snapshot: &Snapshot) -> bool {
        let freshness = FreshnessJson::of(snapshot, &self.state.parameters, self.now);
        freshness != FreshnessJson::Unknown
    }
}
