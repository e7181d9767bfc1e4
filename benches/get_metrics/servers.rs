//! The scaler's service, and one that answers the same call with nothing.

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use futures::Stream;
use tidegauge::{
    board::BoardReader,
    proto::{
        GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse,
        ScaledObjectRef,
        external_scaler_server::{ExternalScaler, ExternalScalerServer},
    },
    scaler::{ScalerService, Watches},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, transport::Server};

/// Where both listen.
pub(crate) struct Servers {
    pub(crate) ours: SocketAddr,
    pub(crate) empty: SocketAddr,
}

impl Servers {
    pub(crate) async fn start(board: BoardReader, watches: Arc<Watches>) -> Self {
        let service = ScalerService::new(board, watches, CancellationToken::new());
        Self {
            ours: serve(service).await,
            empty: serve(Empty).await,
        }
    }
}

async fn serve<S: ExternalScaler>(service: S) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = Server::builder().add_service(ExternalScalerServer::new(service));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

/// Answers GetMetrics with an empty message, and nothing else.
struct Empty;

type Nothing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ExternalScaler for Empty {
    type StreamIsActiveStream = Nothing<IsActiveResponse>;
    type StreamMetricSpecStream = Nothing<GetMetricSpecResponse>;

    async fn get_metrics(
        &self,
        _: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        Ok(Response::new(GetMetricsResponse::default()))
    }

    async fn is_active(
        &self,
        _: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn stream_is_active(
        &self,
        _: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn get_metric_spec(
        &self,
        _: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn stream_metric_spec(
        &self,
        _: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        Err(Status::unimplemented("not measured"))
    }
}
