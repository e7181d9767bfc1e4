//! What is answered before there is something to answer from.
//!
//! The process lives, is not ready and says what its start is at; nothing else
//! is known yet, `/metrics` included: a scrape that fails says so by `up`, while
//! one without the groups would look like groups that have gone.

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::map_response,
    routing::get,
};
use tower::ServiceExt as _;

use crate::start::{Awaited, Progress};

use super::{
    error::ApiError,
    health::{Readiness, healthz, livez},
    with_headers,
};

/// The router that `started` waits for, and until then one that knows nothing.
pub fn router_when(started: Awaited<Router>, progress: &Progress) -> Router {
    let starting = Router::new()
        .route("/healthz", get(healthz))
        .route("/livez", get(livez))
        .route("/readyz", get(not_ready))
        .fallback(refuse)
        .layer(map_response(with_headers))
        .with_state(progress.clone());
    Router::new().fallback(async move |request: Request| {
        let router = started.get().unwrap_or(&starting);
        router.clone().oneshot(request).await
    })
}

async fn not_ready(State(progress): State<Progress>) -> (StatusCode, Json<Readiness>) {
    let readiness = Readiness::starting(progress.words());
    (StatusCode::SERVICE_UNAVAILABLE, Json(readiness))
}

async fn refuse(State(progress): State<Progress>) -> ApiError {
    ApiError::Starting {
        doing: progress.words(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, header::RETRY_AFTER};
    use serde_json::json;

    use super::super::testing::ask;
    use super::*;

    #[tokio::test]
    async fn until_it_has_started_it_lives_and_says_what_it_does() {
        let progress = Progress::default();
        let started = Awaited::new(&progress);
        let router = router_when(started.clone(), &progress);
        let get = async |path| ask(router.clone(), Method::GET, path).await;
        for path in ["/healthz", "/livez"] {
            let answer = get(path).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.json(), json!({"status": "ok"}));
        }
        let answer = get("/readyz").await;
        assert_eq!(answer.status, 503);
        let reason = json!({"scope": "process", "code": "starting", "message": "opening history"});
        assert_eq!(answer.json(), json!({"ready": false, "reasons": [reason]}));
        for path in ["/metrics", "/", "/api/v1/groups", "/v3/kafka", "/nowhere"] {
            let answer = get(path).await;
            assert_eq!(answer.headers[RETRY_AFTER], "2");
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
            let message = "the process is starting: opening history".to_owned();
            assert_eq!(answer.error(), (503, "starting".to_owned(), message));
        }
        started.set(Router::new().route("/metrics", get_ok()));
        assert_eq!(get("/metrics").await.status, 200);
        assert_eq!(get("/livez").await.status, 404, "only the other is asked");
    }

    fn get_ok() -> axum::routing::MethodRouter {
        axum::routing::get(async || "ok")
    }
}
