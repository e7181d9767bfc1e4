//! `/api/v1/plugins`: the names of Azul's plugins, where they are looked up.

use std::sync::Arc;

use axum::{Json, extract::State, http::Uri};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Pages, error::ApiError, openapi::responses::QueryRefusals, query::Parameters};
use crate::sources::KnownName;

/// What the groups of a plugin contain, as Redis says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plugin)]
pub(super) struct PluginJson {
    plugin: String,
    kafka_prefix: String,
    #[schema(format = DateTime)]
    read_at: String,
    /// It could not be read when that was last tried.
    stale: bool,
}

impl From<KnownName> for PluginJson {
    fn from(known: KnownName) -> Self {
        Self {
            plugin: known.name.plugin,
            kafka_prefix: known.name.kafka_prefix,
            read_at: known.name.read_at.to_string(),
            stale: known.is_stale,
        }
    }
}

/// The names of Azul's plugins that are in use, where they are looked up in Redis.
#[utoipa::path(
    get,
    path = "/api/v1/plugins",
    responses((status = 200, body = [PluginJson]), QueryRefusals),
)]
pub(super) async fn plugins(
    State(pages): State<Arc<Pages>>,
    uri: Uri,
) -> Result<Json<Vec<PluginJson>>, ApiError> {
    Parameters::read(&uri, &[])?;
    let names = pages.state().names.known();
    Ok(Json(names.into_iter().map(PluginJson::from).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Setting;

    #[tokio::test]
    async fn names_in_use_are_told_in_their_order() {
        let setting = Setting::recorded(Vec::new());
        assert_eq!(setting.get("/api/v1/plugins").await.json(), json!([]));
        setting
            .state
            .names
            .know(&[("jira", "live-jira"), ("git", "live-git")]);
        let answer = setting.get("/api/v1/plugins").await.json();
        assert_eq!(answer[0]["plugin"], "git");
        assert_eq!(answer[1]["kafka_prefix"], "live-jira");
        assert_eq!(answer[1]["stale"], false);
        let refused = setting.get("/api/v1/plugins?x=1").await;
        assert_eq!(refused.status, 400);
    }
}
