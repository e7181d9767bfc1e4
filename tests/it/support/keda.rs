//! What KEDA does with a trigger: asks for its metrics' names and targets, whether it
//! is active, and for the value of each metric by its name.

use tidegauge::proto::{GetMetricsRequest, external_scaler_client::ExternalScalerClient};
use tonic::{Status, transport::Channel};

use super::scaler::{Scaler, scaled_object};

/// One trigger of a ScaledObject, and KEDA's connection.
pub(crate) struct Trigger<'a> {
    client: ExternalScalerClient<Channel>,
    metadata: &'a [(&'a str, &'a str)],
}

/// What it was told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) active: bool,
    pub(crate) metrics: Vec<Metric>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) target: f64,
    pub(crate) value: f64,
}

impl<'a> Trigger<'a> {
    pub(crate) async fn of(scaler: &Scaler, metadata: &'a [(&'a str, &'a str)]) -> Self {
        Self {
            client: scaler.client().await,
            metadata,
        }
    }

    /// All that KEDA asks in one of its rounds.
    pub(crate) async fn ask(&mut self) -> Result<Answer, Status> {
        let object = scaled_object(self.metadata);
        let specs = self.client.get_metric_spec(object.clone()).await?;
        let active = self.client.is_active(object.clone()).await?;
        let mut metrics = Vec::new();
        for spec in specs.into_inner().metric_specs {
            let request = GetMetricsRequest {
                scaled_object_ref: Some(object.clone()),
                metric_name: spec.metric_name.clone(),
            };
            let values = self.client.get_metrics(request).await?.into_inner();
            let [value] = &values.metric_values[..] else {
                panic!("one value of {}: {values:?}", spec.metric_name);
            };
            assert_eq!(value.metric_name, spec.metric_name);
            metrics.push(Metric {
                name: spec.metric_name,
                target: spec.target_size_float,
                value: value.metric_value_float,
            });
        }
        Ok(Answer {
            active: active.into_inner().result,
            metrics,
        })
    }
}

/// An answer with one metric.
pub(crate) fn answer(active: bool, name: &str, target: f64, value: f64) -> Answer {
    Answer {
        active,
        metrics: vec![Metric {
            name: name.to_owned(),
            target,
            value,
        }],
    }
}
