//! What the chart lets a pod do, who may reach it, and where secrets are.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::support::helm::{
    Helm, NAMESPACE, configuration_file, object, pod, repository, values_file, values_files,
};

#[test]
fn every_pod_keeps_the_restricted_standard() {
    let Some(helm) = Helm::find() else { return };
    for (name, values) in values_files() {
        let objects = helm.template(&values).unwrap();
        let tests = objects.iter().filter(|object| object["kind"] == "Pod");
        for pod in tests.chain([pod(&objects)]) {
            assert_eq!(breaches(&pod["spec"]), Vec::<String>::new(), "{name}");
            assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
            let container = &pod["spec"]["containers"][0];
            assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
            assert!(container["resources"]["limits"]["memory"].is_string());
        }
    }
}

#[test]
fn a_breach_of_the_standard_is_noticed() {
    let Some(helm) = Helm::find() else { return };
    for (values, breach) in [
        ("podSecurityContext: {runAsNonRoot: false}", "runAsNonRoot"),
        (
            "podSecurityContext: {seccompProfile: {type: Unconfined}}",
            "seccompProfile",
        ),
        ("podSecurityContext: {runAsUser: 0}", "runAsUser"),
        (
            "securityContext: {allowPrivilegeEscalation: true}",
            "allowPrivilegeEscalation",
        ),
        (
            "securityContext: {capabilities: {drop: []}}",
            "capabilities",
        ),
        (
            "securityContext: {capabilities: {add: [SYS_ADMIN]}}",
            "capabilities",
        ),
        ("securityContext: {privileged: true}", "privileged"),
        ("extraVolumes: [{name: h, hostPath: {path: /}}]", "hostPath"),
    ] {
        let values = format!("{}\n{values}", values_file("defaults.yaml"));
        let objects = helm.template(&values).unwrap();
        assert_eq!(breaches(&pod(&objects)["spec"]), [breach], "{values}");
    }
}

#[test]
fn no_secret_is_written_anywhere_but_named() {
    let Some(helm) = Helm::find() else { return };
    for (name, values) in values_files() {
        let objects = helm.template(&values).unwrap();
        assert!(objects.iter().all(|object| object["kind"] != "Secret"));
        let read: toml::Value = toml::from_str(configuration_file(&objects)).unwrap();
        for (path, value) in leaves("", &read) {
            let key = path.rsplit('.').next().unwrap();
            let is_secret = ["password", "secret", "token"].map(|word| key.contains(word));
            let is_file = key.ends_with("_file") && value.starts_with("/etc/tidegauge/secrets/");
            let is_address = key == "token_endpoint";
            // Keys there are what plugins are called.
            let is_plugin = path.starts_with(".azul.plugins.");
            assert!(
                !is_secret.contains(&true) || is_file || is_address || is_plugin,
                "{name}: {path}"
            );
        }
        for variable in pod(&objects)["spec"]["containers"][0]["env"]
            .as_array()
            .unwrap()
        {
            let is_ours = variable["name"].as_str().unwrap().contains("__");
            assert!(
                !is_ours || variable["value"].is_null(),
                "{name}: {variable}"
            );
        }
    }
}

#[test]
fn ports_are_the_same_wherever_they_are_named() {
    let Some(helm) = Helm::find() else { return };
    for (name, values) in values_files() {
        let objects = helm.template(&values).unwrap();
        let container = &pod(&objects)["spec"]["containers"][0];
        let read: toml::Table = configuration_file(&objects).parse().unwrap();
        for port in ["grpc", "http"] {
            let listen = read[port]["listen"].as_str().unwrap();
            let listens_at: u64 = listen.rsplit_once(':').unwrap().1.parse().unwrap();
            let declared = named(&container["ports"], port);
            assert_eq!(declared["containerPort"], listens_at, "{name}");
            for service in objects.iter().filter(|object| object["kind"] == "Service") {
                assert_eq!(named(&service["spec"]["ports"], port)["targetPort"], port);
                assert_eq!(service["spec"]["selector"], selector("scaler", &objects));
            }
        }
        for probe in ["livenessProbe", "readinessProbe"] {
            let request = &container[probe]["httpGet"];
            let is_secure = read["http"].get("tls").is_some();
            assert_eq!(request["port"], "http");
            assert_eq!(request["scheme"], if is_secure { "HTTPS" } else { "HTTP" });
        }
    }
}

