//! Traces and metrics for an OpenTelemetry collector.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use url::Url;

use super::{
    HOUR, MINUTE, SECOND, endpoint,
    file::readable_file,
    section::{Item, Section},
};

const MAX_ATTRIBUTES: usize = 50;
const MAX_ATTRIBUTE_CHARS: usize = 1_000;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_SAMPLING_RATIO: f64 = 0.1;

const ENDPOINT: &str = "an http or https URL of a gRPC receiver, without a user and a path, \
                        such as http://collector.monitoring:4317";
const HEADERS: &str = "the path of a readable file, each line \"name: value\"";

/// `[otlp]`: what is sent to an OpenTelemetry collector, by OTLP over gRPC.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpConfig {
    /// Where the collector receives. Required; `TIDEGAUGE_OTLP__ENDPOINT`.
    pub endpoint: Url,
    /// The authorities that may have signed its certificate, in PEM. Default:
    /// the system's; `TIDEGAUGE_OTLP__CA_FILE`.
    pub ca_file: Option<PathBuf>,
    /// Headers of each request, such as an authorization, `name: value` a line;
    /// read again each time. Default: none; `TIDEGAUGE_OTLP__HEADERS_FILE`.
    pub headers_file: Option<PathBuf>,
    /// Are traces sent? Default true; `TIDEGAUGE_OTLP__TRACES`.
    pub traces: bool,
    /// The part of traces that is kept, of those that no caller has decided on;
    /// 0 to 1. Default 0.1; `TIDEGAUGE_OTLP__SAMPLING_RATIO`.
    pub sampling_ratio: f64,
    /// Are the metrics of the process sent, `tidegauge_*` but for those of
    /// groups? Default true; `TIDEGAUGE_OTLP__METRICS`.
    pub metrics: bool,
    /// How often metrics are sent, 1 second to 1 hour. Default 60 seconds;
    /// `TIDEGAUGE_OTLP__INTERVAL`.
    pub interval: Duration,
    /// How long one request may take, 100 ms to 1 minute. Default 10 seconds;
    /// `TIDEGAUGE_OTLP__TIMEOUT`.
    pub timeout: Duration,
    /// Attributes of the resource, at most 50, such as
    /// `deployment.environment.name`; they win over our own. Only in the file.
    pub attributes: BTreeMap<String, String>,
}

impl OtlpConfig {
    /// `None` comes with a mistake.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let endpoint = endpoint::read(section, "endpoint", ENDPOINT, check_endpoint);
        let ca_file = readable_file(section, "ca_file");
        let headers_file = section.path("headers_file");
        if let Some(path) = &headers_file
            && let Err(why) = super::file::open(path)
        {
            section.refuse_because("headers_file", why, HEADERS);
        }
        let traces = section.boolean("traces", true);
        let sampling_ratio = section.ratio("sampling_ratio", DEFAULT_SAMPLING_RATIO);
        let metrics = section.boolean("metrics", true);
        let interval = section.duration("interval", DEFAULT_INTERVAL, SECOND..=HOUR);
        let timeout = section.duration("timeout", DEFAULT_TIMEOUT, SHORTEST_TIMEOUT..=MINUTE);
        let attributes = section.optional_table("attributes", attributes);
        Some(Self {
            endpoint: endpoint?,
            ca_file,
            headers_file,
            traces,
            sampling_ratio,
            metrics,
            interval,
            timeout,
            attributes: attributes.unwrap_or_default(),
        })
    }
}

fn check_endpoint(url: &Url) -> Result<(), &'static str> {
    if !["http", "https"].contains(&url.scheme()) {
        Err("is neither http nor https")
    } else if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        Err("has a path, which is gRPC's to say")
    } else {
        Ok(())
    }
}

fn attributes(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let items = section.items();
    if items.len() > MAX_ATTRIBUTES {
        let found = format!("found {} attributes", items.len());
        section.refuse_whole(found, format!("at most {MAX_ATTRIBUTES}"));
        return BTreeMap::new();
    }
    let attribute = |item: &Item| attribute(section, item);
    items.iter().filter_map(attribute).collect()
}

fn attribute(section: &mut Section<'_>, item: &Item) -> Option<(String, String)> {
    let fits = |text: &&str| (1..=MAX_ATTRIBUTE_CHARS).contains(&text.chars().count());
    match item.value().text().filter(fits) {
        Some(text) => Some((item.name.clone(), text.to_owned())),
        None => {
            section.refuse_item(
                item,
                format!("text of 1 to {MAX_ATTRIBUTE_CHARS} characters"),
            );
            None
        }
    }
}
