//! Certificates for tests, made by the OpenSSL that librdkafka is built with.

use std::{fs, path::PathBuf};

use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    symm::Cipher,
    x509::{X509, X509NameBuilder, extension::SubjectAlternativeName},
};
use tempfile::TempDir;

use crate::config::ServerTlsConfig;

/// A certificate of 127.0.0.1 that vouches for itself, and its key.
pub(super) struct Pair {
    pub(super) certificate: X509,
    pub(super) key: PKey<Private>,
}

impl Pair {
    /// Valid until tomorrow.
    pub(super) fn new() -> Self {
        let tomorrow = Asn1Time::days_from_now(1).expect("a time");
        Self::until(&tomorrow)
    }

    pub(super) fn until(not_after: &Asn1TimeRef) -> Self {
        let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
        let key = PKey::from_ec_key(EcKey::generate(&curve).expect("a key")).expect("a key");
        let certificate = signed(&key, not_after);
        Self { certificate, key }
    }

    pub(super) fn certificate_pem(&self) -> Vec<u8> {
        self.certificate.to_pem().expect("PEM")
    }

    pub(super) fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().expect("PEM")
    }

    pub(super) fn encrypted_key_pem(&self) -> Vec<u8> {
        let key = &self.key;
        let pem = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"hush");
        pem.expect("PEM")
    }
}

fn signed(key: &PKey<Private>, not_after: &Asn1TimeRef) -> X509 {
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_text("CN", "tests").expect("a name");
    let name = name.build();
    let mut builder = X509::builder().expect("a builder");
    let number = BigNum::from_u32(1).and_then(|number| number.to_asn1_integer());
    let begin = Asn1Time::from_unix(0);
    let set = || {
        builder.set_version(2)?;
        builder.set_serial_number(&*number?)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_pubkey(key)?;
        builder.set_not_before(&*begin?)?;
        builder.set_not_after(not_after)?;
        let address = SubjectAlternativeName::new()
            .ip("127.0.0.1")
            .build(&builder.x509v3_context(None, None))?;
        builder.append_extension(address)?;
        builder.sign(key, MessageDigest::sha256())
    };
    set().expect("a certificate");
    builder.build()
}

/// A certificate that is valid until then.
pub(super) fn certificate_until(not_after: &Asn1TimeRef) -> X509 {
    Pair::until(not_after).certificate
}

pub(super) fn der(certificate: &X509) -> Vec<u8> {
    certificate.to_der().expect("DER")
}

/// A listener's files, in a folder of their own.
pub(super) struct Files {
    folder: TempDir,
    pub(super) config: ServerTlsConfig,
}

impl Files {
    pub(super) fn of(pair: &Pair) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Self {
            config: ServerTlsConfig {
                certificate_file: folder.path().join("tls.crt"),
                key_file: folder.path().join("tls.key"),
                client_ca_file: None,
            },
            folder,
        };
        files.write("tls.crt", &pair.certificate_pem());
        files.write("tls.key", &pair.key_pem());
        files
    }

    pub(super) fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).expect("written");
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn requiring_clients_of(mut self, authority: &Pair) -> Self {
        self.write("ca.crt", &authority.certificate_pem());
        self.config.client_ca_file = Some(self.path("ca.crt"));
        self
    }
}
