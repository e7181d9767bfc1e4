//! HTTP over TLS, for who is known.

use std::process::{Command, Output};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    certificates::Authority,
    eventually,
    scaler::{PROGRAM, Scaler, configuration},
    tls::Trust,
    volume::Volume,
};

const TOKEN: &str = "a-token-for-prometheus";
const NEW_TOKEN: &str = "a-new-token-for-prometheus";
const PASSWORD: &str = "a password for people";

fn backup(arguments: &[&str], trust: &Trust) -> Output {
    Command::new(PROGRAM)
        .arg("backup")
        .args(arguments)
        .args(trust.arguments())
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_programs_ask_over_tls_and_say_who_they_are() {
    let cluster = EmbeddedCluster::start(1).unwrap();
    let authority = Authority::new("servers");
    let server = authority.issue("scaler", "127.0.0.1");
    let (certificate, key) = (server.certificate_pem(), server.key_pem());
    let held = |token| {
        [
            ("tls.crt", certificate.as_str()),
            ("tls.key", key.as_str()),
            ("token", token),
            ("password", PASSWORD),
        ]
    };
    let secret = Volume::new(&held(TOKEN));
    let data = tempfile::tempdir().unwrap();
    let http = format!(
        "[http]\ntls = {{ certificate_file = {:?}, key_file = {:?} }}\n\
         auth = {{ bearer_token_file = {:?}, user = \"gauge\", password_file = {:?} }}",
        secret.file("tls.crt"),
        secret.file("tls.key"),
        secret.file("token"),
        secret.file("password"),
    );
    let text = configuration(data.path(), &cluster.bootstrap_servers(), "");
    let scaler = Scaler::start(&text.replacen("[http]", &http, 1));
    let trust = Trust::new(&authority);
    let url = format!("https://{}", scaler.http_address());
    let status = async |path: &str, authorization: Option<&str>| {
        let answer = trust.get(&format!("{url}{path}"), authorization).await;
        answer.expect("an answer").0
    };
    let bearer = |token: &str| format!("Bearer {token}");
    let basic = format!("Basic {}", STANDARD.encode(format!("gauge:{PASSWORD}")));

    for path in ["/healthz", "/livez"] {
        assert_eq!(status(path, None).await, 200, "{path}");
    }
    for path in ["/", "/metrics", "/api/v1/groups", "/api/v1/live"] {
        assert_eq!(status(path, None).await, 401, "{path}");
        assert_eq!(status(path, Some(&bearer(NEW_TOKEN))).await, 401, "{path}");
    }
    for path in ["/", "/metrics", "/api/v1/groups"] {
        assert_eq!(status(path, Some(&bearer(TOKEN))).await, 200, "{path}");
        assert_eq!(status(path, Some(&basic)).await, 200, "{path}");
    }
    // Who does not trust the authority, or speaks plain text, gets nothing.
    let stranger = Trust::new(&Authority::new("servers"));
    assert_eq!(stranger.get(&format!("{url}/healthz"), None).await, None);
    let plain = reqwest::get(format!("http://{}/healthz", scaler.http_address())).await;
    assert!(plain.is_err(), "{plain:?}");

    // A backup is made for who is known and on this machine, over TLS too.
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (token, password) = (file("token", TOKEN), file("password", PASSWORD));
    let by_token = [
        "--address",
        scaler.http_address(),
        "--bearer-token-file",
        &token,
    ];
    let by_password = [
        "--address",
        &url,
        "--user",
        "gauge",
        "--password-file",
        &password,
    ];
    for arguments in [&by_token[..], &by_password] {
        let made = backup(arguments, &trust);
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
        let printed = String::from_utf8(made.stdout).unwrap();
        let path = printed.lines().next().unwrap();
        assert!(std::path::Path::new(path).join("manifest.json").exists());
    }
    let unknown = backup(&["--address", &url], &trust);
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(
        !unknown.status.success() && said.contains("nobody knows who asks"),
        "{said}"
    );

    secret.swap(&held(NEW_TOKEN));
    eventually("the new token is known", async || {
        (status("/metrics", Some(&bearer(NEW_TOKEN))).await == 200).then_some(())
    })
    .await;
    assert_eq!(status("/metrics", Some(&bearer(TOKEN))).await, 401);
    let log = scaler.log();
    for secret in [TOKEN, NEW_TOKEN, PASSWORD] {
        assert!(!log.contains(secret), "{log}");
    }
    assert_eq!(log.matches("a request is refused").count(), 1, "{log}");
}
