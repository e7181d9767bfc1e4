//! Whom to trust, and who we are.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Secret, file::readable_file, section::Section};

/// `[clusters.NAME.tls]`: whom to trust, and who we are. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The authorities that may have signed the brokers' certificates. Default:
    /// the system's; `TIDEGAUGE_CLUSTERS__NAME__TLS__CA_FILE`.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, together with `key_file`. Default: none;
    /// `TIDEGAUGE_CLUSTERS__NAME__TLS__CERTIFICATE_FILE`.
    pub certificate_file: Option<PathBuf>,
    /// Our private key, together with `certificate_file`. Default: none;
    /// `TIDEGAUGE_CLUSTERS__NAME__TLS__KEY_FILE`.
    pub key_file: Option<PathBuf>,
    /// What the private key is encrypted with, from `key_password_file` or
    /// `TIDEGAUGE_CLUSTERS__NAME__TLS__KEY_PASSWORD`, which wins. Default: none.
    pub key_password: Option<Secret>,
}

impl TlsConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let tls = Self {
            ca_file: readable_file(section, "ca_file"),
            certificate_file: readable_file(section, "certificate_file"),
            key_file: readable_file(section, "key_file"),
            key_password: section.secret("key_password", "key_password_file"),
        };
        if section.has("key_file") {
            section.require("certificate_file", "a file, since there is a key_file");
        }
        if section.has("certificate_file") {
            section.require("key_file", "a file, since there is a certificate_file");
        } else if tls.key_password.is_some() {
            section.require("key_file", "a file, since there is a password for it");
        }
        tls
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let pem = [&self.ca_file, &self.certificate_file, &self.key_file];
        let pem = pem.into_iter().filter_map(Option::as_deref);
        pem.chain(self.key_password.as_ref().and_then(Secret::file))
    }

    pub(super) fn read_again(&self) -> io::Result<Self> {
        let key_password = self.key_password.as_ref().map(Secret::read_again);
        Ok(Self {
            key_password: key_password.transpose()?,
            ..self.clone()
        })
    }
}
