//! `tidegauge check` says all that is wrong, or that nothing is.

use std::process::{Command, Output};

fn check(text: &str, environment: &[(&str, &str)]) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Command::new(env!("CARGO_BIN_EXE_tidegauge"))
        .args(["check", "--config"])
        .arg(file.path())
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn the_example_passes() {
    let output = check(include_str!("../../tidegauge.example.toml"), &[]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = r#"
[pol]
interval = "10s"
[poll]
interval = "soon"
[clusters.main]
bootstrap_servers = []
"#;
    let output = check(text, &[("TIDEGAUGE_GRPC__LISTEN", "nowhere")]);
    assert!(!output.status.success());
    let told = String::from_utf8(output.stdout).unwrap();
    for part in [
        "pol",
        "poll.interval",
        "soon",
        "bootstrap_servers",
        "TIDEGAUGE_GRPC__LISTEN",
        "nowhere",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegauge"))
        .args(["check", "--config", "no-such-file.toml"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("no-such-file.toml"));
}
