//! Failures as Prometheus tells them.

use std::fmt;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{http::error::ApiError, store::ReadError};

/// Why a query has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// As everywhere in the API.
    Api(ApiError),
    /// What was asked can't be understood, or is not supported.
    BadData(String),
    /// It can't be evaluated on what there is.
    Execution(String),
}

impl Failure {
    pub(super) fn not_supported(what: impl fmt::Display) -> Self {
        Self::BadData(format!(
            "invalid parameter \"query\": {what} is not supported here"
        ))
    }

    pub(super) fn same_labels() -> Self {
        Self::Execution("vector cannot contain metrics with the same labelset".to_owned())
    }

    pub(super) fn too_large(found: String, limit: String, remedy: &'static str) -> Self {
        Self::Api(ApiError::TooLarge {
            found,
            limit,
            remedy,
        })
    }

    fn kind(&self) -> (StatusCode, &'static str) {
        let api = match self {
            Self::Api(api) => api,
            Self::BadData(_) => return (StatusCode::BAD_REQUEST, "bad_data"),
            Self::Execution(_) => return (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
        };
        let (status, _) = api.status();
        let kind = match api {
            ApiError::TimedOut { .. } => "timeout",
            ApiError::Interrupted => "canceled",
            ApiError::Busy { .. } => "too_many_requests",
            _ => match status {
                StatusCode::UNPROCESSABLE_ENTITY => "execution",
                StatusCode::NOT_FOUND => "not_found",
                StatusCode::SERVICE_UNAVAILABLE => "unavailable",
                status if status.is_client_error() => "bad_data",
                _ => "internal",
            },
        };
        (status, kind)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(api) => api.fmt(f),
            Self::BadData(message) | Self::Execution(message) => f.write_str(message),
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::Api(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, kind) = self.kind();
        let message = self.to_string();
        let body = Json(json!({"status": "error", "errorType": kind, "error": message}));
        let mut response = (status, body).into_response();
        // What is logged and when to come again is as everywhere.
        if let Self::Api(api) = self
            && let Some(after) = api.into_response().headers().get(header::RETRY_AFTER)
        {
            let after: HeaderValue = after.clone();
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_nobodys_mistake_has_prometheus_words() {
        let limit = Duration::from_secs(20);
        for (error, status, kind) in [
            (ApiError::Busy { limit: 36 }, 429, "too_many_requests"),
            (ApiError::TimedOut { limit }, 503, "timeout"),
            (ApiError::Interrupted, 503, "canceled"),
            (ApiError::Read(ReadError::Busy), 503, "unavailable"),
        ] {
            let waits = matches!(error, ApiError::Busy { .. } | ApiError::Read(_));
            let failure = Failure::from(error);
            assert_eq!(failure.kind().1, kind);
            let response = failure.into_response();
            assert_eq!(response.status(), status);
            let after = response.headers().get(header::RETRY_AFTER);
            assert_eq!(after.is_some(), waits, "{kind}");
        }
    }
}
