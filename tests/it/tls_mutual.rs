//! KEDA calls over mutual TLS, and certificates change under it.

use std::{error::Error as _, process::Command};

use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    certificates::{Authority, Identity},
    eventually,
    scaler::{PROGRAM, Scaler, configuration, metric, named_groups, scaled_object},
    tls::Trust,
    volume::{Volume, refs},
};

const GROUP: &[(&str, &str)] = &[("consumerGroup", "g")];
const LOCAL: &str = "127.0.0.1";
const REFUSED: &str = "changed files are refused";

/// A scaler with mutual TLS, its authorities, and what its Secret holds.
struct Setting {
    cluster: EmbeddedCluster,
    server_authority: Authority,
    client_authority: Authority,
    secret: Volume,
    scaler: Scaler,
    _data: tempfile::TempDir,
}

impl Setting {
    async fn new() -> Self {
        let cluster = EmbeddedCluster::start(1).unwrap();
        cluster.create_topic("t", 1).unwrap();
        produce(&cluster, 5);
        cluster.commit_offsets("g", &[("t", 0, 5)]).await.unwrap();
        let (server_authority, client_authority) =
            (Authority::new("servers"), Authority::new("clients"));
        let server = server_authority.issue("scaler", LOCAL);
        let secret = Volume::new(&refs(&files(&server, &server, &client_authority)));
        let data = tempfile::tempdir().unwrap();
        let tls = format!(
            "listen = \"127.0.0.1:0\"\ntls = {{ certificate_file = {:?}, key_file = {:?}, client_ca_file = {:?} }}\n[http]",
            secret.file("tls.crt"),
            secret.file("tls.key"),
            secret.file("ca.crt"),
        );
        let groups = named_groups(&[("g", "t")]);
        let text = configuration(data.path(), &cluster.bootstrap_servers(), &groups);
        let text = text.replacen("listen = \"127.0.0.1:0\"\n[http]", &tls, 1);
        Self {
            scaler: Scaler::start(&text),
            cluster,
            server_authority,
            client_authority,
            secret,
            _data: data,
        }
    }

    fn keda(&self) -> Trust {
        let identity = self.client_authority.issue("keda", LOCAL);
        Trust::new(&self.server_authority).showing(&identity)
    }

    /// What a client is told over a new connection; `None`: it has none.
    async fn told(&self, trust: &Trust) -> Option<bool> {
        let mut client = trust.client(self.scaler.grpc_address()).await.ok()?;
        let answer = client.is_active(scaled_object(GROUP)).await;
        match answer {
            Ok(answer) => Some(answer.into_inner().result),
            // Of TLS 1.3, a client learns only now that its certificate is refused.
            Err(status) if status.source().is_some() => None,
            Err(status) => panic!("{status}"),
        }
    }

    async fn until_counted(&self, result: &str, count: f64) {
        let labels = format!("files=\"grpc.tls\",result={result:?}");
        eventually(&format!("{count} changes are {result}"), async || {
            let found = metric(&self.scaler, "tidegauge_file_reloads_total", &labels).await;
            (found == count).then_some(())
        })
        .await;
    }

    async fn handshakes(&self, result: &str) -> f64 {
        let labels = format!("listener=\"grpc\",result={result:?}");
        metric(&self.scaler, "tidegauge_tls_handshakes_total", &labels).await
    }

    async fn expiry(&self, certificate: &str) -> f64 {
        let labels = format!("listener=\"grpc\",certificate={certificate:?}");
        let name = "tidegauge_tls_certificate_expiry_timestamp_seconds";
        metric(&self.scaler, name, &labels).await
    }

    fn ask(&self, trust: &Trust) -> (bool, String) {
        let output = Command::new(PROGRAM)
            .args(["ask", "--address", self.scaler.grpc_address()])
            .args(trust.arguments())
            .arg("consumerGroup=g")
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(printed).unwrap())
    }
}

fn produce(cluster: &EmbeddedCluster, records: usize) {
    let producer = cluster.producer().unwrap();
    producer.send("t", Some(0), records).unwrap();
    producer.flush().unwrap();
}

