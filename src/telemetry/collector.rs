//! The connection to the collector, which is made when it is needed.

use anyhow::Context as _;
use tonic::transport::{Channel, Endpoint};

use crate::{
    config::OtlpConfig,
    tls::{ClientFiles, PemFile, Protocol},
};

use super::headers::Headers;

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
        let channel = match config.endpoint.scheme() {
            "https" => {
                let connector = trusted(config).connector(Protocol::Http2);
                let connector = connector.context("no TLS to otlp.endpoint")?;
                endpoint.connect_with_connector_lazy(connector)
            }
            _ => endpoint.connect_lazy(),
        };
        Ok(Self {
            channel,
            headers: Headers::of(config.headers_file.clone()),
        })
    }
}

fn trusted(config: &OtlpConfig) -> ClientFiles<'_> {
    let authorities = config.ca_file.as_deref().map(|path| PemFile {
        key: "otlp.ca_file",
        path,
    });
    ClientFiles {
        authorities,
        identity: None,
    }
}