#[test]
fn the_policy_lets_in_keda_and_readers_and_lets_out_to_kafka() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.template(&values_file("everything.yaml")).unwrap();
    let policy = &object(&objects, "NetworkPolicy", "")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(
        policy["podSelector"]["matchLabels"],
        selector("scaler", &objects)
    );
    let in_keda = json!({"namespaceSelector": {
        "matchLabels": {"kubernetes.io/metadata.name": "autoscaling"},
    }});
    let [grpc, http] = &policy["ingress"].as_array().unwrap()[..] else {
        panic!("{policy}");
    };
    assert_eq!(grpc["ports"], json!([{"port": 9090}]));
    let test = json!({"podSelector": {"matchLabels": selector("test", &objects)}});
    assert_eq!(grpc["from"], json!([in_keda, test]));
    assert_eq!(http["ports"], json!([{"port": 8080}]));
    assert_eq!(http["from"].as_array().unwrap().len(), 2);
    let out = policy["egress"].as_array().unwrap().iter();
    let out = out.flat_map(|rule| rule["ports"].as_array().unwrap());
    let out: BTreeSet<_> = out.map(|port| port["port"].as_u64().unwrap()).collect();
    let mut wanted = BTreeSet::from([53, 443]);
    wanted.extend(9092..=9095);
    // PostgreSQL, sentinels, and what brokers and sentinels advertise.
    wanted.extend([5433, 26379, 9096, 6379]);
    assert_eq!(out, wanted);
    let objects = helm.template(&values_file("lakerunner.yaml")).unwrap();
    let policy = &object(&objects, "NetworkPolicy", "")["spec"];
    let out = policy["egress"][1]["ports"].clone();
    assert_eq!(out, json!([{"port": 9092}, {"port": 5432}]));
}

#[test]
fn a_drain_is_never_held_up() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.template(&values_file("defaults.yaml")).unwrap();
    let budget = &object(&objects, "PodDisruptionBudget", "")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    assert!(budget["minAvailable"].is_null());
    assert_eq!(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow");
}

#[test]
fn prometheus_scrapes_with_the_same_login_and_the_same_authority() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.template(&values_file("tls.yaml")).unwrap();
    let monitor = &object(&objects, "ServiceMonitor", "")["spec"];
    let endpoint = &monitor["endpoints"][0];
    assert_eq!(endpoint["scheme"], "https");
    let host = format!("tidegauge.{NAMESPACE}.svc");
    assert_eq!(endpoint["tlsConfig"]["serverName"], host);
    let ca = json!({"name": "tidegauge-http", "key": "ca.crt"});
    assert_eq!(endpoint["tlsConfig"]["ca"]["secret"], ca);
    let token = json!({"name": "tidegauge-readers", "key": "token"});
    assert_eq!(endpoint["authorization"]["credentials"], token);
    // One of the two Services, or each metric would be there twice.
    let wanted = monitor["selector"]["matchLabels"].as_object().unwrap();
    let is_picked = |service: &&Value| {
        let labels = &service["metadata"]["labels"];
        let mut wanted = wanted.iter();
        service["kind"] == "Service" && wanted.all(|(key, value)| labels.get(key) == Some(value))
    };
    let picked = objects.iter().filter(is_picked).count();
    assert_eq!(picked, 1);
    let basic = values_file("tls.yaml").replace("bearerToken", "#");
    let objects = helm.template(&basic).unwrap();
    let monitor = &object(&objects, "ServiceMonitor", "")["spec"];
    let user = json!({"name": "tidegauge-people", "key": "username"});
    assert_eq!(monitor["endpoints"][0]["basicAuth"]["username"], user);
}