fn files(
    certificate: &Identity,
    key: &Identity,
    client_authority: &Authority,
) -> [(&'static str, String); 3] {
    [
        ("tls.crt", certificate.certificate_pem()),
        ("tls.key", key.key_pem()),
        ("ca.crt", client_authority.certificate_pem()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_a_valid_certificate_of_the_right_authority_is_answered() {
    let setting = Setting::new().await;
    let keda = setting.keda();
    let told = eventually("KEDA is answered", async || setting.told(&keda).await);
    assert!(!told.await);

    let ours = || Trust::new(&setting.server_authority);
    let expired = setting.client_authority.issue_expired("keda", LOCAL);
    let other = Authority::new("clients").issue("keda", LOCAL);
    for (refused, trust) in [
        ("none", ours()),
        ("expired", ours().showing(&expired)),
        ("of another authority", ours().showing(&other)),
    ] {
        let before = setting.handshakes("client_certificate").await;
        assert_eq!(setting.told(&trust).await, None, "{refused}");
        let counted = eventually(refused, async || {
            let counted = setting.handshakes("client_certificate").await;
            (counted > before).then_some(())
        });
        counted.await;
        let (success, printed) = setting.ask(&trust);
        assert!(!success, "{refused}: {printed}");
    }
    // Nor does KEDA answer to a scaler of an authority that it does not know.
    let stranger = Trust::new(&Authority::new("servers"));
    assert_eq!(setting.told(&stranger).await, None);
    // Plain text gets no answer at all.
    let plain = tonic::transport::Endpoint::from_shared(format!(
        "http://{}",
        setting.scaler.grpc_address()
    ));
    let plain = plain.unwrap().connect().await;
    if let Ok(channel) = plain {
        let mut client =
            tidegauge::proto::external_scaler_client::ExternalScalerClient::new(channel);
        client.is_active(scaled_object(GROUP)).await.unwrap_err();
    }
    eventually("it is counted", async || {
        (setting.handshakes("not_tls").await >= 1.0).then_some(())
    })
    .await;

    let (success, printed) = setting.ask(&keda);
    assert!(success, "{printed}");
    assert!(printed.contains("kafka-g-topics"), "{printed}");
    assert_eq!(setting.told(&keda).await, Some(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_change_and_no_stream_ends() {
    let setting = Setting::new().await;
    let keda = setting.keda();
    eventually("KEDA is answered", async || setting.told(&keda).await).await;
    let mut client = keda.client(setting.scaler.grpc_address()).await.unwrap();
    let stream = client.stream_is_active(scaled_object(GROUP)).await.unwrap();
    let mut stream = stream.into_inner();
    assert!(!stream.message().await.unwrap().unwrap().result);
    let valid_until = setting.expiry("server").await;
    assert!(setting.expiry("client_ca").await > 1_700_000_000.0);

    // The listener's certificate is of another authority from now on.
    let renewed = Authority::new("renewed");
    let server = renewed.issue_for("scaler", LOCAL, 30);
    let clients = &setting.client_authority;
    setting
        .secret
        .swap(&refs(&files(&server, &server, clients)));
    setting.until_counted("ok", 1.0).await;
    assert_eq!(
        setting.told(&keda).await,
        None,
        "its authority is the old one"
    );
    let identity = clients.issue("keda", LOCAL);
    let keda = Trust::new(&renewed).showing(&identity);
    assert_eq!(setting.told(&keda).await, Some(false));
    assert!(setting.expiry("server").await > valid_until + 20.0 * 86_400.0);

    // What can't be used changes nothing, and is told once.
    let other = renewed.issue("scaler", LOCAL);
    for (count, broken) in [
        (1.0, files(&server, &other, clients)),
        (
            2.0,
            [
                ("tls.crt", String::new()),
                ("tls.key", server.key_pem()),
                ("ca.crt", clients.certificate_pem()),
            ],
        ),
        (
            3.0,
            [
                ("tls.crt", server.certificate_pem()),
                ("tls.key", server.encrypted_key_pem("hush")),
                ("ca.crt", clients.certificate_pem()),
            ],
        ),
    ] {
        setting.secret.swap(&refs(&broken));
        setting.until_counted("refused", count).await;
        assert_eq!(setting.told(&keda).await, Some(false));
        let ready = setting.scaler.json("/readyz").await;
        let reasons = ready["reasons"].as_array().unwrap();
        let reason = reasons.iter().find(|reason| reason["scope"] == "grpc.tls");
        assert_eq!(reason.unwrap()["code"], "refused", "{ready}");
        let well = metric(
            &setting.scaler,
            "tidegauge_file_last_reload_successful",
            "files=\"grpc.tls\"",
        );
        assert_eq!(well.await, 0.0);
    }
    let log = setting.scaler.log();
    assert_eq!(log.matches(REFUSED).count(), 3, "{log}");
    assert!(!log.contains("PRIVATE KEY"), "{log}");

    // The clients' authority changes: whoever is connected stays.
    let new_clients = Authority::new("new clients");
    setting
        .secret
        .swap(&refs(&files(&server, &server, &new_clients)));
    setting.until_counted("ok", 2.0).await;
    assert_eq!(setting.told(&keda).await, None, "of the authority before");
    let identity = new_clients.issue("keda", LOCAL);
    let keda = Trust::new(&renewed).showing(&identity);
    assert_eq!(setting.told(&keda).await, Some(false));
    let ready = setting.scaler.json("/readyz").await;
    assert_eq!(ready["reasons"].as_array().unwrap().len(), 0, "{ready}");

    produce(&setting.cluster, 1);
    assert!(
        stream.message().await.unwrap().unwrap().result,
        "it is still open"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_at_the_start_is_said_by_check_and_by_serve() {
    let authority = Authority::new("servers");
    let (server, other) = (
        authority.issue("scaler", LOCAL),
        authority.issue("x", LOCAL),
    );
    let secret = Volume::new(&refs(&files(&server, &other, &authority)));
    let data = tempfile::tempdir().unwrap();
    let text = configuration(data.path(), "127.0.0.1:1", "");
    let table = format!(
        "[grpc]\ntls = {{ certificate_file = {:?}, key_file = {:?} }}",
        secret.file("tls.crt"),
        secret.file("tls.key")
    );
    let text = text.replacen("[grpc]", &table, 1);
    let file = data.path().join("tidegauge.toml");
    std::fs::write(&file, &text).unwrap();
    let check = || {
        let output = Command::new(PROGRAM)
            .args(["check", "--config"])
            .arg(&file)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let log = Scaler::try_start(&text).err().expect("it does not start");
    let (success, printed) = check();
    assert!(!success);
    for told in [log, printed] {
        for part in [
            "grpc.tls.key_file",
            "tls.key",
            "the key of another certificate",
            "not encrypted",
        ] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
    }
    let expired = authority.issue_expired("scaler", LOCAL);
    secret.swap(&refs(&files(&expired, &expired, &authority)));
    let (success, printed) = check();
    assert!(success, "{printed}");
    assert!(
        printed.contains("over TLS, certificate expired at 20"),
        "{printed}"
    );
    let scaler = Scaler::start(&text);
    assert!(
        scaler.log().contains("a certificate has expired"),
        "{}",
        scaler.log()
    );
    let (_, ready) = scaler.get("/readyz").await;
    assert!(ready.contains("\"expired\""), "{ready}");
}
