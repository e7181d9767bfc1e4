//! Names are read over TLS, by a user who may do nothing else.

use tonic::Code;

use super::support::{
    certificates::Authority,
    plugins::{Stage, backlog_becomes, refusal},
    redis::{self, Redis},
    scaler::Scaler,
};

const JIRA: &str = "{\"kafka_prefix\": \"live-jira\"}";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_certificate_reads_names_over_tls() {
    if !redis::is_there("a_user_with_a_certificate_reads_names_over_tls") {
        return;
    }
    let stage = Stage::set().await;
    let (authority, stranger) = (Authority::new("redis-ca"), Authority::new("other-ca"));
    let redis = Redis::start_secured(&authority, "s3cret");
    redis.set("plugin:jira", JIRA);
    redis.set("jira", JIRA);
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let client = authority.issue("tidegauge", "127.0.0.1");
    let ca = write("ca.pem", &authority.certificate_pem());
    let other = write("other.pem", &stranger.certificate_pem());
    let (certificate, key) = (
        write("tls.crt", &client.certificate_pem()),
        write("tls.key", &client.key_pem()),
    );
    let password = write("password", "s3cret\n");
    let redis_at = |pattern: &str, ca: &str| {
        let identity = format!("certificate_file = '{certificate}'\nkey_file = '{key}'");
        let login = format!("user = 'reader'\npassword_file = '{password}'");
        let address = redis.address();
        format!(
            "addresses = ['{address}']\nkey = '{pattern}'\n{login}\n[azul.redis.tls]\n\
             ca_file = '{ca}'\n{identity}"
        )
    };
    let scaler = stage.scaler(&redis_at("plugin:{plugin}", &ca));
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    scaler.terminate().await;

    // What it may not read is said with Redis' words.
    let scaler = stage.scaler(&redis_at("{plugin}x", &ca));
    let refused = refusal(&scaler, "git").await;
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("no permissions"), "{refused}");
    scaler.terminate().await;

    let scaler = stage.scaler(&redis_at("{plugin}", &other));
    let refused = refusal(&scaler, "git").await;
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("certificate"), "{refused}");
    scaler.terminate().await;

    let broken = write("broken.pem", "no certificate");
    let configuration = stage.configuration(&redis_at("{plugin}", &broken));
    let log = Scaler::try_start(&configuration).err().expect("it ends");
    assert!(log.contains("azul.redis.tls.ca_file is"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}
