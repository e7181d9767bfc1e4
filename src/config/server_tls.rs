//! What a listener shows, and whom it asks for a certificate.

use std::path::PathBuf;

use super::{file::readable_file, section::Section};

/// `[grpc.tls]` and `[http.tls]`: the listener speaks TLS. All files are PEM, and
/// are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTlsConfig {
    /// The listener's certificate, with those that lead to its authority.
    /// Required; `TIDEGAUGE_GRPC__TLS__CERTIFICATE_FILE`.
    pub certificate_file: PathBuf,
    /// Its private key, not encrypted. Required;
    /// `TIDEGAUGE_GRPC__TLS__KEY_FILE`.
    pub key_file: PathBuf,
    /// Only of `[grpc.tls]`: the authorities of clients, who must then show a
    /// certificate of one of them. Default: clients show none;
    /// `TIDEGAUGE_GRPC__TLS__CLIENT_CA_FILE`.
    pub client_ca_file: Option<PathBuf>,
}

impl ServerTlsConfig {
    /// Those of a listener that asks nobody for a certificate.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            certificate_file: required(section, "certificate_file"),
            key_file: required(section, "key_file"),
            client_ca_file: None,
        }
    }

    /// Those of one that may.
    pub(super) fn read_mutual(section: &mut Section<'_>) -> Self {
        Self {
            client_ca_file: readable_file(section, "client_ca_file"),
            ..Self::read(section)
        }
    }

    /// The files, whose contents may change.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificate_file, &self.key_file]
            .into_iter()
            .chain(&self.client_ca_file)
    }
}

fn required(section: &mut Section<'_>, key: &'static str) -> PathBuf {
    section.require(key, "the path of a readable PEM file");
    readable_file(section, key).unwrap_or_default()
}
