//! Doors to a secured Kafka: each that should open does, and of each that stays
//! shut the reason is told. One scaler knocks at all of them.

use std::path::Path;

use tonic::Code;

use super::support::{
    certificates::Authority,
    eventually,
    kafka::{CERTIFIED, Login, PLAIN, SCRAM_256, SCRAM_512, SecuredBroker, kafka_or_skip},
    scaler::{Scaler, configuration},
    secured::{SecuredCluster, billing, changes_logged, is_told, no_secret_in, with_lag},
};

/// What no door may let out.
const PASSWORDS: [&str; 4] = [
    SCRAM_512.password,
    SCRAM_256.password,
    PLAIN.password,
    WRONG.password,
];
const WRONG: Login = Login {
    password: "hush-wrong",
    ..SCRAM_512
};

/// A shut door: the cluster's name, the code, and words of the reason.
const SHUT: [(&str, &str, &[&str]); 7] = [
    (
        "wrong-password",
        "not_authenticated",
        &["invalid credentials with SASL mechanism SCRAM-SHA-512"],
    ),
    (
        "expired",
        "tls_failed",
        &["subject=/CN=broker", "certificate has expired"],
    ),
    ("elsewhere", "tls_failed", &["IP address mismatch"]),
    (
        "stranger",
        "tls_failed",
        &["unable to get local issuer certificate"],
    ),
    ("forged", "tls_failed", &["alert"]),
    (
        "no-tls",
        "broker_down",
        &["is its listener of this security_protocol?"],
    ),
    (
        "no-name",
        "dns_failed",
        &["Failed to resolve 'no-such-host.invalid:9093'"],
    ),
];
const OPEN: [&str; 4] = ["main", "scram-256", "plain", "certified"];

#[tokio::test(flavor = "multi_thread")]
async fn every_door_opens_or_says_why_not() {
    let Some(kafka) = kafka_or_skip("every_door_opens_or_says_why_not") else {
        return;
    };
    let kafka = SecuredBroker::start(&kafka);
    with_lag(&kafka.broker);
    for user in [SCRAM_512.user, SCRAM_256.user, PLAIN.user] {
        may_see_all(&kafka, user);
    }
    may_see_all(&kafka, &format!("CN={CERTIFIED}"));
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&doors(&kafka, data_dir.path()));

    for cluster in OPEN {
        eventually("the lag is told", async || {
            let told = scaler.told(&billing(cluster)).await.ok()?;
            assert_eq!(told.value, 70.0, "{cluster}");
            Some(())
        })
        .await;
    }
    for (cluster, code, words) in SHUT {
        is_told(&scaler, cluster, code, words).await;
        let status = scaler.told(&billing(cluster)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{cluster}: {status}");
    }
    for cluster in OPEN {
        let told = scaler.told(&billing(cluster)).await.unwrap();
        assert_eq!(told.value, 70.0, "{cluster} is not bothered by the others");
    }

    let log = scaler.log();
    for (cluster, code, _) in SHUT {
        let mut told = changes_logged(&log, cluster);
        told.retain(|change| change["code"] == code);
        assert_eq!(told.len(), 1, "once, not each tick: {told:#?}");
    }
    no_secret_in(&scaler, &PASSWORDS).await;
}

fn doors(kafka: &SecuredBroker, data_dir: &Path) -> String {
    let ca = kafka.put("trusted.pem", &kafka.authority.certificate_pem());
    let stranger = Authority::new("Stranger");
    let strangers_ca = kafka.put("stranger.pem", &stranger.certificate_pem());
    let identity = |name, authority: &Authority| {
        let identity = authority.issue(CERTIFIED, "127.0.0.1");
        let certificate = kafka.put(&format!("{name}.crt"), &identity.certificate_pem());
        let key = kafka.put(&format!("{name}.key"), &identity.key_pem());
        (certificate, key)
    };
    let password = |login: Login| {
        let file = kafka.put(login.password, &format!("{}\n", login.password));
        (login, file)
    };
    let cluster = |name, address| SecuredCluster::new(name, address);
    let login = |name, login| {
        cluster(name, &kafka.login)
            .trusting(&ca)
            .logging_in(password(login))
    };
    let clusters = [
        login("scram-256", SCRAM_256),
        login("plain", PLAIN),
        cluster("certified", &kafka.client_certificate)
            .trusting(&ca)
            .certified_by(identity("certified", &kafka.authority)),
        login("wrong-password", WRONG),
        cluster("expired", &kafka.expired).trusting(&ca),
        cluster("elsewhere", &kafka.elsewhere).trusting(&ca),
        cluster("stranger", &kafka.login)
            .trusting(&strangers_ca)
            .logging_in(password(SCRAM_512)),
        cluster("forged", &kafka.client_certificate)
            .trusting(&ca)
            .certified_by(identity("forged", &stranger)),
        cluster("no-tls", &kafka.login),
        cluster("no-name", "no-such-host.invalid:9093").trusting(&ca),
    ];
    let main = login("main", SCRAM_512).keys();
    let others: String = clusters.iter().map(SecuredCluster::table).collect();
    configuration(data_dir, &kafka.login, &(main + others.as_str()))
}

fn may_see_all(kafka: &SecuredBroker, user: &str) {
    kafka.allow_describe(user, &["--topic", "*", "--group", "*"]);
}
