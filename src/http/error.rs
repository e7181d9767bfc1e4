//! The one place where failures become HTTP answers.

use std::{error::Error, time::Duration};

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio::task::JoinError;
use tracing::{error, warn};
use utoipa::ToSchema;

use super::openapi::words::ErrorCode;
use crate::store::{CareError, ReadError};

/// So much of a value is repeated in an error.
const SHOWN_CHARS: usize = 80;

/// The words of [`ApiError::status`].
pub(super) const CODES: [&str; 23] = [
    "ambiguous_group",
    "ambiguous_watch",
    "bad_body",
    "bad_parameter",
    "bad_query",
    "body_too_large",
    "body_too_slow",
    "busy",
    "compacting",
    "forbidden",
    "history_unreadable",
    "internal",
    "interrupted",
    "method_not_allowed",
    "missing_parameter",
    "not_found",
    "repeated_parameter",
    "starting",
    "store_failed",
    "timed_out",
    "too_large",
    "unauthorized",
    "unknown_parameter",
];

/// A request is not answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorJson {
    error: ErrorDetailJson,
}

/// A word for programs, and a sentence for people that names the parameter, the
/// value and what is accepted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorDetail, example = json!({
    "code": "bad_parameter",
    "message": "limit is \"0\", accepted is a number from 1 to 1000",
}))]
struct ErrorDetailJson {
    #[schema(value_type = ErrorCode)]
    code: &'static str,
    message: String,
}

/// Why a request is not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("{parameter} is {value:?}, accepted is {accepted}")]
    BadParameter {
        parameter: &'static str,
        value: String,
        accepted: String,
    },
    #[error("{parameter} is missing, accepted is {accepted}")]
    MissingParameter {
        parameter: &'static str,
        accepted: &'static str,
    },
    #[error("{parameter:?} is no parameter of this endpoint, accepted are {accepted}")]
    UnknownParameter { parameter: String, accepted: String },
    #[error("{parameter} is given more than once, accepted is once")]
    RepeatedParameter { parameter: String },
    #[error("the query can't be read ({reason}), accepted is name=value&...")]
    BadQuery { reason: String },
    #[error("the body can't be read ({reason}), accepted is {accepted}")]
    BadBody {
        reason: String,
        accepted: &'static str,
    },
    #[error("the body has more than {limit_bytes} bytes, accepted is at most that")]
    BodyTooLarge { limit_bytes: usize },
    #[error("the body did not come within {} s", limit.as_secs_f64())]
    BodyTooSlow { limit: Duration },
    #[error("group {group:?} is in more than one cluster, accepted for cluster is {clusters}")]
    AmbiguousGroup { group: String, clusters: String },
    #[error(
        "group {group:?} has more than one watch on topic {topic:?} at one time, accepted is \
         one: {watches}; /api/v1/told tells them apart"
    )]
    AmbiguousWatch {
        group: String,
        topic: String,
        watches: String,
    },
    #[error("the answer would have {found}, and it may have {limit}: {remedy}")]
    TooLarge {
        found: String,
        limit: String,
        remedy: &'static str,
    },
    #[error("there is no {what} {name:?}{place}")]
    NotFound {
        what: &'static str,
        name: String,
        place: String,
    },
    #[error("there is nothing at {path:?}")]
    NoSuchPath { path: String },
    #[error("{method} is not accepted here, {accepted} is")]
    WrongMethod {
        method: String,
        accepted: &'static str,
    },
    #[error("a backup is made only for who asks from this machine itself, and no web page")]
    Forbidden,
    #[error("nobody knows who asks, accepted is the header Authorization with {}", ways(.challenges))]
    Unauthorized { challenges: Vec<&'static str> },
    #[error("a web page of another site may not ask with {method}")]
    CrossSite { method: String },
    #[error(
        "Host is {host:?}, accepted are localhost and addresses: a listener on the loopback \
         without [http.auth] answers to no other name"
    )]
    ForeignHost { host: String },
    #[error("the process is starting: {doing}")]
    Starting { doing: String },
    #[error(transparent)]
    Care(#[from] CareError),
    #[error("{limit} requests of this kind are running or waiting already")]
    Busy { limit: usize },
    #[error("no answer within {} s: ask for less", limit.as_secs_f64())]
    TimedOut { limit: Duration },
    #[error("the process is ending, or the caller has gone")]
    Interrupted,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("this is a fault of tidegauge; its log says more")]
    Internal(#[from] JoinError),
}

impl ApiError {
    pub(super) fn bad(parameter: &'static str, value: &str, accepted: impl Into<String>) -> Self {
        Self::BadParameter {
            parameter,
            value: shown(value),
            accepted: accepted.into(),
        }
    }

    pub(super) fn no_cluster(name: &str) -> Self {
        Self::not_found("cluster", name, String::new())
    }

