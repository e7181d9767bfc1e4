//! Whom brokers are trusted by, and who we are to them.

use std::{io, path::Path};

use super::{ClientTlsConfig, Secret, section::Section};

/// `[clusters.NAME.tls]`: the files, and what the key is encrypted with. The
/// environment is `TIDEGAUGE_CLUSTERS__NAME__TLS__` and the key's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// `ca_file`, `certificate_file` and `key_file`.
    pub pem: ClientTlsConfig,
    /// What the private key is encrypted with, from `key_password_file` or
    /// `TIDEGAUGE_CLUSTERS__NAME__TLS__KEY_PASSWORD`, which wins. Default: none.
    pub key_password: Option<Secret>,
}

impl TlsConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let pem = ClientTlsConfig::read(section);
        let key_password = section.secret("key_password", "key_password_file");
        if key_password.is_some() && !section.has("certificate_file") {
            section.require("key_file", "a file, since there is a password for it");
        }
        Self { pem, key_password }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let key_password = self.key_password.as_ref();
        self.pem.files().chain(key_password.and_then(Secret::file))
    }

    pub(super) fn read_again(&self) -> io::Result<Self> {
        let key_password = self.key_password.as_ref().map(Secret::read_again);
        Ok(Self {
            key_password: key_password.transpose()?,
            ..self.clone()
        })
    }
}
