//! A namespace asks for its own groups only, and a reload takes a right away.

use std::{fs, process::Command};

use tidegauge::{kafka::EmbeddedCluster, proto::ScaledObjectRef};
use tonic::Code;

use super::support::{
    eventually,
    scaler::{PROGRAM, Scaler, configuration, metric, named_groups, scaled_object},
};

const RULES: &str = "[access]\nnamespaces = ['^team-']\n\
                     [access.rules.a]\nnamespaces = ['^team-a$']\ngroups = ['^a-']\n";

fn object(namespace: &str, group: &str) -> ScaledObjectRef {
    ScaledObjectRef {
        namespace: namespace.to_owned(),
        ..scaled_object(&[("consumerGroup", group)])
    }
}

fn ask(scaler: &Scaler, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(PROGRAM)
        .args(["ask", "--address", scaler.grpc_address()])
        .args(arguments)
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(printed).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_told_of_its_own_groups_only() {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 1).unwrap();
    for group in ["a-orders", "b-orders"] {
        cluster.commit_offsets(group, &[("t", 0, 0)]).await.unwrap();
    }
    let data = tempfile::tempdir().unwrap();
    let groups = named_groups(&[("a-orders", "t"), ("b-orders", "t")]);
    let text = configuration(data.path(), &cluster.bootstrap_servers(), &groups);
    let file = data.path().join("tidegauge.toml");
    fs::write(&file, format!("{text}{RULES}")).unwrap();
    let scaler = Scaler::follow(&file);
    let mut client = scaler.client().await;

    let stream = client.stream_is_active(object("team-a", "a-orders"));
    let mut stream = stream.await.unwrap().into_inner();
    assert!(!stream.message().await.unwrap().unwrap().result);
    for (namespace, group, key) in [
        ("team-a", "b-orders", "access.rules"),
        ("team-b", "b-orders", "access.rules"),
        ("payments", "a-orders", "access.namespaces"),
    ] {
        let denied = client
            .is_active(object(namespace, group))
            .await
            .unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
        assert!(denied.message().contains(key), "{denied}");
    }
    assert_eq!(metric(&scaler, "tidegauge_watches", "").await, 1.0);
    let denied = metric(&scaler, "tidegauge_grpc_calls_total", "result=\"denied\"");
    assert_eq!(denied.await, 3.0);
    let (success, printed) = ask(&scaler, &["consumerGroup=a-orders"]);
    assert!(
        !success && printed.contains("namespace \"default\" may not ask"),
        "{printed}"
    );
    let (success, printed) = ask(
        &scaler,
        &["--namespace", "team-a", "consumerGroup=a-orders"],
    );
    assert!(success, "{printed}");
    // People see all of them.
    let both = scaler.json("/api/v1/groups").await;
    assert_eq!(both.as_array().unwrap().len(), 2, "{both}");

    let taken_away = RULES.replace("^a-", "^x-");
    fs::write(&file, format!("{text}{taken_away}")).unwrap();
    let denied = stream.message().await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let events = eventually("it is recorded", async || {
        let events = scaler
            .json("/api/v1/events?kind=configuration_changed")
            .await;
        events.as_array().unwrap().first().cloned()
    });
    assert_eq!(events.await["message"], "changed: access");
}
