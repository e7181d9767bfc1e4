//! Both listeners, which accept from the beginning of a start on.

use std::net::SocketAddr;

use axum::Router;
use tokio::{
    task::JoinSet,
    time::{Duration, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    config::Config,
    http,
    start::{Awaited, Progress},
    tls::Incoming,
};

use super::protection::Protection;
use super::servers::{Scaler, listen, serve_grpc, serve_http};

/// Calls end when they are asked to; who holds a connection open and says nothing
/// for longer than this is cut off. The next process waits for the volume.
const LINGER: Duration = Duration::from_secs(1);

/// Parts that run until the end, by what they are called.
pub(super) type Parts = JoinSet<anyhow::Result<&'static str>>;

/// What listens. What it answers with comes with the end of the start.
pub(super) struct Listeners {
    pub(super) grpc_address: SocketAddr,
    pub(super) http_address: SocketAddr,
    pub(super) scaler: Awaited<Scaler>,
    pub(super) router: Awaited<Router>,
    /// Ends HTTP, which tells that the process ends for as long as it does.
    pub(super) http_shutdown: CancellationToken,
    pub(super) http_task: Parts,
}

impl Listeners {
    /// Listens; gRPC is one of `tasks`, which `shutdown` ends.
    pub(super) async fn begin(
        config: &Config,
        protection: &Protection,
        progress: &Progress,
        tasks: &mut Parts,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let grpc = listen("grpc.listen", config.grpc.listen, protection.grpc.clone()).await?;
        let http = listen("http.listen", config.http.listen, protection.http.clone()).await?;
        let listeners = Self {
            grpc_address: grpc.local_addr()?,
            http_address: http.local_addr()?,
            scaler: Awaited::new(progress),
            router: Awaited::new(progress),
            http_shutdown: CancellationToken::new(),
            http_task: JoinSet::new(),
        };
        let grpc = serve_grpc(grpc, listeners.scaler.clone(), shutdown.clone());
        tasks.spawn(lingering(grpc, shutdown.clone()));
        Ok(listeners.serve_http(http, progress))
    }

    fn serve_http(mut self, incoming: Incoming, progress: &Progress) -> Self {
        let router = http::router_when(self.router.clone(), progress);
        let http = serve_http(incoming, router, self.http_shutdown.clone());
        self.http_task
            .spawn(lingering(http, self.http_shutdown.clone()));
        info!(grpc = %self.grpc_address, http = %self.http_address, "listening");
        self
    }
}

/// A server, cut off [`LINGER`] after it was `asked` to end.
async fn lingering(
    server: impl Future<Output = anyhow::Result<&'static str>>,
    asked: CancellationToken,
) -> anyhow::Result<&'static str> {
    let patience = async {
        asked.cancelled().await;
        sleep(LINGER).await;
    };
    tokio::select! {
        ended = server => ended,
        () = patience => Ok("silent connections"),
    }
}
