//! Whose certificate is believed.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    ssl::{SslAcceptor, SslMethod},
    x509::{X509, X509NameBuilder, extension::SubjectAlternativeName},
};

use super::*;

/// A certificate of 127.0.0.1 that vouches for itself.
fn certificate(name: &str) -> (X509, PKey<Private>) {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let key = PKey::from_ec_key(EcKey::generate(&curve).expect("a key")).expect("a key");
    let mut names = X509NameBuilder::new().expect("a name");
    names.append_entry_by_text("CN", name).expect("a name");
    let name = names.build();
    let mut builder = X509::builder().expect("a builder");
    let number = BigNum::from_u32(1).and_then(|number| number.to_asn1_integer());
    let today = (Asn1Time::from_unix(0), Asn1Time::days_from_now(1));
    let set = || {
        builder.set_version(2)?;
        builder.set_serial_number(&*number?)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_pubkey(&key)?;
        builder.set_not_before(&*today.0?)?;
        builder.set_not_after(&*today.1?)?;
        let address = SubjectAlternativeName::new()
            .ip("127.0.0.1")
            .build(&builder.x509v3_context(None, None))?;
        builder.append_extension(address)?;
        builder.sign(&key, MessageDigest::sha256())
    };
    set().expect("a certificate");
    (builder.build(), key)
}

/// Answers requests with a token, over TLS, until the test ends.
fn serving(certificate: &X509, key: &PKey<Private>) -> SocketAddr {
    let mut acceptor = SslAcceptor::mozilla_modern_v5(SslMethod::tls()).expect("TLS");
    acceptor.set_certificate(certificate).expect("accepted");
    acceptor.set_private_key(key).expect("accepted");
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = http("200 OK", "", r#"{"access_token":"t","expires_in":60}"#);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who does not believe the certificate hangs up.
            let Ok(mut stream) = acceptor.accept(stream) else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[tokio::test]
async fn only_the_authorities_in_the_file_are_believed() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let trust = |certificate: &X509| {
        let pem = certificate.to_pem().expect("PEM");
        std::fs::write(file.path(), pem).expect("written");
    };
    let (ours, key) = certificate("ours");
    let (other, _) = certificate("other");
    let address = serving(&ours, &key);
    let endpoint = endpoint("https", address, Some(file.path()));

    trust(&other);
    let found = endpoint
        .fetch()
        .await
        .expect_err("not believed")
        .to_string();
    assert!(found.contains("UnknownIssuer"), "{found}");
    // The same endpoint: the file is read again.
    trust(&ours);
    let token = endpoint.fetch().await.expect("believed");
    assert_eq!(token.value.expose(), "t");

    let by_name = format!("https://localhost:{}/token", address.port());
    let mut config = (*endpoint.0).clone();
    config.token_endpoint = by_name.parse().expect("a URL");
    let found = TokenEndpoint::new(config).fetch().await;
    let found = found.expect_err("another name").to_string();
    assert!(found.contains("not valid for name"), "{found}");
}
