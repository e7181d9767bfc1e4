//! `tidegauge.example.toml` loads, shows the defaults and has every key.

use std::{collections::BTreeSet, fs, path::Path};

use super::{super::tree, *};

const EXAMPLE: &str = include_str!("../../../tidegauge.example.toml");
/// How the last cluster begins.
const KERBEROS: &str = "# A cluster with GSSAPI";
const EXAMPLE_FOLDER: &str = "/etc/tidegauge/";
const EXAMPLE_FILES: [&str; 13] = [
    "ca.pem",
    "client-ca.pem",
    "token",
    "tls.crt",
    "tls.key",
    "key-password",
    "password",
    "client-secret",
    "token-ca.pem",
    "otlp-headers",
    "redis-password",
    "sentinel-password",
    "tidegauge.keytab",
];

/// The example with its left-out lines taken in.
fn whole_example(folder: &Path) -> String {
    for file in EXAMPLE_FILES {
        fs::write(folder.join(file), "content-that-is-long-enough").expect("file");
    }
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    let (but_kerberos, _) = EXAMPLE.split_once(KERBEROS).expect("it comes last");
    // A build without Kerberos refuses it.
    let example = if cfg!(feature = "gssapi") {
        EXAMPLE
    } else {
        but_kerberos
    };
    let text: String = example.lines().map(line).collect();
    text.replace("\"PLAINTEXT\"", "\"SASL_SSL\"")
        .replace(EXAMPLE_FOLDER, &format!("{}/", folder.display()))
}

#[test]
fn the_example_shows_the_defaults() {
    let cluster = "[clusters.main]\nbootstrap_servers = ['localhost:9092']\n";
    let (example, defaults) = (good(EXAMPLE, &[]), good(cluster, &[]));
    assert_eq!(format!("{example:#?}"), format!("{defaults:#?}"));
}

#[test]
fn the_example_loads_with_all_that_is_left_out() {
    let folder = tempfile::tempdir().expect("folder");
    let config = good(&whole_example(folder.path()), &[]);
    let main = &config.clusters["main"];
    assert_eq!(main.groups.named.len(), 1);
    let tls = config.grpc.tls.as_ref();
    assert!(tls.is_some_and(|tls| tls.client_ca_file.is_some()));
    assert!(config.http.auth.is_some_and(|auth| auth.basic.is_some()));
    let redis = config.azul.redis.as_ref();
    assert!(redis.is_some_and(|redis| redis.sentinel.is_some() && redis.tls.is_some()));
    let rules = config.access.rules.as_ref();
    assert_eq!(rules.map(|rules| rules["team-a"].groups.len()), Some(1));
    assert_eq!(main.properties["socket.timeout.ms"], "10000");
    let sasl = main.security.sasl.as_ref().expect("sasl");
    assert_eq!(sasl.mechanism, SaslMechanism::ScramSha512);
    let sasl = config.clusters["cloud"].security.sasl.as_ref();
    let login = &sasl.expect("sasl").login;
    assert!(matches!(login, SaslLogin::OAuthBearer(tokens) if tokens.extensions.len() == 1));
    assert!(
        main.security
            .tls
            .as_ref()
            .is_some_and(|tls| tls.key_password.is_some())
    );
}

#[test]
fn the_example_has_every_accepted_key() {
    let folder = tempfile::tempdir().expect("folder");
    let mut text = String::from("unknown = 1\n");
    for line in whole_example(folder.path()).lines() {
        text.push_str(&format!("{line}\n"));
        if line.starts_with('[') && is_shown_whole(line) {
            text.push_str("unknown = 1\n");
        }
    }
    let error = parse(&text, &[]).expect_err("has unknown keys");
    let mut tables = 0;
    for mistake in error.mistakes() {
        tables += 1;
        assert_eq!(mistake.found, "unknown key", "{mistake}");
        let table = mistake.key.strip_suffix("unknown").expect("our key");
        let written: BTreeSet<String> = written_keys(&text, table);
        let accepted: BTreeSet<String> = mistake.accepted.split(", ").map(str::to_owned).collect();
        assert_eq!(accepted, written, "in [{table}]");
    }
    assert_eq!(tables, if cfg!(feature = "gssapi") { 31 } else { 30 });
}

/// Not where keys are names, nor where a cluster is only there for its login.
fn is_shown_whole(table: &str) -> bool {
    ![
        ".properties]",
        ".extensions]",
        ".attributes]",
        ".plugins]",
        ".cloud]",
        ".kerberos]",
    ]
    .iter()
    .any(|end| table.ends_with(end))
}

/// The keys that the example writes in `table`, whose path ends with a dot.
fn written_keys(text: &str, table: &str) -> BTreeSet<String> {
    let root = tree::parse("example", text).expect("TOML");
    let table = table.trim_end_matches('.');
    let parts = table.split('.').filter(|part| !part.is_empty());
    let table = parts.fold(root, |table, part| {
        let key = part.trim_end_matches("[0]");
        match table.get(key).map(|node| node.value.clone()) {
            Some(tree::Value::Table(inner)) => inner,
            Some(tree::Value::List(items)) => match items[0].value.clone() {
                tree::Value::Table(inner) => inner,
                _ => panic!("{part} is no table"),
            },
            _ => panic!("{part} is no table"),
        }
    });
    table.into_keys().filter(|key| key != "unknown").collect()
}
