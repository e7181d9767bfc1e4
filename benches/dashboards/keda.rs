//! KEDA, which asks about one ScaledObject after the other.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use tidegauge::{
    model::{GroupId, TopicName},
    proto::{
        GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient,
        external_scaler_server::ExternalScalerServer,
    },
    scaler::ScalerService,
};
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval},
};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Server};

const INTERVAL: Duration = Duration::from_millis(20);

pub(crate) struct Keda {
    client: ExternalScalerClient<Channel>,
    requests: Arc<[GetMetricsRequest]>,
}

impl Keda {
    /// One connection to `service`, and a ScaledObject for each of `groups`.
    pub(crate) async fn connect(
        service: ScalerService,
        groups: &[(GroupId, TopicName)],
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr()?))?;
        let server = Server::builder().add_service(ExternalScalerServer::new(service));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Ok(Self {
            client: ExternalScalerClient::new(endpoint.connect().await?),
            requests: groups.iter().map(request).collect(),
        })
    }

    /// Once about each, so that all are watched.
    pub(crate) async fn ask_each(&self) -> Result<()> {
        let mut client = self.client.clone();
        for request in self.requests.iter() {
            client.get_metrics(request.clone()).await?;
        }
        Ok(())
    }

    /// Asks until `stop`; says how many milliseconds each call took.
    pub(crate) fn ask_until(
        &self,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<Vec<f64>>> + Send + use<> {
        let (mut client, requests) = (self.client.clone(), Arc::clone(&self.requests));
        async move {
            let mut due = interval(INTERVAL);
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut times = Vec::new();
            for request in requests.iter().cycle() {
                due.tick().await;
                if stop.is_cancelled() {
                    break;
                }
                let began = Instant::now();
                client.get_metrics(request.clone()).await?;
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
            Ok(times)
        }
    }
}

fn request((group, topic): &(GroupId, TopicName)) -> GetMetricsRequest {
    let metadata = [
        ("scalerAddress", "tidegauge.keda:9090"),
        ("bootstrapServers", "kafka:9092"),
        ("consumerGroup", group.as_str()),
        ("topic", topic.as_str()),
        ("lagThreshold", "1000"),
    ];
    let metadata = metadata.into_iter();
    GetMetricsRequest {
        scaled_object_ref: Some(ScaledObjectRef {
            name: format!("scaled-object-of-{group}"),
            namespace: "default".to_owned(),
            scaler_metadata: metadata
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }),
        metric_name: String::new(),
    }
}
