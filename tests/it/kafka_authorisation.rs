//! What a scaler may not see is a gap with that reason, and nothing else is; and
//! what it must be allowed at the least.

use super::support::{
    eventually,
    kafka::{SCRAM_256, SCRAM_512, SecuredBroker, kafka_or_skip},
    scaler::{Scaler, configuration},
    secured::{SecuredCluster, billing, with_lag},
};

const GROUPS: &str = r#"
discover = true
include = [".*"]
[[clusters.main.groups.named]]
group = "billing"
topics = ["orders", "payroll"]
[[clusters.main.groups.named]]
group = "salaries"
topics = ["orders"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forbidden_is_a_gap_of_its_own() {
    let Some(kafka) = kafka_or_skip("what_is_forbidden_is_a_gap_of_its_own") else {
        return;
    };
    let kafka = SecuredBroker::start(&kafka);
    with_lag(&kafka.broker);
    kafka.broker.create_topic("payroll", 1, &[]);
    kafka
        .broker
        .reset_offsets("salaries", "orders", &["--to-offset", "90"]);
    // The least there is, and what makes it cheaper and quieter.
    let least = ["--topic", "orders", "--group", "billing"];
    let advised = ["--topic", "__consumer_offsets", "--group", "tidegauge"];
    kafka.allow_describe(SCRAM_512.user, &least);
    kafka.allow_describe(SCRAM_256.user, &least);
    kafka.allow_describe(SCRAM_256.user, &advised);

    let data_dir = tempfile::tempdir().unwrap();
    let ca = kafka.put("trusted.pem", &kafka.authority.certificate_pem());
    let cluster = |name, login: super::support::kafka::Login| {
        let password = kafka.put(login.password, login.password);
        SecuredCluster::new(name, &kafka.login)
            .trusting(&ca)
            .logging_in((login, password))
    };
    let main = cluster("main", SCRAM_512).keys() + "[clusters.main.groups]" + GROUPS;
    let advised = cluster("advised", SCRAM_256).table();
    let scaler = Scaler::start(&configuration(
        data_dir.path(),
        &kafka.login,
        &(main + advised.as_str()),
    ));

    for cluster in ["main", "advised"] {
        eventually("what is allowed is told", async || {
            let told = scaler.told(&billing(cluster)).await.ok()?;
            assert_eq!(told.value, 70.0, "{cluster}");
            Some(())
        })
        .await;
    }
    let forbidden = [
        "group \"salaries\": Broker: Group authorization failed",
        "topic \"payroll\": Broker: Topic authorization failed",
    ];
    eventually("there are gaps", async || {
        (!gaps(&scaler).await.is_empty()).then_some(())
    })
    .await;
    let forbidden = forbidden.map(|gap| ("not_authorized".to_owned(), gap.to_owned()));
    assert_eq!(gaps(&scaler).await, forbidden);
    let (_, metrics) = scaler.get("/metrics").await;
    let metric = "tidegauge_gaps{cluster_name=\"main\",reason=\"not_authorized\"} 2";
    assert!(metrics.contains(metric), "{metrics}");
    scaler.has_logged(r#""code":"not_authorized""#).await;
    assert_eq!(
        scaler.told(&billing("main")).await.unwrap().value,
        70.0,
        "the rest goes on"
    );

    let rest = ["--topic", "payroll", "--group", "salaries"];
    kafka.allow_describe(SCRAM_512.user, &rest);
    eventually("what is allowed now is read", async || {
        gaps(&scaler).await.is_empty().then_some(())
    })
    .await;
    let salaries = [
        ("cluster", "main"),
        ("consumerGroup", "salaries"),
        ("topic", "orders"),
    ];
    assert_eq!(scaler.told(&salaries).await.unwrap().value, 10.0);
}

/// Codes and messages of what `/readyz` has to say of the cluster `main`.
async fn gaps(scaler: &Scaler) -> Vec<(String, String)> {
    let (_, readiness) = scaler.get("/readyz").await;
    let readiness: serde_json::Value = serde_json::from_str(&readiness).unwrap();
    let text =
        |reason: &serde_json::Value, key: &str| reason[key].as_str().unwrap_or_default().to_owned();
    let reasons = readiness["reasons"].as_array().unwrap().iter();
    reasons
        .filter(|reason| reason["scope"] == "cluster main" && reason["code"].is_string())
        .map(|reason| (text(reason, "code"), text(reason, "message")))
        .collect()
}
