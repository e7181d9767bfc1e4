//! The pod is replaced for what the running process can't take up, and for
//! nothing else; and an upgrade changes nothing that Kubernetes won't change.

use serde_json::{Value, json};
use tidegauge::config::Config;

use super::support::helm::{Helm, configuration_file, object, pod};

/// Keys that only a restart can change, each with other values than the default;
/// what the chart alone sets has none.
const RESTART: [(&str, &str); 5] = [
    ("store.data_dir", ""),
    (
        "store.when_damaged",
        "config: {store: {when_damaged: refuse}}",
    ),
    ("grpc.listen", "listenAddress: '::'"),
    ("http.listen", "listenAddress: '::'"),
    ("log.format", "config: {log: {format: json}}"),
];

/// The same of whole tables; files that they name are not there in a test.
const RESTART_TABLES: [(&str, &str); 4] = [
    ("grpc.tls", "grpc: {tls: {secretName: s}}"),
    ("http.tls", "http: {tls: {secretName: s}}"),
    (
        "http.auth",
        "http: {auth: {bearerToken: {secretName: s, key: k}}}",
    ),
    (
        "otlp",
        "config: {otlp: {endpoint: 'http://collector:4317'}}",
    ),
];

/// Some of the others.
const RELOADED: [&str; 11] = [
    "config: {store: {retention: 9d}}",
    "config: {grpc: {shutdown_grace: 1s}}",
    "config: {poll: {interval: 20s}}",
    "config: {watches: {limit: 5}}",
    "config: {log: {filter: debug}}",
    "config: {clusters: {main: {bootstrap_servers: ['c:1']}}}",
    "config: {clusters: {other: {bootstrap_servers: ['c:1']}}}",
    "config: {services: {s: {group: g, topic: t, target: 1, cluster: main}}}",
    "config: {lakerunner: {services: default, cluster: main}}",
    "config: {queues: {q: {host: h, database: d, user: u}}}",
    "config: {azul: {redis: {addresses: ['r:1']}}}",
];

#[test]
fn all_keys_that_are_marked_are_known() {
    let example = include_str!("../../tidegauge.example.toml");
    let known = RESTART.iter().chain(&RESTART_TABLES);
    let known: Vec<_> = known.map(|(key, _)| *key).collect();
    let marked = marked_keys(example);
    assert!(marked.len() >= 5, "{marked:?}");
    for key in marked {
        assert!(
            known.contains(&key.as_str()),
            "{key} needs a restart: name it in tidegauge.restartKeys, and here"
        );
    }
}

#[test]
fn the_pod_is_replaced_exactly_when_the_scaler_needs_it() {
    let Some(helm) = Helm::find() else { return };
    let (in_force, unchanged) = rendered(helm, "");
    for (_, values) in RESTART_TABLES {
        let checksum = |pod: &Value| pod["metadata"]["annotations"].clone();
        let changed = checksum(pod(&objects(helm, values)));
        assert_ne!(changed, checksum(&unchanged), "{values}");
    }
    let restarts = RESTART.iter().map(|(_, values)| *values);
    for values in restarts.chain(RELOADED) {
        let (config, template) = rendered(helm, values);
        let needed = config.needs_restart(&in_force).is_some();
        assert_eq!(template != unchanged, needed, "{values}");
    }
}

#[test]
fn the_volume_is_where_the_configuration_has_it() {
    let Some(helm) = Helm::find() else { return };
    let objects = objects(helm, "");
    let mounts = &pod(&objects)["spec"]["containers"][0]["volumeMounts"];
    let data = mounts.as_array().unwrap().iter();
    let data: Vec<_> = data.filter(|mount| mount["name"] == "data").collect();
    let (config, _) = rendered(helm, "");
    assert_eq!(
        data[0]["mountPath"],
        config.store.data_dir.to_str().unwrap()
    );
}

/// What stands here can never change: who has installed an older chart could
/// not upgrade.
#[test]
fn an_upgrade_changes_nothing_that_can_not_be_changed() {
    let Some(helm) = Helm::find() else { return };
    let labels = |component: Option<&str>| {
        let mut labels = json!({
            "app.kubernetes.io/name": "tidegauge",
            "app.kubernetes.io/instance": "tidegauge",
        });
        if let Some(component) = component {
            labels["app.kubernetes.io/component"] = component.into();
        }
        labels
    };
    for values in ["", "commonLabels: {a: b}", "podLabels: {a: b}"] {
        let objects = objects(helm, values);
        let set = object(&objects, "StatefulSet", "");
        assert_eq!(set["metadata"]["name"], "tidegauge");
        let spec = &set["spec"];
        assert_eq!(spec["replicas"], 1);
        assert_eq!(spec["serviceName"], "tidegauge-headless");
        assert_eq!(spec["podManagementPolicy"], "Parallel");
        assert_eq!(
            spec["selector"],
            json!({"matchLabels": labels(Some("scaler"))})
        );
        let claim = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "labels": labels(None)},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "10Gi"}},
            },
        });
        assert_eq!(spec["volumeClaimTemplates"], json!([claim]));
    }
}

#[test]
fn nothing_is_deleted_with_the_release() {
    let Some(helm) = Helm::find() else { return };
    let objects = objects(helm, "");
    let policy =
        &object(&objects, "StatefulSet", "")["spec"]["persistentVolumeClaimRetentionPolicy"];
    assert_eq!(
        policy,
        &json!({"whenDeleted": "Retain", "whenScaled": "Retain"})
    );
}

/// With one cluster, and `values` beside it.
fn objects(helm: &Helm, values: &str) -> Vec<Value> {
    // Helm lays the later file over the one before.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values).unwrap();
    let release = ["template", "tidegauge", "chart", "--kube-version", "1.33"];
    let files = ["--values", "chart/ci/defaults.yaml", "--values"];
    let last = [file.path().to_str().unwrap()];
    let output = helm.run(&[&release[..], &files[..], &last[..]].concat());
    helm.read(&output.stdout).unwrap()
}

/// What the process reads, and the pod that Kubernetes compares.
fn rendered(helm: &Helm, values: &str) -> (Config, Value) {
    let objects = objects(helm, values);
    let text = configuration_file(&objects);
    let config = Config::parse("tidegauge.toml", text, []).unwrap();
    (config, pod(&objects).clone())
}

/// `section.key` of each key, and each table, whose comment ends in `(restart)`.
fn marked_keys(example: &str) -> Vec<String> {
    let (mut section, mut comment, mut keys) = (String::new(), String::new(), Vec::new());
    for line in example.lines() {
        let bare = line.trim_start_matches('#').trim();
        if let Some(name) = bare.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            section = name.to_owned();
            if comment.ends_with("(restart)") {
                keys.push(section.clone());
            }
        }
        // `# text` is a comment; `#key = value` and `key = value` are keys.
        if line.starts_with("# ") {
            comment.push_str(bare);
            continue;
        }
        if let Some((key, _)) = bare.split_once(" = ")
            && comment.ends_with("(restart)")
        {
            keys.push(format!("{section}.{key}"));
        }
        comment.clear();
    }
    keys
}
