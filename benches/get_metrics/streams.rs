//! Streams that stay open and have nothing to tell.

use std::sync::Arc;

use futures::StreamExt as _;
use tidegauge::{
    proto::external_scaler_server::ExternalScaler as _,
    scaler::{ScalerService, Watches},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Request;

use crate::cluster::Cluster;

/// So many streams are open.
pub(crate) const STREAMS: usize = 1_000;

/// Opens a stream for each of the first watches and reads each by a task of its
/// own, as connections do, until it has told what there is to tell.
pub(crate) async fn open(cluster: &Cluster, watches: &Arc<Watches>) -> JoinSet<()> {
    let service = ScalerService::new(
        cluster.reader(),
        Arc::clone(watches),
        CancellationToken::new(),
    );
    let mut reading = JoinSet::new();
    for request in cluster.requests().iter().take(STREAMS) {
        let object = request.scaled_object_ref.clone().expect("it has one");
        let stream = service.stream_is_active(Request::new(object)).await;
        let mut stream = stream.expect("open").into_inner();
        stream.next().await.expect("open").expect("told");
        reading.spawn(async move { while stream.next().await.is_some() {} });
    }
    reading
}
