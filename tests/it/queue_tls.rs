//! A queue over TLS: the server's certificate is verified, and so is its name.

use std::{fs, path::Path};

use super::support::{
    certificates::Authority,
    eventually,
    postgres::{Postgres, installed, password_file},
    scaler::{Scaler, polling_every},
};

const TASK: &[(&str, &str)] = &[("queue", "work"), ("task", "t"), ("lagThreshold", "100")];

async fn newest_gap(scaler: &Scaler) -> String {
    eventually("a gap", async || {
        let events = scaler
            .json("/api/v1/events?cluster=work&kind=gap_began")
            .await;
        let newest = events.as_array().unwrap().last()?.clone();
        Some(newest["message"].as_str().unwrap().to_owned())
    })
    .await
}

/// The queue over TLS, where `authority` signs.
fn queue(server: &Postgres, password: &Path, authority: &Path) -> String {
    let tls = format!("tls = 'required'\nca_file = '{}'", authority.display());
    server
        .queue("work", password, &tls)
        .replace("tls = 'off'\n", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_of_a_trusted_authority_is_asked() {
    let Some(installed) = installed() else { return };
    let mut server = Postgres::start(&installed).await;
    server.add("t", 30).await;
    let (folder, password) = (tempfile::tempdir().unwrap(), password_file());
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let file = |name: &str| folder.path().join(name);
    fs::write(file("ours.pem"), ours.certificate_pem()).unwrap();
    fs::write(file("others.pem"), others.certificate_pem()).unwrap();
    let start = |data: &str, server: &Postgres, authority: &str| {
        let queue = queue(server, &password, &file(authority));
        Scaler::start(&polling_every(&file(data), "200ms", &queue))
    };

    // Without TLS it is not asked at all.
    let scaler = start("none", &server, "ours.pem");
    let message = newest_gap(&scaler).await;
    assert!(message.contains("server does not support TLS"), "{message}");

    let identity = ours.issue("server", "127.0.0.1");
    server.restart_with_tls(&identity.certificate_pem(), &identity.key_pem());
    let scaler = start("ours", &server, "ours.pem");
    eventually("it is read over TLS", async || {
        let told = scaler.told(TASK).await.ok()?;
        (told.value == 30.0).then_some(())
    })
    .await;
    let client = server.connect().await;
    let over_tls = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                    WHERE application_name = 'tidegauge'";
    let is_encrypted: bool = client.query_one(over_tls, &[]).await.unwrap().get(0);
    assert!(is_encrypted);

    let refused = start("others", &server, "others.pem");
    let message = newest_gap(&refused).await;
    assert!(message.contains("UnknownIssuer"), "{message}");
    assert!(refused.told(TASK).await.is_err());

    let identity = ours.issue("server", "127.0.0.2");
    server.restart_with_tls(&identity.certificate_pem(), &identity.key_pem());
    let misnamed = start("misnamed", &server, "ours.pem");
    let message = newest_gap(&misnamed).await;
    assert!(message.contains("127.0.0.1"), "{message}");
    assert!(misnamed.told(TASK).await.is_err());
}
