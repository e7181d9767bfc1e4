//! The service that KEDA calls.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use super::{MINUTE, ServerTlsConfig, section::Section};

const DEFAULT_LISTEN: (Ipv4Addr, u16) = (Ipv4Addr::UNSPECIFIED, 9090);
const DEFAULT_SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// `[grpc]`: the external scaler's service, which KEDA calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcConfig {
    /// Address and port to listen on. Default `0.0.0.0:9090`;
    /// `TIDEGAUGE_GRPC__LISTEN`.
    pub listen: SocketAddr,
    /// How long calls under way may still take at a shutdown, 0 to 5 minutes.
    /// Default 10 seconds; `TIDEGAUGE_GRPC__SHUTDOWN_GRACE`.
    pub shutdown_grace: Duration,
    /// `[grpc.tls]`. Default: plain text.
    pub tls: Option<ServerTlsConfig>,
}

impl GrpcConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let grace = Duration::ZERO..=5 * MINUTE;
        Self {
            listen: section.address("listen", DEFAULT_LISTEN.into()),
            shutdown_grace: section.duration("shutdown_grace", DEFAULT_SHUTDOWN_GRACE, grace),
            tls: section.optional_table("tls", ServerTlsConfig::read_mutual),
        }
    }
}
