//! Failures in the shape that the plugin shows.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::super::error::ApiError;

/// Answers as [`ApiError`] does, with the message at the top as well, where
/// Grafana looks for it.
#[derive(Debug)]
pub(super) struct Fault(ApiError);

impl From<ApiError> for Fault {
    fn from(why: ApiError) -> Self {
        Self(why)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (_, code) = self.0.status();
        let message = self.0.to_string();
        let body = json!({"message": message, "error": {"code": code, "message": message}});
        let (head, _) = self.0.into_response().into_parts();
        let mut response = Json(body).into_response();
        *response.status_mut() = head.status;
        for (name, value) in &head.headers {
            if name != axum::http::header::CONTENT_LENGTH {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }
}
