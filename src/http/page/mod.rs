//! The page at `/`, which people open in a browser, and what it is made of.
//!
//! All of it is in the binary, as it is in `assets/`; nothing is built or
//! fetched. It knows no data: the page asks the same API as everybody,
//! by relative addresses, so that it works under any path of a proxy.

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderName, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};

use super::{
    Pages,
    error::{ApiError, shown},
};

/// Nothing from elsewhere, nothing inline, no frame of others around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; \
                                       frame-ancestors 'self'; object-src 'none'";
/// To be kept, but asked for again each time: it changes with a release.
const KEPT_IF_SAME: &str = "no-cache";
const NO_REFERRER: (HeaderName, &str) = (header::REFERRER_POLICY, "no-referrer");

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

/// A file of the page.
#[derive(Debug)]
struct Asset {
    /// Below `/assets/`.
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    tag: LazyLock<String>,
}

macro_rules! asset {
    ($path:literal, $content_type:expr) => {{
        const BYTES: &[u8] = include_bytes!(concat!("assets/", $path));
        Asset {
            path: $path,
            content_type: $content_type,
            bytes: BYTES,
            tag: LazyLock::new(|| entity_tag(BYTES)),
        }
    }};
}

static INDEX: Asset = asset!("index.html", HTML);

static ASSETS: [Asset; 26] = [
    asset!("api.js", JAVASCRIPT),
    asset!("attention.js", JAVASCRIPT),
    asset!("badge.js", JAVASCRIPT),
    asset!("banner.js", JAVASCRIPT),
    asset!("board.js", JAVASCRIPT),
    asset!("chart.js", JAVASCRIPT),
    asset!("element.js", JAVASCRIPT),
    asset!("events.js", JAVASCRIPT),
    asset!("format.js", JAVASCRIPT),
    asset!("group.js", JAVASCRIPT),
    asset!("heatmap.js", JAVASCRIPT),
    asset!("history.js", JAVASCRIPT),
    asset!("icon.svg", SVG),
    asset!("live.js", JAVASCRIPT),
    asset!("main.js", JAVASCRIPT),
    asset!("overview.js", JAVASCRIPT),
    asset!("partitions.js", JAVASCRIPT),
    asset!("range.js", JAVASCRIPT),
    asset!("sparkline.js", JAVASCRIPT),
    asset!("style.css", CSS),
    asset!("theme.js", JAVASCRIPT),
    asset!("told.js", JAVASCRIPT),
    asset!("toolbar.js", JAVASCRIPT),
    asset!("vendor/uplot/LICENSE", TEXT),
    asset!("vendor/uplot/uPlot.iife.min.js", JAVASCRIPT),
    asset!("vendor/uplot/uPlot.min.css", CSS),
];

pub(super) fn routes() -> Router<Arc<Pages>> {
    Router::new()
        .route("/", get(index))
        .route("/assets/{*path}", get(asset))
}

async fn index(headers: HeaderMap) -> Response {
    INDEX.answer(&headers)
}

async fn asset(
    Path(path): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = ASSETS.iter().find(|asset| asset.path == path);
    let found = found.ok_or_else(|| ApiError::NoSuchPath {
        path: shown(uri.path()),
    })?;
    Ok(found.answer(&headers))
}

impl Asset {
    fn answer(&self, request: &HeaderMap) -> Response {
        let headers = [
            (header::ETAG, self.tag.as_str()),
            (header::CACHE_CONTROL, KEPT_IF_SAME),
            (header::CONTENT_TYPE, self.content_type),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            NO_REFERRER,
        ];
        if self.is_kept_by(request) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, self.bytes).into_response()
    }

    fn is_kept_by(&self, request: &HeaderMap) -> bool {
        let kept = request.get_all(header::IF_NONE_MATCH).into_iter();
        let mut tags = kept
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim);
        tags.any(|tag| tag == "*" || tag == *self.tag)
    }
}

/// Weak, since an answer may be compressed on its way.
fn entity_tag(bytes: &[u8]) -> String {
    let sum = digest(&SHA256, bytes);
    let sum = &sum.as_ref()[..12];
    format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(sum))
}
