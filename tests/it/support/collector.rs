//! A collector of OpenTelemetry's, which keeps what it is sent.

use std::{
    fs, io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use futures::stream;

use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{Metric, metric::Data, number_data_point},
    resource::v1::Resource,
    trace::v1::Span,
};
use tidegauge::{
    config::ServerTlsConfig,
    tls::{Incoming, Listener, ListenerTls},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{Request, Response, Status, transport::Server};

use super::certificates::Identity;

/// Ended when dropped.
pub(crate) struct Collector {
    scheme: &'static str,
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
    serving: JoinHandle<()>,
}

/// All that it was sent.
#[derive(Debug, Default)]
struct Received {
    authorizations: Vec<Option<String>>,
    resources: Vec<Resource>,
    spans: Vec<Span>,
    /// The newest.
    metrics: Vec<Metric>,
}

#[derive(Clone)]
struct Receiver(Arc<Mutex<Received>>);

impl Collector {
    /// Starts one on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    /// Starts one that shows this certificate.
    pub(crate) async fn start_with_tls(identity: &Identity) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, pem: String| {
            let path = folder.path().join(name);
            fs::write(&path, pem).unwrap();
            path
        };
        let tls = ServerTlsConfig {
            certificate_file: file("tls.crt", identity.certificate_pem()),
            key_file: file("tls.key", identity.key_pem()),
            client_ca_file: None,
        };
        let tls = ListenerTls::begin(Listener::Grpc, &tls).unwrap();
        Self::serve("127.0.0.1:0", Some(tls)).await
    }

    /// Starts one there.
    pub(crate) async fn start_at(address: &str) -> Self {
        Self::serve(address, None).await
    }

    async fn serve(address: &str, tls: Option<ListenerTls>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind(address).await.unwrap();
        let (address, received) = (listener.local_addr().unwrap(), Arc::default());
        let incoming = Incoming::new(listener, tls.map(Arc::new));
        let connections = stream::unfold(incoming, |mut incoming| async {
            let (connection, _) = incoming.accept().await;
            Some((io::Result::Ok(connection), incoming))
        });
        let receiver = Receiver(Arc::clone(&received));
        let serving = Server::builder()
            .add_service(TraceServiceServer::new(receiver.clone()))
            .add_service(MetricsServiceServer::new(receiver))
            .serve_with_incoming(connections);
        Self {
            scheme,
            address,
            received,
            serving: tokio::spawn(async { serving.await.unwrap() }),
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The spans of this name.
    pub(crate) fn spans(&self, name: &str) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        let spans = received.spans.iter().filter(|span| span.name == name);
        spans.cloned().collect()
    }

    /// The newest value of a metric by its labels, and whether it is a counter.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<(f64, bool)> {
        let received = self.received.lock().unwrap();
        let metric = received.metrics.iter().find(|metric| metric.name == name)?;
        let (points, is_counter) = match metric.data.as_ref()? {
            Data::Sum(sum) => (&sum.data_points, sum.is_monotonic),
            Data::Gauge(gauge) => (&gauge.data_points, false),
            other => panic!("{other:?}"),
        };
        let has = |attributes: &[KeyValue]| {
            let mut labels = labels.iter();
            labels.all(|(name, value)| text(attributes, name).as_deref() == Some(*value))
        };
        let point = points.iter().find(|point| has(&point.attributes))?;
        match point.value? {
            number_data_point::Value::AsDouble(value) => Some((value, is_counter)),
            number_data_point::Value::AsInt(value) => panic!("{value} is no float"),
        }
    }

    /// The names of metrics in the newest request.
    pub(crate) fn metric_names(&self) -> Vec<String> {
        let received = self.received.lock().unwrap();
        received.metrics.iter().map(|it| it.name.clone()).collect()
    }

    /// What each request said of who sends, of this attribute.
    pub(crate) fn resource(&self, attribute: &str) -> Vec<Option<String>> {
        let received = self.received.lock().unwrap();
        let resources = received.resources.iter();
        resources
            .map(|it| text(&it.attributes, attribute))
            .collect()
    }

    /// What each request was authorized by.
    pub(crate) fn authorizations(&self) -> Vec<Option<String>> {
        self.received.lock().unwrap().authorizations.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    fn note<T>(&self, request: &Request<T>, resource: Option<&Resource>) {
        let authorization = request.metadata().get("authorization");
        let authorization = authorization.map(|it| it.to_str().unwrap().to_owned());
        let mut received = self.0.lock().unwrap();
        received.authorizations.push(authorization);
        received.resources.extend(resource.cloned());
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let first = request.get_ref().resource_spans.first();
        self.note(&request, first.and_then(|it| it.resource.as_ref()));
        let all = request.into_inner().resource_spans.into_iter();
        let scopes = all.flat_map(|it| it.scope_spans);
        let spans = scopes.flat_map(|it| it.spans);
        self.0.lock().unwrap().spans.extend(spans);
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let first = request.get_ref().resource_metrics.first();
        self.note(&request, first.and_then(|it| it.resource.as_ref()));
        let all = request.into_inner().resource_metrics.into_iter();
        let scopes = all.flat_map(|it| it.scope_metrics);
        let metrics = scopes.flat_map(|it| it.metrics);
        self.0.lock().unwrap().metrics = metrics.collect();
        Ok(Response::new(Default::default()))
    }
}

/// The text of an attribute.
pub(crate) fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|it| it.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}
