//! `/api/v1/store`: what is in the store; `/api/v1/backup`: a copy of it.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json,
    extract::{ConnectInfo, Request, State},
    http::{Uri, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    BACKUP_PATH, Pages, Peer,
    error::ApiError,
    openapi::responses::{BackupRefusals, QueryRefusals},
    query::Parameters,
};
use crate::store::{Backup, Contents};

/// A copy of the store, in a folder of its own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Backup)]
pub(super) struct BackupJson {
    #[schema(value_type = String)]
    path: PathBuf,
    #[schema(format = DateTime)]
    made_at: String,
    bytes: u64,
    /// The oldest tick in it.
    #[schema(format = DateTime)]
    oldest: Option<String>,
    /// The newest.
    #[schema(format = DateTime)]
    newest: Option<String>,
}

impl From<Backup> for BackupJson {
    fn from(made: Backup) -> Self {
        let (oldest, newest) = made.span.unzip();
        Self {
            path: made.path,
            made_at: made.made_at.to_string(),
            bytes: made.bytes,
            oldest: oldest.map(|at| at.to_string()),
            newest: newest.map(|at| at.to_string()),
        }
    }
}

/// What is in the store: series, spans, bytes by level.
#[utoipa::path(
    get,
    path = "/api/v1/store",
    responses((status = 200, body = Contents), QueryRefusals),
)]
pub(super) async fn contents(
    State(pages): State<Arc<Pages>>,
    uri: Uri,
) -> Result<Json<Contents>, ApiError> {
    Parameters::read(&uri, &[])?;
    let store = pages.state().store.clone();
    let contents = pages.queries.run(move |_| Ok(store.contents()?)).await?;
    Ok(Json(contents))
}

/// Makes a backup, for who asks from this machine.
///
/// It takes neither a path nor a body, and has no limit of time but the
/// process's end.
#[utoipa::path(
    post,
    path = BACKUP_PATH,
    responses((status = 200, body = BackupJson), BackupRefusals),
)]
pub(super) async fn backup(
    State(pages): State<Arc<Pages>>,
    request: Request,
) -> Result<Json<BackupJson>, ApiError> {
    refuse_strangers(&request)?;
    Parameters::read(request.uri(), &[])?;
    let made = pages.state().backups.make().await?;
    Ok(Json(made.into()))
}

/// `kubectl exec` and `kubectl port-forward` come from the loopback; and so does
/// a browser on the machine, which tells whose page it obeys.
fn refuse_strangers(request: &Request) -> Result<(), ApiError> {
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    let is_here = peer.is_some_and(|peer| peer.0.0.ip().to_canonical().is_loopback());
    if is_here && !request.headers().contains_key(header::ORIGIN) {
        return Ok(());
    }
    Err(ApiError::Forbidden)
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::super::testing::{Setting, t0_plus, tick};

    #[tokio::test]
    async fn what_is_in_the_store_is_told() {
        let ticks = [0, 10].map(|seconds| tick(t0_plus(seconds), &[(1, 2), (3, 4)]));
        let setting = Setting::recorded(ticks.to_vec());
        let json = setting.get("/api/v1/store").await.json();
        let main = &json["clusters"][0];
        assert_eq!(main["cluster"], "main");
        assert_eq!(main["oldest"], "2026-01-01T00:00:00.000Z");
        assert_eq!(main["newest"], "2026-01-01T00:00:10.000Z");
        assert_eq!((&main["groups"], &main["topics"]), (&1.into(), &1.into()));
        assert_eq!(json["head"]["ticks"], 2);
        assert_eq!(json["levels"][2]["level"], "hours");
        assert!(json["levels"][0]["bytes_a_sample"].is_null());
        let answer = setting.get("/api/v1/store?x=1").await;
        assert_eq!(answer.error().1, "unknown_parameter");
    }

    #[tokio::test]
    async fn a_backup_is_for_who_is_on_this_machine() {
        let setting = Setting::recorded(Vec::new());
        let path = "/api/v1/backup";
        let (status, code, _) = setting.ask(Method::POST, path).await.error();
        assert_eq!((status, code.as_str()), (403, "forbidden"));
        let (status, _, message) = setting.get(path).await.error();
        assert_eq!(status, 405);
        assert_eq!(message, "GET is not accepted here, POST is");

        let answer = setting.post_from("192.0.2.1:1", path).await;
        assert_eq!(answer.status, 403);
        let answer = setting.post_from("[::ffff:127.0.0.1]:1", path).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let made = answer.json()["path"].as_str().expect("a path").to_owned();
        assert!(std::path::Path::new(&made).join("manifest.json").exists());
        let answer = setting
            .post_from("127.0.0.1:1", "/api/v1/backup?dir=x")
            .await;
        assert_eq!(answer.error().1, "unknown_parameter");
        let metrics = setting.get("/metrics").await.body;
        assert!(metrics.contains("tidegauge_backups_total{result=\"ok\"} 1\n"));
        assert!(metrics.contains("tidegauge_backup_newest_timestamp_seconds 1"));
    }

    #[tokio::test]
    async fn a_backup_that_fails_is_told() {
        let setting = Setting::recorded(Vec::new());
        setting.occupy_backups();
        let answer = setting.post_from("127.0.0.1:1", "/api/v1/backup").await;
        let (status, code, message) = answer.error();
        assert_eq!((status, code.as_str()), (500, "store_failed"));
        assert!(message.contains("backups"), "{message}");
        let reasons = setting.get("/readyz").await.json();
        assert_eq!(reasons["reasons"][0]["scope"], "backup");
    }
}
