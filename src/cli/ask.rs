//! `tidegauge ask`: what KEDA would be told, from the command line.

use std::{collections::HashMap, error::Error as _, path::PathBuf, time::Duration};

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use tonic::{
    Request, Status,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};

use super::address::url;
use crate::{
    logging::in_full,
    proto::{
        GetMetricsRequest, MetricSpec, MetricValue, ScaledObjectRef,
        external_scaler_client::ExternalScalerClient,
    },
    tls::{ClientFiles, PemFile, Protocol},
};

/// KEDA's metrics adapter gives up after this.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What `ask` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the scaler listens for gRPC; https://HOST:PORT if it speaks TLS.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9090")]
    address: String,
    /// Ask over TLS, and trust these authorities, a PEM file. Without it, over
    /// https, the system's.
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Ask over TLS, and show this certificate, a PEM file.
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its private key, a PEM file.
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// The namespace of the ScaledObject, which may be asked for.
    #[arg(long, default_value = "default")]
    namespace: String,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// The trigger's metadata, as in a ScaledObject.
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("accepted is key=value, such as consumerGroup=orders".to_owned()),
    }
}

/// All that KEDA is told of one trigger.
#[derive(Debug, Serialize)]
struct Told {
    metrics: Vec<Metric>,
    active: bool,
    as_of: Option<String>,
    freshness: Option<String>,
}

#[derive(Debug, Serialize)]
struct Metric {
    name: String,
    target: f64,
    value: f64,
}

/// Asks, and prints.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let told = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no event loop")?
        .block_on(ask(arguments))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        print!("{}", table(&told));
    }
    Ok(())
}

async fn ask(arguments: &Arguments) -> anyhow::Result<Told> {
    let channel = connect(arguments).await?;
    let mut client = ExternalScalerClient::new(channel);

    let metadata: HashMap<_, _> = arguments.metadata.iter().cloned().collect();
    let object = ScaledObjectRef {
        name: "ask".to_owned(),
        namespace: arguments.namespace.clone(),
        scaler_metadata: metadata,
    };
    let specs = client
        .get_metric_spec(object.clone())
        .await
        .map_err(refused)?;
    let mut told = Told {
        metrics: Vec::new(),
        active: false,
        as_of: None,
        freshness: None,
    };
    for spec in specs.into_inner().metric_specs {
        let request = GetMetricsRequest {
            scaled_object_ref: Some(object.clone()),
            metric_name: spec.metric_name.clone(),
        };
        let values = client
            .get_metrics(with_deadline(request))
            .await
            .map_err(refused)?;
        told.as_of = header(values.metadata(), "tidegauge-as-of");
        told.freshness = freshness(values.metadata());
        let target = target_of(&spec);
        let values = values.into_inner().metric_values.into_iter();
        told.metrics.extend(values.map(|value| Metric {
            target,
            value: value_of(&value),
            name: value.metric_name,
        }));
    }
    let active = client
        .is_active(with_deadline(object))
        .await
        .map_err(refused)?;
    told.active = active.into_inner().result;
    Ok(told)
}

/// As KEDA reads it: scalers that are older than the float, such as Azul Scaler,
/// fill only the whole number.
#[expect(deprecated, reason = "what old scalers fill")]
fn target_of(spec: &MetricSpec) -> f64 {
    float_or(spec.target_size_float, spec.target_size)
}

/// The same of a value.
#[expect(deprecated, reason = "what old scalers fill")]
fn value_of(value: &MetricValue) -> f64 {
    float_or(value.metric_value_float, value.metric_value)
}

fn float_or(float: f64, whole: i64) -> f64 {
    if float > 0.0 { float } else { whole as f64 }
}

