//! `/v3/kafka` and `/burrow/admin`: the HTTP API of LinkedIn's Burrow, so that
//! tools written for it can read from us.
//!
//! Paths, shapes and words are those of `core/internal/httpserver` in
//! linkedin/Burrow; the judgement is the estimator's, the same as everywhere
//! else. Burrow's shapes have no way to say that a lag is not known, and what
//! is not known is no 0. So:
//!
//! - A group is known from its first commit on, as it is to Burrow.
//! - While something of a group or a topic can't be read, the answer is 503,
//!   which says what and why: each sum would lack a term.
//! - A partition in which the group has committed nothing has no `offsets`, and
//!   is no part of a status; `partition_count` counts it, and `complete` falls.
//! - A commit whose lag is not known is `null` among the `offsets`; tools read
//!   the lag there as a number.
//! - A commit's `timestamp` is the time when it was first seen, which is
//!   `observedAt`, too. `owner` and `client_id` are empty: a tick doesn't say
//!   which member reads a partition.
//! - A queue is no cluster of Kafka's, and is not there.

mod answer;
mod catalogue;
mod group;
mod shapes;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, get},
};

use super::Pages;
use answer::{Failure, failed, read};

/// None changes anything; Burrow can be told to forget a group.
pub(super) fn routes() -> Router<Arc<Pages>> {
    let cluster = |rest: &str| format!("/v3/kafka/{{cluster}}{rest}");
    Router::new()
        .route("/burrow/admin", only_read(get(alive)))
        .route("/burrow/admin/ready", only_read(get(ready)))
        .route("/burrow/{*rest}", any(elsewhere))
        .route("/v3/kafka", only_read(read(catalogue::clusters)))
        .route(&cluster(""), only_read(read(catalogue::cluster)))
        .route(&cluster("/topic"), only_read(read(catalogue::topics)))
        .route(
            &cluster("/topic/{topic}"),
            only_read(read(catalogue::topic)),
        )
        .route(
            &cluster("/topic/{topic}/consumers"),
            only_read(read(catalogue::consumers_of_topic)),
        )
        .route(&cluster("/consumer"), only_read(read(catalogue::consumers)))
        .route(
            &cluster("/consumer/{group}"),
            only_read(read(group::detail)),
        )
        .route(
            &cluster("/consumer/{group}/status"),
            only_read(read(group::status)),
        )
        .route(
            &cluster("/consumer/{group}/lag"),
            only_read(read(group::lag)),
        )
        .route("/v3/{*rest}", any(elsewhere))
}

fn only_read(route: MethodRouter<Arc<Pages>>) -> MethodRouter<Arc<Pages>> {
    route.fallback(wrong_method)
}

async fn alive() -> &'static str {
    "GOOD"
}

async fn ready(State(pages): State<Arc<Pages>>) -> (StatusCode, &'static str) {
    if super::health::is_ready(&pages.state()) {
        (StatusCode::OK, "READY")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "STARTING")
    }
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    failed(&uri, Failure::WrongMethod(method))
}

/// Burrow sends who ends a path with a slash to the path without.
async fn elsewhere(uri: Uri) -> Response {
    let target = uri.path().trim_end_matches('/');
    match HeaderValue::from_str(target) {
        Ok(target) if target.len() < uri.path().len() => {
            let location = [(header::LOCATION, target)];
            (StatusCode::MOVED_PERMANENTLY, location).into_response()
        }
        _ => failed(&uri, Failure::NotFound("invalid request type")),
    }
}