/// The examples are for the plain manifests' and the chart's default names.
#[test]
fn the_examples_call_where_the_service_is() {
    let Some(helm) = Helm::find() else { return };
    let manifests = std::fs::read(repository("deploy/manifests/tidegauge.yaml")).unwrap();
    let objects = helm.judge(&manifests).unwrap();
    let is_for_keda =
        |object: &&Value| object["kind"] == "Service" && object["spec"].get("clusterIP").is_none();
    let service = objects.iter().find(is_for_keda).unwrap();
    let name = service["metadata"]["name"].as_str().unwrap();
    let port = &named(&service["spec"]["ports"], "grpc")["port"];
    for entry in std::fs::read_dir(repository("deploy/examples")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let addresses = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("scalerAddress: "));
        for address in addresses {
            let (host, to) = address.split_once(':').unwrap();
            assert_eq!(host.split('.').next(), Some(name), "{path:?}");
            assert_eq!(to, port.to_string(), "{path:?}");
        }
    }
}

/// What of the restricted Pod Security Standard a pod does not keep.
fn breaches(spec: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut rule = |name: &str, is_kept: bool| {
        if !is_kept {
            found.push(name.to_owned());
        }
    };
    let pod = &spec["securityContext"];
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        rule(host, !spec[host].as_bool().unwrap_or(false));
    }
    let kinds = ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"];
    let kinds = [
        &kinds[..],
        &["persistentVolumeClaim", "projected", "secret"],
    ]
    .concat();
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        let kind = volume
            .as_object()
            .unwrap()
            .keys()
            .find(|key| *key != "name");
        let kind = kind.unwrap();
        rule(kind, kinds.contains(&kind.as_str()));
    }
    rule("runAsNonRoot", pod["runAsNonRoot"] == true);
    rule("runAsUser", pod["runAsUser"] != 0);
    let profile = pod["seccompProfile"]["type"].as_str().unwrap_or("none");
    rule(
        "seccompProfile",
        ["RuntimeDefault", "Localhost"].contains(&profile),
    );
    for container in spec["containers"].as_array().unwrap() {
        let own = &container["securityContext"];
        let escalation = &own["allowPrivilegeEscalation"];
        rule("allowPrivilegeEscalation", *escalation == false);
        let capabilities = &own["capabilities"];
        let adds = capabilities["add"].as_array();
        let adds = adds.is_some_and(|added| added.iter().any(|each| each != "NET_BIND_SERVICE"));
        rule(
            "capabilities",
            capabilities["drop"] == json!(["ALL"]) && !adds,
        );
        rule("privileged", own["privileged"] != true);
        let ports = container["ports"].as_array().into_iter().flatten();
        rule(
            "hostPort",
            ports.into_iter().all(|port| port.get("hostPort").is_none()),
        );
    }
    found
}

/// The labels that pick a component of the release.
fn selector(component: &str, objects: &[Value]) -> Value {
    let labels = &object(objects, "StatefulSet", "")["metadata"]["labels"];
    json!({
        "app.kubernetes.io/name": labels["app.kubernetes.io/name"],
        "app.kubernetes.io/instance": labels["app.kubernetes.io/instance"],
        "app.kubernetes.io/component": component,
    })
}

fn named<'a>(ports: &'a Value, name: &str) -> &'a Value {
    let mut ports = ports.as_array().unwrap().iter();
    ports.find(|port| port["name"] == name).unwrap()
}

/// Every text below a table, with its path.
fn leaves(path: &str, value: &toml::Value) -> Vec<(String, String)> {
    match value {
        toml::Value::Table(table) => table
            .iter()
            .flat_map(|(key, value)| leaves(&format!("{path}.{key}"), value))
            .collect(),
        other => vec![(
            path.to_owned(),
            other.as_str().unwrap_or_default().to_owned(),
        )],
    }
}
