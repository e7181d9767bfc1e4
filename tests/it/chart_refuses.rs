//! Wrong values are refused, and the message says which and why.

use super::support::helm::{Helm, values_file};

/// Values that are wrong, and what the refusal names.
const WRONG: [(&str, &[&str]); 33] = [
    ("replicas: 2", &["replicas"]),
    ("imagge: {}", &["imagge"]),
    (
        "image: {pullPolicy: Sometimes}",
        &["pullPolicy", "IfNotPresent"],
    ),
    ("image: {digest: latest}", &["digest", "sha256"]),
    ("image: {repository: ''}", &["repository"]),
    (
        "service: {ports: {grpc: 70000}}",
        &["/service/ports/grpc", "65,535"],
    ),
    ("service: {ports: {http: '8080'}}", &["http", "integer"]),
    ("persistence: {size: big}", &["size"]),
    ("persistence: {enabled: false}", &["enabled"]),
    ("podDisruptionBudget: {minAvailable: 1}", &["minAvailable"]),
    (
        "http: {auth: {bearerToken: {secretName: s}}}",
        &["bearerToken", "key"],
    ),
    (
        "http: {auth: {basic: {secretName: s, userKey: u}}}",
        &["basic", "passwordKey"],
    ),
    (
        "http: {auth: {bearerToken: {token: hunter2}}}",
        &["bearerToken", "token"],
    ),
    (
        "grpc: {tls: {clientCaFile: {secretName: s, key: ca.crt}}}",
        &["clientCaFile"],
    ),
    (
        "clusterSecrets: {main: {sasl: {password: {secretName: s, key: k}}}}",
        &["password"],
    ),
    (
        "clusterSecrets: {main: {tls: {keyFile: {configMapName: c, key: k}}}}",
        &["keyFile", "configMapName"],
    ),
    (
        "clusterSecrets: {other: {}}",
        &["clusterSecrets.other", "there are main"],
    ),
    (
        "{grpc: {tls: {secretName: s}}, test: {metadata: {consumerGroup: g}}}",
        &["test.tlsSecretName"],
    ),
    (
        "config: {clusters: null}",
        &["config.clusters is empty", "bootstrap_servers"],
    ),
    (
        "config: {store: {data_dir: /data}}",
        &["config.store.data_dir", "persistence"],
    ),
    (
        "config: {http: {listen: '0.0.0.0:80'}}",
        &["config.http.listen", "listenAddress"],
    ),
    (
        "config: {grpc: {tls: {}}}",
        &["config.grpc.tls", "grpc.tls"],
    ),
    (
        "config: {clusters: {main: {sasl: {password: hunter2}}}}",
        &["config.clusters.main.sasl.password", "clusterSecrets"],
    ),
    (
        "config: {clusters: {main: {properties: {ssl.key.pem: hunter2}}}}",
        &["ssl.key.pem", "secret"],
    ),
    (
        "queueSecrets: {work: {password: {secretName: s, key: k}}}",
        &["password"],
    ),
    (
        "queueSecrets: {work: {passwordFile: {secretName: s, key: k}}}",
        &["queueSecrets.work", "there are none"],
    ),
    (
        "redisSecrets: {tls: {keyFile: {configMapName: c, key: k}}}",
        &["keyFile", "configMapName"],
    ),
    (
        "redisSecrets: {passwordFile: {secretName: s, key: k}}",
        &["redisSecrets", "there is no config.azul.redis"],
    ),
    (
        "{config: {azul: {redis: {addresses: ['r:1']}}}, \
         redisSecrets: {sentinel: {passwordFile: {secretName: s, key: k}}}}",
        &["redisSecrets.sentinel", "no config.azul.redis.sentinel"],
    ),
    (
        "config: {queues: {work: {password: hunter2}}}",
        &["config.queues.work.password", "queueSecrets"],
    ),
    (
        "config: {azul: {redis: {password: hunter2}}}",
        &["config.azul.redis.password", "redisSecrets"],
    ),
    (
        "config: {azul: {redis: {sentinel: {password: hunter2}}}}",
        &["config.azul.redis.sentinel.password", "redisSecrets"],
    ),
    (
        "config: {grpc: {shutdown_grace: 1m}}",
        &["terminationGracePeriodSeconds is 30", "at least 65"],
    ),
];

#[test]
fn wrong_values_are_refused_by_name() {
    let Some(helm) = Helm::find() else { return };
    for (wrong, parts) in WRONG {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), wrong).unwrap();
        let release = ["template", "tidegauge", "chart", "--kube-version", "1.33"];
        let files = ["--values", "chart/ci/defaults.yaml", "--values"];
        let last = [file.path().to_str().unwrap()];
        let output = helm.run(&[&release[..], &files[..], &last[..]].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{wrong} is taken");
        for part in parts {
            assert!(told.contains(part), "{wrong}: {part:?} is not in {told}");
        }
        assert!(!told.contains("hunter2"), "{wrong}: {told}");
    }
}

#[test]
fn an_older_kubernetes_is_refused() {
    let Some(helm) = Helm::find() else { return };
    let release = ["template", "tidegauge", "chart", "--kube-version", "1.26"];
    let files = ["--values", "chart/ci/defaults.yaml"];
    let output = helm.run(&[&release[..], &files[..]].concat());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("1.27"));
}

#[test]
fn what_comes_after_an_install_is_said() {
    let Some(helm) = Helm::find() else { return };
    for (name, parts) in [
        (
            "defaults.yaml",
            &["tidegauge.scaling:9090", "set http.auth", "config.access"][..],
        ),
        ("everything.yaml", &["gauge.scaling:7090", "7080"]),
        ("tls.yaml", &["enableTLS", "tlsClientCert", "https://"]),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), values_file(name)).unwrap();
        let path = file.path().to_str().unwrap();
        let install = ["install", "tidegauge", "chart", "--namespace", "scaling"];
        let output = helm.run(&[&install[..], &["--dry-run=client", "--values", path]].concat());
        let told = String::from_utf8_lossy(&output.stdout);
        let notes = told.split_once("NOTES:").expect("notes").1;
        for part in parts {
            assert!(notes.contains(part), "{name}: {part:?} is not in {notes}");
        }
    }
}
