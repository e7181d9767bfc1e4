//! Dependencies run one way, and each foreign crate stays in its wing.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The wings in the order of the flow: each may use those before it.
const LAYERS: [&[&str]; 6] = [
    &["model", "proto"],
    &["config", "estimator"],
    &[
        "kafka",
        "polling",
        "sources",
        "store",
        "logging",
        "reloads",
        "files",
        "tls",
        "telemetry",
    ],
    &["start", "board", "backups", "recorder", "scaler", "jobs"],
    &["http"],
    &["app", "demo", "cli"],
];

/// Foreign crates, and the only places that may name them.
const FOREIGN: [(&str, &[&str]); 13] = [
    ("rdkafka", &["src/kafka/"]),
    (
        "hyper_util",
        &["src/kafka/oauth/", "src/tls/", "src/cli/backup.rs"],
    ),
    ("rustls", &["src/tls/"]),
    ("tokio_postgres", &["src/sources/postgres/"]),
    ("deadpool_postgres", &["src/sources/postgres/"]),
    ("tokio_postgres_rustls", &["src/sources/postgres/"]),
    // The configuration has a module of that name.
    ("redis", &["src/sources/", "src/config/mod.rs"]),
    ("opentelemetry", &["src/telemetry/"]),
    ("redb", &["src/store/", "migrations/"]),
    (
        "axum",
        &["src/http/", "src/app/servers.rs", "src/app/listeners.rs"],
    ),
    ("utoipa", &["src/http/", "src/store/care/contents.rs"]),
    ("promql_parser", &["src/http/prometheus/"]),
    (
        "tonic",
        &[
            "src/scaler/",
            "src/app/servers.rs",
            "src/lib.rs",
            "src/cli/ask.rs",
            "src/demo/keda.rs",
            "src/telemetry/",
        ],
    ),
];

#[test]
fn foreign_crates_stay_in_their_wing() {
    for (path, text) in sources() {
        for (krate, places) in FOREIGN {
            let names = code(&text).any(|line| names_crate(line, krate));
            let allowed = places.iter().any(|place| path.starts_with(place));
            assert!(
                !names || allowed,
                "{path} names {krate}, which stays in {places:?}"
            );
        }
    }
}

#[test]
fn no_wing_uses_one_that_comes_after_it() {
    for (path, text) in sources() {
        let Some(own) = wing(&path) else { continue };
        let own_layer = layer(own);
        for (index, modules) in LAYERS.iter().enumerate() {
            for module in *modules {
                let uses = code(&text).any(|line| names_module(line, module));
                let allowed = index <= own_layer;
                assert!(
                    !uses || allowed,
                    "{path} uses {module}, which comes after {own}"
                );
            }
        }
    }
}

#[test]
fn only_the_kafka_wing_is_unsafe() {
    for (path, text) in sources() {
        let is_unsafe =
            code(&text).any(|line| line.contains("unsafe {") || line.contains("unsafe fn"));
        assert!(
            !is_unsafe || path.starts_with("src/kafka/"),
            "{path} is unsafe"
        );
    }
}

#[test]
fn the_estimator_reads_no_clock_and_does_no_io() {
    for (path, text) in sources() {
        if path.starts_with("src/estimator/") {
            for forbidden in ["::now()", "std::fs", "std::net", "tokio", "async "] {
                let found = code(&text).any(|line| line.contains(forbidden));
                assert!(!found, "{path} has {forbidden}");
            }
        }
    }
}

/// Lines that are code, not comment.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

/// `krate::`, and not as the end of a longer name.
fn names_crate(line: &str, krate: &str) -> bool {
    let name = format!("{krate}::");
    let is_name = |before: &str| before.ends_with(|it: char| it.is_alphanumeric() || it == '_');
    let mut places = line.match_indices(&name);
    places.any(|(place, _)| !is_name(&line[..place]))
}

/// `use crate::module` or `module::` within `use crate::{ ... }`.
fn names_module(line: &str, module: &str) -> bool {
    let line = line.trim_start();
    line.contains(&format!("crate::{module}::")) || line.starts_with(&format!("{module}::"))
}

/// The wing that a file belongs to: a folder or a file directly under `src`.
fn wing(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let name = inside.split('/').next()?.trim_end_matches(".rs");
    (name != "main" && name != "lib").then_some(name)
}

fn layer(wing: &str) -> usize {
    LAYERS
        .iter()
        .position(|modules| modules.contains(&wing))
        .unwrap_or_else(|| panic!("{wing} is in no layer: give it a place in the flow"))
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "migrations"] {
        collect(&root.join(folder), &mut found);
    }
    assert!(found.len() > 20, "the sources were not found");
    let relative = |path: &PathBuf| {
        path.strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    found
        .iter()
        .map(|path| (relative(path), fs::read_to_string(path).unwrap()))
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
