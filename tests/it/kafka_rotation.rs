//! Passwords and certificates change under a scaler that goes on.

use super::support::{
    certificates::Identity,
    eventually,
    kafka::{CERTIFIED, Login, SCRAM_512, SecuredBroker, kafka_or_skip},
    scaler::{Scaler, configuration},
    secured::{SecuredCluster, billing, is_told, no_secret_in, produce, with_lag},
    volume::{Volume, refs},
};

const TOO_EARLY: Login = Login {
    password: "hush-too-early",
    ..SCRAM_512
};
const KEY_PASSWORD: &str = "hush-key";
const NEW_KEY_PASSWORD: &str = "hush-new-key";
const IN_USE: &str = "changed passwords or certificates are in use";
const REFUSED: &str = "changed passwords or certificates are refused";
const DONT_WORK: &str = "changed passwords or certificates don't work";

#[tokio::test(flavor = "multi_thread")]
async fn a_password_changes_in_the_file_and_in_kafka() {
    let Some(kafka) = kafka_or_skip("a_password_changes_in_the_file_and_in_kafka") else {
        return;
    };
    let kafka = SecuredBroker::start(&kafka);
    with_lag(&kafka.broker);
    kafka.allow_describe(SCRAM_512.user, &["--topic", "*", "--group", "*"]);
    let secret = Volume::new(&[("password", SCRAM_512.password)]);
    let ca = kafka.put("trusted.pem", &kafka.authority.certificate_pem());
    let main = SecuredCluster::new("main", &kafka.login)
        .trusting(&ca)
        .logging_in((SCRAM_512, secret.file("password")))
        .keys();
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&configuration(data_dir.path(), &kafka.login, &main));
    is_read(&scaler, "main", 70.0).await;

    // The file is ahead of Kafka: nothing is lost by it.
    secret.swap(&[("password", TOO_EARLY.password)]);
    is_logged(&scaler, DONT_WORK).await;
    let log = scaler.log();
    assert!(log.contains(r#""code":"not_authenticated""#), "{log}");
    produce(&kafka.broker, 5);
    is_read(&scaler, "main", 75.0).await;

    kafka.change_password(TOO_EARLY);
    is_logged(&scaler, IN_USE).await;
    // No connection of before is left.
    kafka.broker.restart();
    produce(&kafka.broker, 5);
    is_read(&scaler, "main", 80.0).await;

    // Kafka is ahead of the file.
    kafka.change_password(SCRAM_512);
    kafka.broker.restart();
    let words = ["invalid credentials with SASL mechanism SCRAM-SHA-512"];
    is_told(&scaler, "main", "not_authenticated", &words).await;
    secret.swap(&[("password", SCRAM_512.password)]);
    produce(&kafka.broker, 5);
    is_read(&scaler, "main", 85.0).await;

    let log = scaler.has_logged(DONT_WORK).await;
    assert_eq!(log.matches(DONT_WORK).count(), 1);
    no_secret_in(&scaler, &[SCRAM_512.password, TOO_EARLY.password]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_renewed() {
    let Some(kafka) = kafka_or_skip("a_client_certificate_is_renewed") else {
        return;
    };
    let kafka = SecuredBroker::start(&kafka);
    with_lag(&kafka.broker);
    // Only who has the new certificate may see the group.
    let renewed = "gauge-renewed";
    kafka.allow_describe(&format!("CN={CERTIFIED}"), &["--topic", "*"]);
    kafka.allow_describe(&format!("CN={renewed}"), &["--topic", "*", "--group", "*"]);

    let old = kafka.authority.issue(CERTIFIED, "127.0.0.1");
    let new = kafka.authority.issue(renewed, "127.0.0.1");
    let pair = |certificate: &Identity, key: &Identity, password| {
        let certificate = certificate.certificate_pem();
        [
            ("tls.crt", certificate),
            ("tls.key", key.encrypted_key_pem(password)),
            ("password", password.to_owned()),
        ]
    };
    let secret = Volume::new(&refs(&pair(&old, &old, KEY_PASSWORD)));
    let ca = kafka.put("trusted.pem", &kafka.authority.certificate_pem());
    let main = SecuredCluster::new("main", &kafka.client_certificate)
        .trusting(&ca)
        .certified_by((secret.file("tls.crt"), secret.file("tls.key")))
        .with_key_password(&secret.file("password"))
        .keys();
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&configuration(
        data_dir.path(),
        &kafka.client_certificate,
        &main,
    ));
    scaler.told(&billing("main")).await.unwrap_err();
    let words = ["Group authorization failed"];
    is_told(&scaler, "main", "not_authorized", &words).await;

    // A certificate and the key of another, as while files are written one by one.
    secret.swap(&refs(&pair(&new, &old, KEY_PASSWORD)));
    is_logged(&scaler, REFUSED).await;
    is_told(&scaler, "main", "not_authorized", &words).await;

    secret.swap(&refs(&pair(&new, &new, NEW_KEY_PASSWORD)));
    is_logged(&scaler, IN_USE).await;
    is_read(&scaler, "main", 70.0).await;

    let log = scaler.log();
    assert_eq!(log.matches(REFUSED).count(), 1, "{log}");
    no_secret_in(&scaler, &[KEY_PASSWORD, NEW_KEY_PASSWORD, "PRIVATE KEY"]).await;
}

async fn is_read(scaler: &Scaler, cluster: &str, lag: f64) {
    eventually(&format!("the lag {lag} is told"), async || {
        let told = scaler.told(&billing(cluster)).await.ok()?;
        (told.value == lag).then_some(())
    })
    .await;
}

async fn is_logged(scaler: &Scaler, words: &str) {
    eventually(words, async || scaler.log().contains(words).then_some(())).await;
}
