//! What listens: gRPC for KEDA, HTTP for the rest.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{extract::connect_info, serve::IncomingStream};
use futures::stream;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::{
    http::{self, HttpState, Peer},
    proto::{FILE_DESCRIPTOR_SET, external_scaler_server::ExternalScalerServer},
    scaler::ScalerService,
    tls::{Connection, Incoming, ListenerTls},
};

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

pub(super) async fn serve_grpc(
    incoming: Incoming,
    service: ScalerService,
    shutdown: CancellationToken,
) -> anyhow::Result<&'static str> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_serving::<ExternalScalerServer<ScalerService>>()
        .await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .context("reflection cannot be built")?;
    let scaler = ExternalScalerServer::new(service).max_decoding_message_size(MAX_REQUEST_BYTES);
    let connections = stream::unfold(incoming, |mut incoming| async {
        let (connection, _) = incoming.accept().await;
        Some((io::Result::Ok(connection), incoming))
    });
    Server::builder()
        .max_concurrent_streams(MAX_CONCURRENT_ON_A_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_service(scaler)
        .add_service(health_service)
        .add_service(reflection)
        .serve_with_incoming_shutdown(connections, async {
            shutdown.cancelled().await;
            health
                .set_not_serving::<ExternalScalerServer<ScalerService>>()
                .await;
        })
        .await
        .context("gRPC ended")?;
    Ok("gRPC")
}

pub(super) async fn serve_http(
    incoming: Incoming,
    states: watch::Receiver<Arc<HttpState>>,
    shutdown: CancellationToken,
) -> anyhow::Result<&'static str> {
    let router = http::router(states);
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
