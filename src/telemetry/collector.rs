//! The connection to the collector, which is made when it is needed.

use anyhow::Context as _;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::config::{OtlpConfig, read_text};

use super::headers::Headers;

/// A file of authorities is some kilobytes.
const MAX_CA_BYTES: u64 = 1 << 20;

#[derive(Debug, Clone)]
pub(super) struct Collector {
    pub(super) channel: Channel,
    pub(super) headers: Headers,
}

impl Collector {
    pub(super) fn new(config: &OtlpConfig) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(config.endpoint.to_string())
            .context("otlp.endpoint can't be used")?
            .connect_timeout(config.timeout)
            .timeout(config.timeout);
        let endpoint = match config.endpoint.scheme() {
            "https" => endpoint.tls_config(tls(config)?),
            _ => Ok(endpoint),
        };
        Ok(Self {
            channel: endpoint.context("no TLS to otlp.endpoint")?.connect_lazy(),
            headers: Headers::of(config.headers_file.clone()),
        })
    }
}

fn tls(config: &OtlpConfig) -> anyhow::Result<ClientTlsConfig> {
    let Some(file) = &config.ca_file else {
        return Ok(ClientTlsConfig::new().with_native_roots());
    };
    let authorities = read_text(file, MAX_CA_BYTES);
    let authorities = authorities.with_context(|| format!("otlp.ca_file is {file:?}"))?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities)))
}