async fn connect(arguments: &Arguments) -> anyhow::Result<Channel> {
    let address = &arguments.address;
    let files = arguments.files();
    let url = url(
        address,
        files.authorities.is_some() || files.identity.is_some(),
    )?;
    let is_tls = url.starts_with("https://");
    let endpoint = Endpoint::from_shared(url)
        .with_context(|| format!("--address is {address:?}, accepted is HOST:PORT"))?
        .connect_timeout(TIMEOUT)
        .timeout(TIMEOUT);
    let channel = if is_tls {
        let connector = files.connector(Protocol::Http2)?;
        endpoint.connect_with_connector(connector).await
    } else {
        endpoint.connect().await
    };
    channel.with_context(|| format!("nobody answers at {address}"))
}

impl Arguments {
    fn files(&self) -> ClientFiles<'_> {
        let certificate = file("--client-cert", &self.client_cert);
        ClientFiles {
            authorities: file("--ca-cert", &self.ca_cert),
            identity: certificate.zip(file("--client-key", &self.client_key)),
        }
    }
}

fn file<'a>(key: &'a str, path: &'a Option<PathBuf>) -> Option<PemFile<'a>> {
    let path = path.as_deref();
    path.map(|path| PemFile { key, path })
}

fn with_deadline<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(TIMEOUT);
    request
}

fn header(headers: &MetadataMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// Only what is stale is marked; an answer without an age is no reading.
fn freshness(headers: &MetadataMap) -> Option<String> {
    header(headers, "tidegauge-as-of")?;
    let marked = header(headers, "tidegauge-freshness");
    Some(marked.unwrap_or_else(|| "fresh".to_owned()))
}

/// What the scaler says, or why its connection broke: over TLS 1.3 a client learns
/// only after its first call that its certificate is refused.
fn refused(status: Status) -> anyhow::Error {
    match status.source() {
        Some(source) => anyhow!("the connection broke: {}", in_full(source)),
        None => anyhow!("{:?}: {}", status.code(), status.message()),
    }
}

fn table(told: &Told) -> String {
    let width = |metric: &Metric| metric.name.len();
    let width = told
        .metrics
        .iter()
        .map(width)
        .max()
        .unwrap_or_default()
        .max(6);
    let (as_of, freshness) = (told.as_of.as_deref(), told.freshness.as_deref());
    let mut table = format!(
        "{:width$}  {:>12}  {:>12}  {:6}  {:24}  FRESHNESS\n",
        "METRIC", "TARGET", "VALUE", "ACTIVE", "AS OF"
    );
    for Metric {
        name,
        target,
        value,
    } in &told.metrics
    {
        table.push_str(&format!(
            "{name:width$}  {target:>12}  {value:>12}  {:6}  {:24}  {}\n",
            told.active,
            as_of.unwrap_or("unknown"),
            freshness.unwrap_or("unknown"),
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_key_and_value() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("a").is_err());
        assert!(pair("=b").is_err());
    }

    #[test]
    #[expect(deprecated, reason = "what old scalers fill")]
    fn what_old_scalers_tell_in_whole_numbers_is_shown() {
        let value = |metric_value, metric_value_float| MetricValue {
            metric_name: "backlog".into(),
            metric_value,
            metric_value_float,
        };
        assert_eq!(value_of(&value(120, 0.0)), 120.0);
        assert_eq!(value_of(&value(2, 2.5)), 2.5);
        assert_eq!(value_of(&value(0, 0.0)), 0.0);
        let spec = MetricSpec {
            metric_name: "backlog".into(),
            target_size: 50,
            target_size_float: 0.0,
        };
        assert_eq!(target_of(&spec), 50.0);
    }

    #[test]
    fn the_table_shows_all_that_keda_is_told() {
        let told = Told {
            metrics: vec![Metric {
                name: "backlog".into(),
                target: 50.0,
                value: 120.0,
            }],
            active: true,
            as_of: Some("2026-01-01T00:00:00.000Z".into()),
            freshness: None,
        };
        let table = table(&told);
        for part in [
            "backlog",
            "50",
            "120",
            "true",
            "2026-01-01T00:00:00.000Z",
            "unknown",
        ] {
            assert!(table.contains(part), "{part} is not in {table}");
        }
    }
}
