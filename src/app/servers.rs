//! What listens: gRPC for KEDA, HTTP for the rest.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{Router, extract::connect_info, serve::IncomingStream};
use futures::stream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    http::Peer,
    proto::{
        FILE_DESCRIPTOR_SET,
        external_scaler_server::{ExternalScalerServer, SERVICE_NAME},
    },
    scaler::{ScalerService, StartingService},
    start::Awaited,
    tls::{Connection, Incoming, ListenerTls},
};

/// The service as it is served.
pub(super) type Scaler = ExternalScalerServer<ScalerService>;

/// A request is a ScaledObject's reference and its metadata.
const MAX_REQUEST_BYTES: usize = 256 * 1024;
/// KEDA's operator has one connection for all that it asks: twice as many as
/// streams may be open, so that there is always room for calls.
const MAX_CONCURRENT_ON_A_CONNECTION: u32 = 20_000;
/// KEDA holds a connection open; one that is gone is noticed after both.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Connections to `address`, over TLS if there is any.
pub(super) async fn listen(
    key: &str,
    address: SocketAddr,
    tls: Option<Arc<ListenerTls>>,
) -> anyhow::Result<Incoming> {
    let bound = TcpListener::bind(address).await;
    let bound = bound.with_context(|| format!("{key} is {address}: cannot listen there"))?;
    Ok(Incoming::new(bound, tls))
}

/// With what is accepted of a call.
pub(super) fn grpc_service(service: ScalerService) -> Scaler {
    ExternalScalerServer::new(service).max_decoding_message_size(MAX_REQUEST_BYTES)
}

/// Serves from the beginning of the start on; `scaler` comes with its end.
pub(super) async fn serve_grpc(
    incoming: Incoming,
    scaler: Awaited<Scaler>,
    shutdown: CancellationToken,
) -> anyhow::Result<&'static str> {
    let (health, health_service) = tonic_health::server::health_reporter();
    set_health(&health, ServingStatus::NotServing).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .context("reflection cannot be built")?;
    let connections = stream::unfold(incoming, |mut incoming| async {
        let (connection, _) = incoming.accept().await;
        Some((io::Result::Ok(connection), incoming))
    });
    Server::builder()
        .max_concurrent_streams(MAX_CONCURRENT_ON_A_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_service(StartingService::new(scaler.clone()))
        .add_service(health_service)
        .add_service(reflection)
        .serve_with_incoming_shutdown(connections, async {
            if shutdown.run_until_cancelled(scaler.wait()).await.is_some() {
                set_health(&health, ServingStatus::Serving).await;
            }
            shutdown.cancelled().await;
            set_health(&health, ServingStatus::NotServing).await;
        })
        .await
        .context("gRPC ended")?;
    Ok("gRPC")
}

/// Of the scaler, and of the server as a whole.
async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for name in [SERVICE_NAME, ""] {
        health.set_service_status(name, status).await;
    }
}

pub(super) async fn serve_http(
    incoming: Incoming,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<&'static str> {
    // Who asks for a backup must be on this machine.
    let service = router.into_make_service_with_connect_info::<Peer>();
    axum::serve(incoming, service)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .context("HTTP ended")?;
    Ok("HTTP")
}

impl tonic::transport::server::Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl axum::serve::Listener for Incoming {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        Incoming::accept(self).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Incoming::local_addr(self)
    }
}

impl connect_info::Connected<IncomingStream<'_, Incoming>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Incoming>) -> Self {
        Self(*stream.remote_addr())
    }
}
