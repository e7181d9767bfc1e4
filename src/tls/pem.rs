//! What PEM files hold.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::config::read_text;

/// Largest file, far above all authorities that a system trusts.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
const CERTIFICATES: &str = "a PEM file of one certificate or more, the listener's own first";
const AUTHORITIES: &str = "a PEM file with the certificates of authorities";
const KEY: &str = "a PEM file with one private key that is not encrypted";

/// A file is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {path:?}: {why}; accepted is {accepted}")]
pub struct Unusable {
    /// The key of the configuration, or the argument, that names the file.
    pub key: String,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, without anything that it holds.
    pub why: String,
    /// What would be accepted.
    pub accepted: &'static str,
}

/// A PEM file, and what names it: a key of the configuration or an argument.
#[derive(Debug, Clone, Copy)]
pub struct PemFile<'a> {
    /// What names it.
    pub key: &'a str,
    /// Where it is.
    pub path: &'a Path,
}

impl PemFile<'_> {
    /// A chain of certificates, at least one.
    pub(super) fn certificates(self) -> Result<Vec<CertificateDer<'static>>, Unusable> {
        self.all_certificates(CERTIFICATES)
    }

    /// The certificates of authorities, at least one, and themselves as they
    /// were read.
    pub(super) fn authorities(
        self,
    ) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Unusable> {
        let certificates = self.all_certificates(AUTHORITIES)?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            let added = store.add(certificate.clone());
            added.map_err(|why| self.unusable(why, AUTHORITIES))?;
        }
        Ok((store, certificates))
    }

    /// A private key.
    pub(super) fn private_key(self) -> Result<PrivateKeyDer<'static>, Unusable> {
        let pem = self.text(KEY)?;
        if pem.contains("ENCRYPTED") {
            return Err(self.unusable("the key is encrypted", KEY));
        }
        PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| self.unusable("there is no private key in it", KEY))
    }

    /// The key in it is of no use.
    pub(super) fn bad_key(self, why: impl Display) -> Unusable {
        self.unusable(why, KEY)
    }

    /// The certificates in it are of no use.
    pub(super) fn bad_certificates(self, why: impl Display) -> Unusable {
        self.unusable(why, CERTIFICATES)
    }

    /// The authorities in it are of no use.
    pub(super) fn bad_authorities(self, why: impl Display) -> Unusable {
        self.unusable(why, AUTHORITIES)
    }

    fn all_certificates(
        self,
        accepted: &'static str,
    ) -> Result<Vec<CertificateDer<'static>>, Unusable> {
        let pem = self.text(accepted)?;
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
        let certificates: Result<Vec<_>, _> = certificates.collect();
        let certificates = certificates.map_err(|why| self.unusable(why, accepted))?;
        if certificates.is_empty() {
            return Err(self.unusable("there is no certificate in it", accepted));
        }
        Ok(certificates)
    }

    fn text(self, accepted: &'static str) -> Result<String, Unusable> {
        read_text(self.path, MAX_FILE_BYTES).map_err(|why| self.unusable(why, accepted))
    }

    fn unusable(self, why: impl Display, accepted: &'static str) -> Unusable {
        Unusable {
            key: self.key.to_owned(),
            path: self.path.to_owned(),
            why: why.to_string(),
            accepted,
        }
    }
}
