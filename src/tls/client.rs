//! TLS towards those whom we ask.

use std::sync::Arc;

use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, Error, crypto::ring};

use super::pem::{PemFile, Unusable};

/// Connects to `http` and `https` addresses.
pub type Connector = HttpsConnector<HttpConnector>;

/// What is spoken over the connection.
#[derive(Debug, Clone, Copy)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Whom to trust, and who we are.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientFiles<'a> {
    /// The authorities that are trusted; without it, the system's.
    pub authorities: Option<PemFile<'a>>,
    /// Our certificate and its private key.
    pub identity: Option<(PemFile<'a>, PemFile<'a>)>,
}

/// There is no TLS to ask over.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    /// A file is of no use.
    #[error(transparent)]
    File(#[from] Unusable),
    /// The system's authorities can't be read.
    #[error("the system's authorities cannot be read: {0}")]
    System(#[source] std::io::Error),
}

impl ClientFiles<'_> {
    /// Reads the files, and blocks for it.
    pub fn connector(self, protocol: Protocol) -> Result<Connector, NoClient> {
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config(self.config()?)
            .https_or_http();
        Ok(match protocol {
            Protocol::Http1 => builder.enable_http1().build(),
            Protocol::Http2 => builder.enable_http2().build(),
        })
    }

    /// Are the files of use? For clients that make their own TLS of them. Reads
    /// them, and blocks for it.
    pub fn check(self) -> Result<(), NoClient> {
        self.config().map(drop)
    }

    /// For a client that is no HTTP client. Reads the files, and blocks for it.
    pub(crate) fn config(self) -> Result<ClientConfig, NoClient> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has all suites of both versions");
        let builder = match self.authorities {
            Some(file) => builder.with_root_certificates(file.authorities()?.0),
            None => builder.with_native_roots().map_err(NoClient::System)?,
        };
        let Some((certificate, key)) = self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let config = builder.with_client_auth_cert(certificate.certificates()?, key.private_key()?);
        Ok(config.map_err(|why| match why {
            Error::InconsistentKeys(_) => key.bad_key("it is the key of another certificate"),
            Error::InvalidCertificate(_) => certificate.bad_certificates(why),
            _ => key.bad_key(why),
        })?)
    }
}