    pub(super) fn not_found(what: &'static str, name: &str, place: String) -> Self {
        Self::NotFound {
            what,
            name: shown(name),
            place,
        }
    }

    /// The status, and the word that programs go by.
    pub(super) fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BadParameter { .. } => (StatusCode::BAD_REQUEST, "bad_parameter"),
            Self::MissingParameter { .. } => (StatusCode::BAD_REQUEST, "missing_parameter"),
            Self::UnknownParameter { .. } => (StatusCode::BAD_REQUEST, "unknown_parameter"),
            Self::RepeatedParameter { .. } => (StatusCode::BAD_REQUEST, "repeated_parameter"),
            Self::BadQuery { .. } => (StatusCode::BAD_REQUEST, "bad_query"),
            Self::BadBody { .. } => (StatusCode::BAD_REQUEST, "bad_body"),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyTooSlow { .. } => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::AmbiguousGroup { .. } => (StatusCode::BAD_REQUEST, "ambiguous_group"),
            Self::AmbiguousWatch { .. } => (StatusCode::BAD_REQUEST, "ambiguous_watch"),
            Self::TooLarge { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "too_large"),
            Self::NotFound { .. } | Self::NoSuchPath { .. } => (StatusCode::NOT_FOUND, "not_found"),
            Self::WrongMethod { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Unauthorized { .. } => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::CrossSite { .. } => (StatusCode::FORBIDDEN, "forbidden"),
            Self::ForeignHost { .. } => (StatusCode::FORBIDDEN, "forbidden"),
            Self::Starting { .. } => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::Care(CareError::Busy { .. }) => (StatusCode::CONFLICT, "busy"),
            Self::Care(CareError::Interrupted) => (StatusCode::SERVICE_UNAVAILABLE, "interrupted"),
            Self::Care(_) => (StatusCode::INTERNAL_SERVER_ERROR, "store_failed"),
            Self::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            Self::TimedOut { .. } => (StatusCode::SERVICE_UNAVAILABLE, "timed_out"),
            Self::Interrupted => (StatusCode::SERVICE_UNAVAILABLE, "interrupted"),
            Self::Read(ReadError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "compacting"),
            Self::Read(_) => (StatusCode::INTERNAL_SERVER_ERROR, "history_unreadable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// Only what is our own failure; a caller's mistake is told to the caller.
    fn log(&self) {
        match self {
            Self::Read(ReadError::Busy) => {}
            Self::Read(cause) => {
                error!(cause = cause as &dyn Error, "history can't be read");
            }
            Self::Internal(cause) => error!(cause = cause as &dyn Error, "a request failed"),
            _ => {}
        }
    }
}

impl ApiError {
    /// Where part of an answer was sent already, only the log can say why there
    /// is no more.
    pub(super) fn log_broken_off(&self) {
        match self {
            Self::Read(_) | Self::Internal(_) => self.log(),
            Self::Interrupted => {}
            _ => warn!(cause = self as &dyn Error, "an answer was broken off"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let (status, code) = self.status();
        let message = self.to_string();
        let body = ErrorJson {
            error: ErrorDetailJson { code, message },
        };
        let mut response = (status, Json(body)).into_response();
        match self {
            Self::Unauthorized { challenges } => {
                let challenges = challenges.into_iter().map(HeaderValue::from_static);
                let headers = response.headers_mut();
                for way in challenges {
                    headers.append(WWW_AUTHENTICATE, way);
                }
                response
            }
            Self::Starting { .. } => ([(RETRY_AFTER, "2")], response).into_response(),
            Self::Busy { .. } => ([(RETRY_AFTER, "1")], response).into_response(),
            Self::Read(ReadError::Busy) => ([(RETRY_AFTER, "60")], response).into_response(),
            _ => response,
        }
    }
}

/// The schemes of challenges, for people.
fn ways(challenges: &[&str]) -> String {
    let schemes = challenges.iter().filter_map(|way| way.split(' ').next());
    schemes.collect::<Vec<_>>().join(" or ")
}

/// A caller's text, cut, so that an error stays small whatever was sent.
pub(super) fn shown(value: &str) -> String {
    let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_is_in_the_list() {
        let source = include_str!("error.rs");
        let (source, _) = source.split_once("#[cfg(test)]").expect("tests");
        let arms = source
            .lines()
            .filter(|line| line.contains("=> (StatusCode::"));
        let codes = arms.filter_map(|arm| arm.split('"').nth(1));
        let codes: BTreeSet<_> = codes.collect();
        assert_eq!(codes, BTreeSet::from(CODES));
    }

    #[test]
    fn a_compaction_is_no_fault_and_passes() {
        let response = ApiError::Read(ReadError::Busy).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "60");
    }
}
