//! Beside a real Kafka that is logged in to with tokens of an OAuth 2.0 server.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;
use tidegauge::kafka::Producer;

use super::support::{
    eventually,
    kafka::{Broker, Distribution, Setup, kafka_or_skip},
    scaler::{Scaler, configuration},
    token_server::{CLIENT_ID, SCOPE, SECRET, TokenServer},
};

const METADATA: &[(&str, &str)] = &[
    ("consumerGroup", "billing"),
    ("topic", "orders"),
    ("lagThreshold", "1000"),
];
/// Librdkafka looks once a second whether four fifths of a token's life are
/// over: shorter, and a token could end before it is replaced.
const LIFE_S: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_and_replaced_before_it_ends() {
    let Some(kafka) = kafka_or_skip("a_token_is_fetched_and_replaced_before_it_ends") else {
        return;
    };
    let broker = broker(&kafka);
    let tokens = TokenServer::start(LIFE_S).await;
    let folder = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&logging_in(&folder, &broker, &tokens));
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 70.0);
    assert_eq!(tokens.granted(), 1, "one token serves all connections");

    eventually("a second token is there, and a third", async || {
        assert_eq!(not_well(&scaler).await, "", "well all the time");
        (tokens.granted() >= 3).then_some(())
    })
    .await;
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 70.0);
    assert_eq!(tokens.refused(), 0);
    let log = scaler.log();
    assert!(!log.contains("no token"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_client_secret_is_told_and_a_right_one_is_picked_up() {
    let name = "a_wrong_client_secret_is_told_and_a_right_one_is_picked_up";
    let Some(kafka) = kafka_or_skip(name) else {
        return;
    };
    let broker = broker(&kafka);
    let tokens = TokenServer::start(LIFE_S).await;
    tokens.change_secret("another secret");
    let folder = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&logging_in(&folder, &broker, &tokens));
    let told = "the token server refuses: invalid_client (wrong client\\nor secret)";
    eventually("/readyz tells what the token server says", async || {
        not_well(&scaler).await.contains(told).then_some(())
    })
    .await;
    let (_, metrics) = scaler.get("/metrics").await;
    assert!(metrics.contains("not_authenticated"), "{metrics}");
    let refusal = scaler.told(METADATA).await.expect_err("nothing was read");
    assert_eq!(refusal.code(), tonic::Code::Unavailable);

    fs::write(secret_file(folder.path()), "another secret\n").unwrap();
    eventually("the new secret is picked up", async || {
        let told = scaler.told(METADATA).await.ok()?;
        assert_eq!(told.value, 70.0);
        not_well(&scaler).await.is_empty().then_some(())
    })
    .await;
    let log = scaler.log();
    assert!(log.contains("invalid_client"), "{log}");
    assert!(log.contains("there is a token again"), "{log}");
    for secret in [SECRET, "another secret", "eyJ"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_without_the_token_server_while_the_token_lives() {
    let name = "reads_go_on_without_the_token_server_while_the_token_lives";
    let Some(kafka) = kafka_or_skip(name) else {
        return;
    };
    let broker = broker(&kafka);
    let tokens = TokenServer::start(LIFE_S).await;
    let folder = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&logging_in(&folder, &broker, &tokens));
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 70.0);

    tokens.break_down(true);
    eventually("the next token is asked for in vain", async || {
        assert_eq!(not_well(&scaler).await, "", "the first one lives");
        (tokens.refused() > 0).then_some(())
    })
    .await;
    eventually("a gap when it has ended", async || {
        let told = "the token server answers with status 503";
        not_well(&scaler).await.contains(told).then_some(())
    })
    .await;

    tokens.break_down(false);
    eventually("well again", async || {
        not_well(&scaler).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(scaler.told(METADATA).await.unwrap().value, 70.0);
    let path = "/api/v1/history?group=billing&topic=orders&step=raw&metric=lag";
    let history = scaler.json(path).await;
    let rows = history.as_array().unwrap().iter();
    let lags: Vec<_> = rows.map(|row| row["lag"].as_i64()).collect();
    assert!(lags.contains(&None), "a gap is null: {history}");
    assert!(
        lags.iter().flatten().all(|lag| *lag == 70),
        "and never 0: {history}"
    );
}

/// A broker that takes unsigned tokens beside its open listener, with a group
/// that lags by 70.
fn broker(kafka: &Distribution) -> Broker {
    let listener = "listener.name.tokens";
    let login = format!("{listener}.oauthbearer.sasl.jaas.config");
    let broker = Broker::start_as(
        kafka,
        Setup {
            listeners: &[("TOKENS", "SASL_PLAINTEXT")],
            properties: &[
                (
                    &format!("{listener}.sasl.enabled.mechanisms"),
                    "OAUTHBEARER",
                ),
                (
                    &login,
                    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
                     unsecuredLoginStringClaim_sub=\"broker\";",
                ),
                // Without it a connection outlives its token.
                (
                    &format!("{listener}.oauthbearer.connections.max.reauth.ms"),
                    "3600000",
                ),
            ],
            ..Setup::default()
        },
    );
    broker.create_topic("orders", 1, &[]);
    let producer = Producer::connect(broker.bootstrap()).unwrap();
    producer.send("orders", Some(0), 100).unwrap();
    producer.flush().unwrap();
    broker.reset_offsets("billing", "orders", &["--to-offset", "30"]);
    broker
}

fn logging_in(folder: &TempDir, broker: &Broker, tokens: &TokenServer) -> String {
    fs::write(secret_file(folder.path()), SECRET).unwrap();
    let rest = format!(
        r#"
security_protocol = "SASL_PLAINTEXT"
[clusters.main.sasl]
mechanism = "OAUTHBEARER"
token_endpoint = "{}"
client_id = "{CLIENT_ID}"
client_secret_file = {:?}
scope = "{SCOPE}"
extensions = {{ traceId = "story" }}
"#,
        tokens.endpoint(),
        secret_file(folder.path()),
    );
    configuration(&folder.path().join("data"), &broker.listeners()[0], &rest)
}

fn secret_file(folder: &Path) -> std::path::PathBuf {
    folder.join("client-secret")
}

/// What is not well; empty if all is. That a busy machine polls late is
/// another matter.
async fn not_well(scaler: &Scaler) -> String {
    let (_, body) = scaler.get("/readyz").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let reasons = body["reasons"].as_array().unwrap().iter();
    let messages = reasons.map(|reason| reason["message"].as_str().unwrap());
    let messages: Vec<_> = messages
        .filter(|message| !message.starts_with("stale"))
        .collect();
    messages.join("\n")
}
