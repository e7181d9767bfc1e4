//! The plain manifests are what the chart makes, and the ScaledObjects are what
//! KEDA and the scaler take.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    helm::{Helm, object, repository, values_file},
    scaler::{PROGRAM, Scaler, configuration, named_groups, scaled_object},
};

#[test]
fn the_plain_manifests_are_current() {
    let Some(helm) = Helm::find() else { return };
    let script = repository("deploy/manifests/generate");
    let output = Command::new(script).output().unwrap();
    let written = std::fs::read(repository("deploy/manifests/tidegauge.yaml")).unwrap();
    assert!(
        output.status.success() && output.stdout == written,
        "not current: deploy/manifests/generate > deploy/manifests/tidegauge.yaml\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    helm.judge(&written).unwrap();
}

#[test]
fn the_examples_are_valid() {
    let Some(helm) = Helm::find() else { return };
    let mut kinds = BTreeSet::new();
    for path in examples() {
        let text = std::fs::read(&path).unwrap();
        let objects = helm.judge(&text);
        for object in objects.unwrap_or_else(|mistakes| panic!("{path:?}: {mistakes}")) {
            kinds.insert(object["kind"].as_str().unwrap().to_owned());
        }
    }
    assert!(kinds.contains("ScaledObject"), "{kinds:?}");
}

#[test]
fn a_mistake_in_an_object_is_noticed() {
    let Some(helm) = Helm::find() else { return };
    let object = |rest: &str| {
        format!(
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: x}}\n\
             spec: {{scaleTargetRef: {{name: x}}, triggers: [{{type: external, metadata: {{}}}}]{rest}}}"
        )
    };
    assert!(helm.judge(object("").as_bytes()).is_ok());
    for (rest, named) in [
        (", minReplicas: 1", "minReplicas"),
        (", maxReplicaCount: many", "maxReplicaCount"),
        ("}\nspec: {", "twice"),
    ] {
        let mistakes = helm.judge(object(rest).as_bytes()).unwrap_err();
        assert!(mistakes.contains(named), "{mistakes}");
    }
}

/// Every trigger of every example is one that the scaler understands.
#[tokio::test(flavor = "multi_thread")]
async fn the_scaler_takes_the_examples_metadata() {
    let Some(helm) = Helm::find() else { return };
    let cluster = EmbeddedCluster::start(1).unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let lakerunner =
        std::fs::read_to_string(repository("deploy/examples/lakerunner.toml")).unwrap();
    let queues = lakerunner.split_once("[queues").unwrap().1;
    let rest = format!("[clusters.main.groups]\ndiscover = false\n[queues{queues}");
    // The address in the examples, which picks the cluster, is never called.
    let servers = format!("{},kafka-bootstrap.kafka:9092", cluster.bootstrap_servers());
    let scaler = Scaler::start(&configuration(data_dir.path(), &servers, &rest));
    let mut client = scaler.client().await;
    let mut asked = 0;
    for path in examples() {
        for object in helm.judge(&std::fs::read(&path).unwrap()).unwrap() {
            for trigger in object["spec"]["triggers"].as_array().into_iter().flatten() {
                let metadata = trigger["metadata"].as_object().unwrap();
                let pairs = metadata
                    .iter()
                    .map(|(key, value)| (&key[..], value.as_str().unwrap()));
                let pairs: Vec<_> = pairs.collect();
                let told = client.get_metric_spec(scaled_object(&pairs)).await;
                let specs = told.unwrap_or_else(|status| panic!("{path:?}: {status}"));
                assert!(!specs.into_inner().metric_specs.is_empty(), "{path:?}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 10, "{asked} triggers");
}

/// `helm test` runs a command that the scaler's binary has.
#[tokio::test(flavor = "multi_thread")]
async fn the_charts_own_test_asks_what_can_be_asked() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.template(&values_file("everything.yaml")).unwrap();
    let arguments = &object(&objects, "Pod", "-test")["spec"]["containers"][0]["args"];
    let arguments = arguments.as_array().unwrap().iter();
    let mut arguments: Vec<_> = arguments.map(|each| each.as_str().unwrap()).collect();
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("invoices", 1).unwrap();
    cluster
        .commit_offsets("billing", &[("invoices", 0, 0)])
        .await
        .unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let groups = named_groups(&[("billing", "invoices")]);
    let servers = cluster.bootstrap_servers();
    let scaler = Scaler::start(&configuration(data_dir.path(), &servers, &groups));
    let address = arguments.iter_mut().find(|each| each.ends_with(":7090"));
    *address.expect("the Service's address") = scaler.grpc_address();
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("invoices"));
}

fn examples() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(repository("deploy/examples")).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    paths.sort();
    assert!(paths.len() >= 5, "the examples were not found");
    paths
}
