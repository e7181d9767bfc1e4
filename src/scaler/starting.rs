//! What KEDA is told before there is something to answer from: UNAVAILABLE, with
//! what the start is at. It keeps its replicas then, and asks again.

use std::{
    convert::Infallible,
    future::ready,
    task::{Context, Poll},
};

use tonic::{
    Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::NamedService,
};

use crate::{proto::external_scaler_server::ExternalScalerServer, start::Awaited};

use super::ScalerService;

/// The service as it is served.
type Served = ExternalScalerServer<ScalerService>;

/// [`ScalerService`], from the end of the start on.
#[derive(Debug, Clone)]
pub struct StartingService(Awaited<Served>);

impl StartingService {
    /// Answers once `served` is there.
    pub fn new(served: Awaited<Served>) -> Self {
        Self(served)
    }
}

impl NamedService for StartingService {
    const NAME: &'static str = <Served as NamedService>::NAME;
}

impl Service<http::Request<Body>> for StartingService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match self.0.get() {
            Ok(served) => served.clone().call(request),
            Err(progress) => {
                let status = Status::unavailable(format!("starting: {}", progress.words()));
                Box::pin(ready(Ok(status.into_http())))
            }
        }
    }
}
