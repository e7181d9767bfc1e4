//! The service for people, Grafana and Prometheus.

use std::net::{Ipv4Addr, SocketAddr};

use super::{AuthConfig, ServerTlsConfig, section::Section};

const DEFAULT_LISTEN: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 8080);

/// `[http]`: health, metrics, JSON, Grafana and the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address and port to listen on. Default `127.0.0.1:8080`, since by default
    /// it asks nobody who they are; `TIDEGAUGE_HTTP__LISTEN`.
    pub listen: SocketAddr,
    /// `[http.tls]`. Default: plain text.
    pub tls: Option<ServerTlsConfig>,
    /// `[http.auth]`. Default: nobody is asked who they are.
    pub auth: Option<AuthConfig>,
}

impl HttpConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            listen: section.address("listen", DEFAULT_LISTEN.into()),
            tls: section.optional_table("tls", ServerTlsConfig::read),
            auth: section.optional_table("auth", AuthConfig::read),
        }
    }
}
