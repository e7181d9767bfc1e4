//! What a listener shows, and whom it asks for a certificate.

use std::sync::Arc;

use rustls::{
    Error, ServerConfig,
    crypto::ring,
    pki_types::CertificateDer,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{Listener, pem::PemFile, pem::Unusable, validity::not_after};
use crate::{config::ServerTlsConfig, model::TimestampMs};

/// What a listener's files were made into.
#[derive(Debug)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    certificates: Vec<Certificate>,
}

/// A file of certificates, and until when they are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certificate {
    /// What they are for.
    pub role: Role,
    /// When the first of them expires.
    pub not_after: TimestampMs,
}

/// What certificates are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The listener's own, with those that lead to its authority.
    Server,
    /// The authorities of its clients.
    ClientAuthority,
}

impl Role {
    /// A word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::ClientAuthority => "client_ca",
        }
    }
}

impl ServerTls {
    /// Reads the files of `listener`, and blocks for it. A certificate that has
    /// expired is taken: who verifies it says so to its people.
    pub fn read(listener: Listener, files: &ServerTlsConfig) -> Result<Self, Unusable> {
        let named = |key| format!("{}.{key}", listener.table());
        let (certificate_key, key_key) = (named("certificate_file"), named("key_file"));
        let certificate_file = PemFile {
            key: &certificate_key,
            path: &files.certificate_file,
        };
        let key_file = PemFile {
            key: &key_key,
            path: &files.key_file,
        };
        let chain = certificate_file.certificates()?;
        let own = earliest(&chain, Role::Server);
        let own = own.ok_or_else(|| certificate_file.bad_certificates("it can't be decoded"))?;
        let mut certificates = vec![own];

        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has all suites of both versions");
        let client_ca_key = named("client_ca_file");
        let builder = match &files.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let key = &client_ca_key;
                let (verifier, authority) = clients_of(PemFile { key, path })?;
                certificates.push(authority);
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder.with_single_cert(chain, key_file.private_key()?);
        let mut config = config.map_err(|why| match why {
            Error::InconsistentKeys(_) => key_file.bad_key("it is the key of another certificate"),
            Error::InvalidCertificate(_) => certificate_file.bad_certificates(why),
            _ => key_file.bad_key(why),
        })?;
        config.alpn_protocols = vec![listener.protocol().to_vec()];
        // Who comes again shows a certificate again, which may have expired.
        if files.client_ca_file.is_some() {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self {
            config: Arc::new(config),
            certificates,
        })
    }

    /// The files of certificates, the listener's own first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }
}

impl Certificate {
    /// Has one of them expired?
    pub fn has_expired(&self, now: TimestampMs) -> bool {
        self.not_after <= now
    }
}

/// A client must show a certificate of one of the authorities in `file`.
fn clients_of(file: PemFile<'_>) -> Result<(Arc<dyn ClientCertVerifier>, Certificate), Unusable> {
    let (roots, certificates) = file.authorities()?;
    let authority = earliest(&certificates, Role::ClientAuthority);
    let authority = authority.ok_or_else(|| file.bad_authorities("it can't be decoded"))?;
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
    let verifier = verifier.map_err(|why| file.bad_authorities(why))?;
    Ok((verifier, authority))
}

/// `None` if one of them can't be read.
fn earliest(certificates: &[CertificateDer<'_>], role: Role) -> Option<Certificate> {
    let ends: Option<Vec<_>> = certificates.iter().map(|der| not_after(der)).collect();
    let not_after = ends?.into_iter().min()?;
    Some(Certificate { role, not_after })
}

#[cfg(test)]
mod tests {
    use openssl::asn1::Asn1Time;

    use super::{
        super::testing::{Files, Pair},
        *,
    };

    #[test]
    fn what_is_of_no_use_is_named_with_its_key() {
        let (pair, other) = (Pair::new(), Pair::new());
        let certificate = pair.certificate_pem();
        let both = [certificate.as_slice(), b"-----BEGIN CERTIFICATE-----\n"].concat();
        let no_der = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (name, content, key, why) in [
            (
                "tls.crt",
                &b""[..],
                "certificate_file",
                "there is no certificate in it",
            ),
            ("tls.crt", b"\xff\xfe", "certificate_file", "valid UTF-8"),
            ("tls.crt", &both, "certificate_file", "end"),
            ("tls.crt", no_der, "certificate_file", "it can't be decoded"),
            ("tls.key", b"", "key_file", "there is no private key in it"),
            (
                "tls.key",
                &certificate,
                "key_file",
                "there is no private key in it",
            ),
            (
                "tls.key",
                &pair.encrypted_key_pem(),
                "key_file",
                "the key is encrypted",
            ),
            (
                "tls.key",
                &other.key_pem(),
                "key_file",
                "it is the key of another certificate",
            ),
            (
                "ca.crt",
                b"",
                "client_ca_file",
                "there is no certificate in it",
            ),
            ("ca.crt", no_der, "client_ca_file", ""),
        ] {
            let files = Files::of(&pair).requiring_clients_of(&other);
            files.write(name, content);
            let unusable = ServerTls::read(Listener::Grpc, &files.config);
            let unusable = unusable.expect_err(why);
            assert_eq!(unusable.key, format!("grpc.tls.{key}"));
            assert_eq!(unusable.path, files.path(name));
            assert!(unusable.why.contains(why), "{unusable}");
        }
        let files = Files::of(&pair);
        std::fs::remove_file(files.path("tls.key")).expect("removed");
        let unusable = ServerTls::read(Listener::Http, &files.config);
        let message = unusable.expect_err("no key").to_string();
        let path = files.path("tls.key");
        let expected = format!(
            "http.tls.key_file is {path:?}: No such file or directory (os error 2); accepted is \
             a PEM file with one private key that is not encrypted"
        );
        assert_eq!(message, expected);
    }

    #[test]
    fn the_first_to_expire_is_told_and_what_has_expired_is_taken() {
        let until = |seconds| Pair::until(&Asn1Time::from_unix(seconds).expect("a time"));
        let (own, intermediate) = (until(2_000), until(1_000));
        let files = Files::of(&own).requiring_clients_of(&until(3_000));
        let chain = [own.certificate_pem(), intermediate.certificate_pem()].concat();
        files.write("tls.crt", &chain);
        let tls = ServerTls::read(Listener::Grpc, &files.config).expect("taken");
        let certificate = |role, seconds: i64| Certificate {
            role,
            not_after: TimestampMs(seconds * 1_000),
        };
        let expected = [
            certificate(Role::Server, 1_000),
            certificate(Role::ClientAuthority, 3_000),
        ];
        assert_eq!(tls.certificates(), expected);
        assert!(expected[0].has_expired(TimestampMs(1_000_000)));
        assert!(!expected[0].has_expired(TimestampMs(999_999)));
    }
}
