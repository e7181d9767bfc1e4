//! TLS of one listener, while the process runs.

use tracing::warn;

use super::{handshakes::Handshakes, pem::Unusable, server::ServerTls};
use crate::{config::ServerTlsConfig, files::Followed, model::TimestampMs};

/// One of the two listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// KEDA calls it.
    Grpc,
    /// People, Grafana and Prometheus ask it.
    Http,
}

impl Listener {
    /// A word for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }

    /// Its table in the configuration.
    pub fn table(self) -> &'static str {
        match self {
            Self::Grpc => "grpc.tls",
            Self::Http => "http.tls",
        }
    }

    /// What is spoken there, by ALPN's name.
    pub(super) fn protocol(self) -> &'static [u8] {
        match self {
            Self::Grpc => b"h2",
            Self::Http => b"http/1.1",
        }
    }
}

/// TLS of one listener: its files, which may change, and how handshakes go.
#[derive(Debug)]
pub struct ListenerTls {
    listener: Listener,
    config: ServerTlsConfig,
    files: Followed<ServerTls>,
    handshakes: Handshakes,
}

impl ListenerTls {
    /// Reads the files, and blocks for it.
    pub fn begin(listener: Listener, config: &ServerTlsConfig) -> Result<Self, Unusable> {
        let paths = config.files().cloned().collect();
        let read = || read(listener, config);
        Ok(Self {
            files: Followed::begin(listener.table(), paths, read)?,
            handshakes: Handshakes::default(),
            config: config.clone(),
            listener,
        })
    }

    /// Takes up what the files hold when that changes, until dropped.
    pub async fn follow(&self) {
        let (listener, config) = (self.listener, self.config.clone());
        self.files.follow(move || read(listener, &config)).await;
    }

    /// Of which listener.
    pub fn listener(&self) -> Listener {
        self.listener
    }

    /// The files.
    pub fn files(&self) -> &Followed<ServerTls> {
        &self.files
    }

    /// How handshakes went.
    pub fn handshakes(&self) -> &Handshakes {
        &self.handshakes
    }
}

fn read(listener: Listener, config: &ServerTlsConfig) -> Result<ServerTls, Unusable> {
    let tls = ServerTls::read(listener, config)?;
    let now = TimestampMs::now();
    for certificate in tls.certificates() {
        if certificate.has_expired(now) {
            let (files, role) = (listener.table(), certificate.role.as_str());
            let since = certificate.not_after;
            warn!(files, role, %since, "a certificate has expired, and who verifies it will refuse it");
        }
    }
    Ok(tls)
}
