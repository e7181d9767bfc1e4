//! With each of its values files the chart is what Helm, Kubernetes, KEDA and
//! Prometheus' operator take, and its configuration is what the scaler takes.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use super::support::{
    certificates::{Authority, Identity},
    helm::{Helm, configuration_file, object, pod, repository, values_file, values_files},
    scaler::PROGRAM,
};

const SECRETS: &str = "/etc/tidegauge/secrets";
/// Long enough for a password.
const FROM_A_SECRET: &str = "what-a-secret-holds";

#[test]
fn helm_finds_nothing_to_complain_about() {
    let Some(helm) = Helm::find() else { return };
    for (name, _) in values_files() {
        let values = format!("chart/ci/{name}");
        let output = helm.run(&["lint", "--strict", "chart", "--values", &values]);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {told}");
    }
}

#[test]
fn the_scaler_takes_its_configuration_with_the_files_that_are_mounted() {
    let Some(helm) = Helm::find() else { return };
    for (name, values) in values_files() {
        let objects = helm.template(&values).unwrap();
        let output = check(&objects);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {told}");
    }
}

#[test]
fn a_configuration_that_names_a_file_which_is_not_mounted_is_noticed() {
    let Some(helm) = Helm::find() else { return };
    let values = "config: {clusters: {main: {bootstrap_servers: ['b:1'], security_protocol: SSL, \
                  tls: {ca_file: /etc/tidegauge/secrets/ca}}}}";
    let output = check(&helm.template(values).unwrap());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("ca_file"));
}

#[test]
fn whole_numbers_stay_whole_and_text_stays_as_it_is() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.template(&values_file("everything.yaml")).unwrap();
    let read: toml::Table = configuration_file(&objects).parse().unwrap();
    let main = &read["clusters"]["main"];
    assert_eq!(read["watches"]["limit"], 1_000_000.into());
    assert_eq!(read["services"]["ingest-logs"]["target"], 7.5.into());
    assert_eq!(main["properties"]["socket.timeout.ms"], 10_000.into());
    let pattern = "^\"quoted\" <and> \\.";
    assert_eq!(main["groups"]["exclude"][1], pattern.into());
    assert_eq!(main["groups"]["named"][0]["topics"][1], "payments".into());
}

#[test]
fn lakerunners_values_are_those_of_the_example() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.template(&values_file("lakerunner.yaml")).unwrap();
    let read: toml::Table = configuration_file(&objects).parse().unwrap();
    let example = include_str!("../../deploy/examples/lakerunner.toml");
    let example: toml::Table = example.parse().unwrap();
    assert_eq!(read["lakerunner"], example["lakerunner"]);
    assert_eq!(read["clusters"], example["clusters"]);
    let place = |of: &toml::Table| {
        let queue = &of["queues"]["lakerunner"];
        (queue["host"].clone(), queue["database"].clone())
    };
    assert_eq!(place(&read), place(&example));
}

#[test]
fn the_example_configurations_are_well() {
    for name in ["azul", "lakerunner"] {
        let file = repository(&format!("deploy/examples/{name}.toml"));
        let output = Command::new(PROGRAM)
            .args(["check", "--config"])
            .arg(file)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {told}");
    }
}

#[test]
fn dashboards_and_rules_are_those_of_the_repository() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.template(&values_file("everything.yaml")).unwrap();
    for (kind, name) in [
        ("prometheus", "group"),
        ("prometheus", "overview"),
        ("prometheus", "scaler"),
        ("json", "group"),
        ("json", "overview"),
    ] {
        let map = object(&objects, "ConfigMap", &format!("{kind}-{name}"));
        let rendered = &map["data"][format!("tidegauge-{kind}-{name}.json")];
        let file = repository(&format!("dashboards/{kind}/{name}.json"));
        let original = std::fs::read_to_string(file).unwrap();
        assert_eq!(json(rendered.as_str().unwrap()), json(&original));
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    }
    let rules = std::fs::read(repository("deploy/chart/files/rules.yaml")).unwrap();
    let rules = [&b"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: x}\nspec:\n"[..], &indented(&rules)].concat();
    let written = helm.judge(&rules).unwrap();
    assert_eq!(
        object(&objects, "PrometheusRule", "")["spec"],
        written[0]["spec"]
    );
}

#[test]
fn a_package_holds_what_the_links_point_to() {
    let Some(helm) = Helm::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    assert!(
        helm.run(&["package", "chart", "--destination", to])
            .status
            .success()
    );
    let package = folder.path().join("tidegauge-0.1.0.tgz");
    let all = ["template", "x"];
    let more = [
        "--kube-version",
        "1.33",
        "--values",
        "chart/ci/everything.yaml",
    ];
    let package = [package.to_str().unwrap()];
    let output = helm.run(&[&all[..], &package[..], &more[..]].concat());
    let objects = helm.judge(&output.stdout).unwrap();
    object(&objects, "ConfigMap", "prometheus-overview");
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn indented(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(|line| format!("  {line}\n"));
    lines.collect::<String>().into_bytes()
}

/// What `tidegauge check` says in the pod: with its environment, its
/// configuration, and below [`SECRETS`] what is mounted there, nothing else.
fn check(objects: &[Value]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let spec = &pod(objects)["spec"];
    let identity = Authority::new("tests").issue("tidegauge", "127.0.0.1");
    for path in mounted(spec) {
        write_secret(&folder.path().join(path), &identity);
    }
    let file = folder.path().join("tidegauge.toml");
    let there = folder.path().to_str().unwrap();
    let text = configuration_file(objects).replace(SECRETS, there);
    std::fs::write(&file, text).unwrap();
    Command::new(PROGRAM)
        .arg("check")
        .envs(environment(spec))
        .env("TIDEGAUGE_CONFIG", file)
        .output()
        .unwrap()
}

/// Where files are mounted from Secrets and ConfigMaps, below [`SECRETS`].
fn mounted(spec: &Value) -> Vec<String> {
    let volumes = spec["volumes"].as_array().unwrap();
    let Some(secrets) = volumes.iter().find(|volume| volume["name"] == "secrets") else {
        return Vec::new();
    };
    let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
    let is_there = |mount: &&Value| mount["name"] == "secrets" && mount["mountPath"] == SECRETS;
    mounts.iter().find(is_there).expect("secrets are mounted");
    let sources = secrets["projected"]["sources"].as_array().unwrap();
    let items = sources.iter().flat_map(|source| {
        let source = source.get("secret").unwrap_or(&source["configMap"]);
        source["items"].as_array().unwrap()
    });
    items
        .map(|item| item["path"].as_str().unwrap().to_owned())
        .collect()
}

/// Something that fits its key.
fn write_secret(path: &Path, identity: &Identity) {
    let text = match path.file_name().unwrap().to_str().unwrap() {
        "key_file" => identity.key_pem(),
        "certificate_file" | "ca_file" | "client_ca_file" | "token_ca_file" => {
            identity.certificate_pem()
        }
        _ => FROM_A_SECRET.to_owned(),
    };
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The container's, with a value for what comes from Secrets.
fn environment(spec: &Value) -> Vec<(&str, &str)> {
    let variables = spec["containers"][0]["env"].as_array().unwrap();
    let pair = |variable| -> (&str, &str) {
        let variable: &Value = variable;
        let value = variable["value"].as_str();
        let name = variable["name"].as_str().unwrap();
        (name, value.unwrap_or(FROM_A_SECRET))
    };
    variables.iter().map(pair).collect()
}
