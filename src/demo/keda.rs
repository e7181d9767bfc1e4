//! A client that asks as KEDA does, and scales as the HPA does.

use std::{collections::HashMap, net::SocketAddr};

use anyhow::Context as _;
use tokio::time::Instant;
use tonic::{Request, Status, transport::Channel};
use tracing::debug;

use crate::proto::{
    GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient,
};

use super::{hpa::Hpa, scenario::Group};

/// KEDA's metrics adapter and one HPA for each group.
pub(super) struct Keda {
    client: ExternalScalerClient<Channel>,
    hpas: HashMap<&'static str, Hpa>,
}

/// What one call of GetMetrics told.
pub(super) struct Told {
    pub(super) value: f64,
    pub(super) target: f64,
    pub(super) as_of: Option<String>,
}

impl Keda {
    pub(super) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let client = ExternalScalerClient::connect(format!("http://{address}"));
        let client = client.await.context("our own gRPC does not answer")?;
        Ok(Self {
            client,
            hpas: HashMap::new(),
        })
    }

    /// How many replicas `group` is to have. While there is no answer they
    /// stay, as KEDA keeps them.
    pub(super) async fn recommend(
        &mut self,
        group: &'static Group,
        current: u32,
        now: Instant,
    ) -> u32 {
        let Some(metadata) = group.scaled_object else {
            return current;
        };
        match self.told(metadata).await {
            Ok(told) => {
                let hpa = self.hpas.entry(group.group);
                let hpa = hpa.or_insert_with(|| Hpa::new(group.max_replicas));
                hpa.replicas(current, told.value, told.target, now)
            }
            Err(status) => {
                debug!(group = group.group, %status, "no answer; replicas stay");
                current
            }
        }
    }

    /// The calls of one sync, in KEDA's order.
    pub(super) async fn told(&mut self, metadata: &[(&str, &str)]) -> Result<Told, Status> {
        let pairs = metadata.iter();
        let object = ScaledObjectRef {
            name: "demo".to_owned(),
            namespace: "demo".to_owned(),
            scaler_metadata: pairs
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        };
        let specs = self
            .client
            .get_metric_spec(object.clone())
            .await?
            .into_inner();
        let spec = specs
            .metric_specs
            .into_iter()
            .next()
            .ok_or_else(|| Status::internal("a spec without a metric"))?;
        let request = Request::new(GetMetricsRequest {
            scaled_object_ref: Some(object.clone()),
            metric_name: spec.metric_name,
        });
        let response = self.client.get_metrics(request).await?;
        let as_of = response.metadata().get("tidegauge-as-of");
        let as_of = as_of
            .and_then(|as_of| as_of.to_str().ok())
            .map(str::to_owned);
        let values = response.into_inner().metric_values;
        self.client.is_active(object).await?;
        Ok(Told {
            value: values.iter().map(|value| value.metric_value_float).sum(),
            target: spec.target_size_float,
            as_of,
        })
    }
}
