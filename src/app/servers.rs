//! What listens: gRPC for KEDA, HTTP for the rest.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    proto::{
        FILE_DESCRIPTOR_SET,
        external_scaler_server::{ExternalScalerServer, SERVICE_NAME},
    },
    scaler::{ScalerService, StartingService},
    start::Awaited,
};

/// The service as it is served.
pub(super) type Scaler = ExternalScalerServer<ScalerService>;

/// A request is a ScaledObject's reference and its metadata.
const MAX_REQUEST_BYTES: usize = 256 * 1024;
/// KEDA holds a connection open; one that is gone is noticed after this.
const KEEPALIVE: Duration = Duration::from_secs(30);

pub(super) async fn listen(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("{key} is {address}: cannot listen there"))
}

/// With what is accepted of a call.
pub(super) fn grpc_service(service: ScalerService) -> Scaler {
    ExternalScalerServer::new(service).max_decoding_message_size(MAX_REQUEST_BYTES)
}

/// Serves from the beginning of the start on; `scaler` comes with its end.
pub(super) async fn serve_grpc(
    listener: TcpListener,
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
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .add_service(StartingService::new(scaler.clone()))
        .add_service(health_service)
        .add_service(reflection)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
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
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<&'static str> {
    // Who asks for a backup must be on this machine.
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .context("HTTP ended")?;
    Ok("HTTP")
}
