//! Health, metrics and JSON over HTTP.
//!
//! It reads the newest [`Board`] and the store, and changes neither; a backup
//! can be asked for, from this machine only. Who may ask at all is judged before
//! any handler is reached. It knows nothing of Kafka and of
//! how KEDA is answered. Its key invariants: what is not
//! known is `null` or absent, never 0; history is judged by the estimator's
//! own code; and whatever anybody asks ends within a bound that is a constant
//! here.

mod array;
mod attention;
mod auth;
mod backwards;
mod body;
mod burrow;
mod cluster;
mod error;
mod events;
mod gate;
mod grafana;
mod groups;
mod guard;
mod health;
mod history;
mod joined;
mod last;
mod live;
pub(crate) mod metrics;
mod narrow;
mod openapi;
mod outlet;
mod overview;
mod page;
mod pattern;
mod plugins;
mod prometheus;
mod query;
mod reasons;
pub(crate) mod recorded;
mod series;
mod standing;
mod starting;
mod status;
mod store;
mod task;
mod told;
mod top;
mod traced;

#[cfg(test)]
mod testing;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderName, HeaderValue, Method, Uri, header},
    middleware::{from_fn, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower_http::{CompressionLevel, compression::CompressionLayer};

use crate::{
    backups::Backups,
    board::{Board, BoardReader},
    estimator::Parameters,
    jobs::StoreStatus,
    kafka::RequestStats,
    model::ClusterName,
    polling::PollStats,
    recorder::RecorderStatus,
    reloads::ReloadStatus,
    scaler::{ServiceStats, Watches},
    sources::PluginNames,
    store::Store,
    telemetry::TelemetryStats,
    tls::ListenerTls,
};

use error::{ApiError, shown};
use gate::Gate;
use live::Listeners;
use overview::Overviews;
use traced::traced;

pub use guard::{Guard, NoCredentials};
pub use metrics::of_process;
pub use prometheus::check_promql;
pub use starting::router_when;

/// Queries that run at one time: each decodes ticks on a thread of its own, and
/// scaling needs the processors too.
const RUNNING_QUERIES: usize = 4;
/// As many more may wait, which takes a connection each: what two hundred
/// dashboards ask when they refresh at one time.
const WAITING_QUERIES: usize = 1_000;
/// How long a query may take, its waiting included.
const QUERY_TIME_LIMIT: Duration = Duration::from_secs(20);

/// Scrapes have a gate of their own, so that queries never make them wait.
const RUNNING_SCRAPES: usize = 1;
const WAITING_SCRAPES: usize = 4;
/// Prometheus gives up after 10 s.
const SCRAPE_TIME_LIMIT: Duration = Duration::from_secs(10);

/// No page of another origin may take an answer in, as an image or a script.
const SAME_ORIGIN: (HeaderName, HeaderValue) = (
    HeaderName::from_static("cross-origin-resource-policy"),
    HeaderValue::from_static("same-origin"),
);
/// What an answer that is no page may do where a browser shows it: nothing.
const NO_CONTENT: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The one path that changes something.
const BACKUP_PATH: &str = "/api/v1/backup";

/// Says which levels of history an answer was told from.
const LEVELS: HeaderName = HeaderName::from_static("tidegauge-levels");

/// What the pages are made of, as long as one configuration is in force; another
/// one takes its place as a whole, so that no answer mixes the two.
#[derive(Debug, Clone)]
pub struct HttpState {
    /// The newest state of each cluster.
    pub board: BoardReader,
    /// The history.
    pub store: Store,
    /// The folder that it is in.
    pub data_dir: PathBuf,
    /// How readings are judged.
    pub parameters: Parameters,
    /// The configured clusters and queues.
    pub clusters: Vec<ClusterName>,
    /// Which of them are queues.
    pub queues: BTreeSet<ClusterName>,
    /// How recording goes.
    pub recorder: Arc<RecorderStatus>,
    /// How sealing and retention go.
    pub store_status: Arc<StoreStatus>,
    /// How polling goes, by cluster or queue.
    pub polls: BTreeMap<ClusterName, Arc<PollStats>>,
    /// What is asked of brokers, by cluster.
    pub requests: BTreeMap<ClusterName, Arc<RequestStats>>,
    /// How KEDA's calls went.
    pub calls: Arc<ServiceStats>,
    /// What is asked for.
    pub watches: Arc<Watches>,
    /// What is known of Azul's plugins.
    pub names: Arc<PluginNames>,
    /// How backups are made.
    pub backups: Arc<Backups>,
    /// How changes of the configuration went.
    pub reloads: Arc<ReloadStatus>,
    /// Who may ask.
    pub guard: Arc<Guard>,
    /// TLS of the listeners that have it.
    pub tls: Vec<Arc<ListenerTls>>,
    /// How sending to a collector goes.
    pub telemetry: Arc<TelemetryStats>,
    /// Cancelled when the process is to end.
    pub shutdown: CancellationToken,
}

/// From where a request comes.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl HttpState {
    fn newest_board(&self) -> Board {
        self.board.borrow().clone()
    }
}

/// The state, and the bounds on what requests may do with it.
#[derive(Debug)]
struct Pages {
    states: watch::Receiver<Arc<HttpState>>,
    queries: Gate,
    scrapes: Gate,
    overviews: Overviews,
    listeners: Listeners,
}

impl Pages {
    fn new(states: watch::Receiver<Arc<HttpState>>) -> Self {
        let shutdown = states.borrow().shutdown.clone();
        let gate = |running, waiting, time_limit| {
            Gate::new(running, waiting, time_limit, shutdown.clone())
        };
        Self {
            queries: gate(RUNNING_QUERIES, WAITING_QUERIES, QUERY_TIME_LIMIT),
            scrapes: gate(RUNNING_SCRAPES, WAITING_SCRAPES, SCRAPE_TIME_LIMIT),
            overviews: Overviews::default(),
            listeners: Listeners::default(),
            states,
        }
    }

    /// The state to answer one request from.
    fn state(&self) -> Arc<HttpState> {
        Arc::clone(&self.states.borrow())
    }
}

/// All endpoints; each request is answered from the newest of `states`.
pub fn router(states: watch::Receiver<Arc<HttpState>>) -> Router {
    routes(Pages::new(states))
}

fn routes(pages: Pages) -> Router {
    let pages = Arc::new(pages);
    Router::new()
        .merge(openapi::routes_with_document())
        .merge(burrow::routes())
        .nest("/prometheus/api/v1", prometheus::routes())
        .merge(page::routes())
        .merge(grafana::routes())
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(from_fn_with_state(Arc::clone(&pages), guard::check))
        .layer(map_response(with_headers))
        .layer(from_fn(traced))
        .with_state(pages)
}

async fn no_such_path(uri: Uri) -> ApiError {
    ApiError::NoSuchPath {
        path: shown(uri.path()),
    }
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::WrongMethod {
        method: shown(method.as_str()),
        accepted: accepted_methods(uri.path()),
    }
}

fn accepted_methods(path: &str) -> &'static str {
    match path {
        BACKUP_PATH => "POST",
        "/grafana/" => "GET",
        _ if path.starts_with("/grafana/") => "POST",
        _ if path.starts_with("/prometheus/") => "GET or POST",
        _ => "GET",
    }
}

/// An answer that is JSON already.
fn json(body: impl Into<Bytes>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], body.into())
}

/// Nothing here is to be guessed at, nor shown in a page of others, nor kept unless
/// its handler says so: the next answer is another one.
async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(SAME_ORIGIN.0, SAME_ORIGIN.1);
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(NO_CONTENT);
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
