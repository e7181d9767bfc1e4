//! Metric families of the page, as OTLP's metrics.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Gauge, Metric, NumberDataPoint, Sum, metric::Data,
        number_data_point::Value,
    },
};
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{
    self as page, MetricFamily, MetricType,
};

/// One family, under its name on the page. `None`: it has no samples.
pub(super) fn metric(family: MetricFamily, started_ns: u64, now_ns: u64) -> Option<Metric> {
    let kind = family.r#type();
    let samples = family.metric.into_iter();
    let points = samples.filter_map(|sample| {
        let labels = sample.label.iter();
        Some(NumberDataPoint {
            attributes: labels.map(|it| attribute(&it.name, &it.value)).collect(),
            start_time_unix_nano: started_ns,
            time_unix_nano: now_ns,
            value: Some(Value::AsDouble(value(&sample)?)),
            ..Default::default()
        })
    });
    let data_points: Vec<_> = points.collect();
    (!data_points.is_empty()).then(|| Metric {
        name: family.name,
        description: family.help,
        unit: unit(&family.unit).to_owned(),
        data: Some(data(kind, data_points)),
        ..Default::default()
    })
}

/// How many points it has.
pub(super) fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        _ => 0,
    }
}

pub(super) fn attribute(name: &str, value: &str) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..Default::default()
    }
}

fn value(sample: &page::Metric) -> Option<f64> {
    let counter = sample.counter.as_ref().map(|counter| counter.value);
    counter.or_else(|| sample.gauge.as_ref().map(|gauge| gauge.value))
}

fn data(kind: MetricType, data_points: Vec<NumberDataPoint>) -> Data {
    match kind {
        MetricType::Counter => Data::Sum(Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        }),
        _ => Data::Gauge(Gauge { data_points }),
    }
}

/// As UCUM writes them.
fn unit(unit: &str) -> &str {
    match unit {
        "seconds" => "s",
        "bytes" => "By",
        unit => unit,
    }
}
