//! TLS towards a server that we ask.

use std::path::{Path, PathBuf};

use super::{file::readable_file, section::Section};

/// Its keys.
pub(super) const KEYS: [&str; 3] = ["ca_file", "certificate_file", "key_file"];

/// Whom to trust, and who we are. All files are PEM, and those that are new are
/// taken for the next connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTlsConfig {
    /// `ca_file`: the authorities that may have signed the server's certificate.
    /// Default: the system's.
    pub ca_file: Option<PathBuf>,
    /// `certificate_file` and `key_file`: our certificate and its private key, both
    /// or neither. Default: none.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl ClientTlsConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let [ca_file, certificate, key] = KEYS.map(|file| readable_file(section, file));
        for (one, other) in [
            ("key_file", "certificate_file"),
            ("certificate_file", "key_file"),
        ] {
            if section.has(one) {
                section.require(other, format!("a file, since there is a {one}"));
            }
        }
        Self {
            ca_file,
            identity: certificate.zip(key),
        }
    }

    /// The files that it is made of.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let identity = self.identity.as_ref();
        let identity = identity.map(|(certificate, key)| [certificate.as_path(), key.as_path()]);
        let authorities = self.ca_file.as_deref().into_iter();
        authorities.chain(identity.into_iter().flatten())
    }
}
