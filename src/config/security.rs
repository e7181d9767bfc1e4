//! How connections to a cluster are protected. It checks that protocol, TLS and
//! login go together.

use std::{io, path::Path};

use super::{SaslConfig, TlsConfig, section::Section};

const PROTOCOLS: [(&str, SecurityProtocol); 4] = [
    ("PLAINTEXT", SecurityProtocol::Plaintext),
    ("SSL", SecurityProtocol::Ssl),
    ("SASL_PLAINTEXT", SecurityProtocol::SaslPlaintext),
    ("SASL_SSL", SecurityProtocol::SaslSsl),
];

/// How connections to a cluster are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityConfig {
    /// `security_protocol` of the cluster, by Kafka's names. Default
    /// `PLAINTEXT`; `TIDEGAUGE_CLUSTERS__NAME__SECURITY_PROTOCOL`.
    pub protocol: SecurityProtocol,
    /// `[clusters.NAME.tls]`, only with `SSL` or `SASL_SSL`. Without it the
    /// system's authorities are trusted.
    pub tls: Option<TlsConfig>,
    /// `[clusters.NAME.sasl]`: there with `SASL_PLAINTEXT` and `SASL_SSL`, and
    /// only with them.
    pub sasl: Option<SaslConfig>,
}

/// Kafka's `security.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// `PLAINTEXT`: no encryption, no login.
    Plaintext,
    /// `SSL`: TLS, no login but by certificate.
    Ssl,
    /// `SASL_PLAINTEXT`: login without encryption.
    SaslPlaintext,
    /// `SASL_SSL`: login over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Kafka's own name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// Are its connections encrypted?
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Does it log in?
    pub fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl SecurityConfig {
    /// Reads what stands in the cluster's own table.
    pub(super) fn read(cluster: &mut Section<'_>) -> Self {
        let protocol = cluster.choice("security_protocol", &PROTOCOLS);
        let security = Self {
            protocol: protocol.unwrap_or(SecurityProtocol::Plaintext),
            tls: cluster.optional_table("tls", TlsConfig::read),
            sasl: cluster.optional_table("sasl", SaslConfig::read),
        };
        // Nothing follows from a protocol that could not be read.
        if protocol.is_some() || !cluster.has("security_protocol") {
            security.check(cluster);
        }
        security
    }

    /// The files that it names: what they hold may change.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let tls = self.tls.iter().flat_map(TlsConfig::files);
        tls.chain(self.sasl.iter().flat_map(SaslConfig::files))
    }

    /// The same with each secret that came from a file as the file has it now.
    pub fn read_again(&self) -> io::Result<Self> {
        Ok(Self {
            protocol: self.protocol,
            tls: self.tls.as_ref().map(TlsConfig::read_again).transpose()?,
            sasl: self.sasl.as_ref().map(SaslConfig::read_again).transpose()?,
        })
    }

    fn check(&self, cluster: &mut Section<'_>) {
        let protocol = self.protocol.as_str();
        let found = format!("does not go with {protocol}");
        if self.tls.is_some() && !self.protocol.has_tls() {
            let accepted = "security_protocol SSL or SASL_SSL, or no tls";
            cluster.refuse_unseen("tls", &found, accepted);
        }
        if self.sasl.is_some() && !self.protocol.has_sasl() {
            let accepted = "security_protocol SASL_PLAINTEXT or SASL_SSL, or no sasl";
            cluster.refuse_unseen("sasl", &found, accepted);
        }
        if self.protocol.has_sasl() {
            let accepted = format!("a table, since security_protocol is {protocol}");
            cluster.require("sasl", accepted);
        }
    }
}
