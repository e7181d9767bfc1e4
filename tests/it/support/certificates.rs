//! Certificates for tests, made when they are needed: an authority, and what it
//! signs. The OpenSSL is the one that the scaler itself is built with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    symm::Cipher,
    x509::{
        X509, X509Builder, X509Name, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// X.509's number for version 3.
const VERSION_3: i32 = 2;

/// Signs certificates.
pub(crate) struct Authority(Identity);

/// A certificate and its private key.
pub(crate) struct Identity {
    certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = new_key();
        let mut builder = builder(name, &key, Validity::Days(1));
        let constraints = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(constraints).unwrap();
        builder.set_issuer_name(&named(name)).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self(Identity {
            certificate: builder.build(),
            key,
        })
    }

    /// Signs a certificate that is valid today.
    pub(crate) fn issue(&self, name: &str, ip: &str) -> Identity {
        self.issue_for(name, ip, 1)
    }

    /// Signs one that is valid for so many days.
    pub(crate) fn issue_for(&self, name: &str, ip: &str, days: u32) -> Identity {
        self.sign(name, ip, Validity::Days(days))
    }

    /// Signs one that has expired.
    pub(crate) fn issue_expired(&self, name: &str, ip: &str) -> Identity {
        self.sign(name, ip, Validity::Expired)
    }

    /// What those hold who trust it.
    pub(crate) fn certificate_pem(&self) -> String {
        self.0.certificate_pem()
    }

    fn sign(&self, name: &str, ip: &str, validity: Validity) -> Identity {
        let key = new_key();
        let mut builder = builder(name, &key, validity);
        let issuer = &self.0.certificate;
        builder.set_issuer_name(issuer.subject_name()).unwrap();
        let context = builder.x509v3_context(Some(issuer), None);
        let names = SubjectAlternativeName::new().ip(ip).build(&context);
        builder.append_extension(names.unwrap()).unwrap();
        builder.sign(&self.0.key, MessageDigest::sha256()).unwrap();
        Identity {
            certificate: builder.build(),
            key,
        }
    }
}

impl Identity {
    pub(crate) fn certificate_pem(&self) -> String {
        text(self.certificate.to_pem().unwrap())
    }

    pub(crate) fn key_pem(&self) -> String {
        text(self.key.private_key_to_pem_pkcs8().unwrap())
    }

    /// The private key, encrypted.
    pub(crate) fn encrypted_key_pem(&self, password: &str) -> String {
        let cipher = Cipher::aes_256_cbc();
        let pem = self
            .key
            .private_key_to_pem_pkcs8_passphrase(cipher, password.as_bytes());
        text(pem.unwrap())
    }
}

#[derive(Clone, Copy)]
enum Validity {
    Days(u32),
    Expired,
}

/// A certificate in the making, with a number of its own.
fn builder(name: &str, key: &PKey<Private>, validity: Validity) -> X509Builder {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (begin, end) = match validity {
        Validity::Days(days) => (now - DAY, now + days * DAY),
        Validity::Expired => (now - 2 * DAY, now - DAY),
    };
    let at = |time: Duration| Asn1Time::from_unix(time.as_secs().try_into().unwrap()).unwrap();
    let mut number = BigNum::new().unwrap();
    number.rand(64, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(VERSION_3).unwrap();
    builder
        .set_serial_number(&Asn1Integer::from_bn(&number).unwrap())
        .unwrap();
    builder.set_subject_name(&named(name)).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&at(begin)).unwrap();
    builder.set_not_after(&at(end)).unwrap();
    builder
}

fn new_key() -> PKey<Private> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap()
}

fn named(name: &str) -> X509Name {
    let mut builder = X509NameBuilder::new().unwrap();
    builder.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    builder.build()
}

fn text(pem: Vec<u8>) -> String {
    String::from_utf8(pem).unwrap()
}
