//! What the JSON API's document says is what the API does: schemathesis reads the
//! document, makes requests of it, good and bad, and compares the answers.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    eventually,
    scaler::{Scaler, configuration, metric, named_groups},
};

/// Where schemathesis is, if it is not on the PATH.
const PROGRAM: &str = "TIDEGAUGE_TEST_SCHEMATHESIS";
/// Set to `1` where a skipped test would be a lie.
const REQUIRE: &str = "TIDEGAUGE_REQUIRE_SCHEMATHESIS";

/// Of each operation, beside what schemathesis takes from the document itself.
const EXAMPLES: &str = "50";
/// Of each of two runs, which take some 20 s.
const TIME_LIMIT_S: &str = "120";
/// What it is not to send.
const HOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/openapi_fuzzed.py");
/// The same requests in each run.
const SEED: &str = "1";

fn schemathesis_or_skip() -> Option<PathBuf> {
    let program = std::env::var_os(PROGRAM).unwrap_or_else(|| "schemathesis".into());
    let program = PathBuf::from(program);
    let answers = Command::new(&program).arg("--version").output();
    if answers.is_ok_and(|output| output.status.success()) {
        return Some(program);
    }
    let is_required = std::env::var(REQUIRE).is_ok_and(|value| value == "1");
    assert!(!is_required, "{REQUIRE}=1, but {program:?} does not run");
    let _ = writeln!(
        io::stderr(),
        "\n!!! SKIPPED openapi_fuzzed: {program:?} does not run\n"
    );
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_keeps_to_its_document() {
    let Some(program) = schemathesis_or_skip() else {
        return;
    };
    let cluster = EmbeddedCluster::start(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let scaler = with_history(&cluster, folder.path()).await;
    let mut document = scaler.json("/api/v1/openapi.json").await;
    forbid_more_keys(&mut document, false);
    // It has no end, which schemathesis would wait for.
    let paths = document["paths"].as_object_mut().unwrap();
    paths.remove("/api/v1/live").unwrap();
    let path = folder.path().join("openapi.json");
    fs::write(&path, document.to_string()).unwrap();

    let paths = document["paths"].as_object().unwrap();

    // Schemathesis can't know that `from` is to be before `to`, and the like.
    let unfit = ["positive_data_acceptance"];
    let anything = fuzz(&program, &folder, &path, &scaler, "", &unfit);
    let named = fuzz(&program, &folder, &path, &scaler, &of_the_history(), &[]);
    let asked = [&anything[..], &named[..]].concat();
    let _ = writeln!(io::stderr(), "{} requests", asked.len());
    for path in paths.keys() {
        let path = path.replace("{group}", "orders-service");
        let is_answered = |(of, status): &(String, u64)| *of == path && *status == 200;
        assert!(asked.iter().any(is_answered), "{path} was never answered");
    }
    let log = scaler.log();
    assert!(!log.contains("\"ERROR\""), "{log}");
}

/// With names and times that are there, and go together, each value that the
/// document allows is to be answered; or there would be too much to tell.
fn of_the_history() -> String {
    let now = chrono::Utc::now().timestamp();
    format!(
        r#"
[parameters]
group = "orders-service"
topic = "orders"
cluster = "main"
partition = "0"
after = ""
groups = "[\"orders-service\"]"
from = "{}"
to = "{}"
[checks.positive_data_acceptance]
expected-statuses = [200, 404, 422]
"#,
        now - 3_600,
        now + 3_600,
    )
}

/// A scaler that has recorded the group and the topic of the document's examples.
async fn with_history(cluster: &EmbeddedCluster, folder: &Path) -> Scaler {
    cluster.create_topic("orders", 3).unwrap();
    let producer = cluster.producer().unwrap();
    producer.send("orders", Some(0), 100).unwrap();
    producer.flush().unwrap();
    let groups = named_groups(&[("orders-service", "orders")]);
    let servers = cluster.bootstrap_servers();
    let data_dir = folder.join("data");
    let scaler = Scaler::start(&configuration(&data_dir, &servers, &groups));
    let metadata = [("consumerGroup", "orders-service"), ("topic", "orders")];
    for offset in 1..=3 {
        let commits = [("orders", 0, offset)];
        cluster
            .commit_offsets("orders-service", &commits)
            .await
            .unwrap();
        scaler.told(&metadata).await.unwrap();
        let ticks = metric(&scaler, "tidegauge_recorded_ticks_total", "").await;
        eventually("more ticks", async || {
            let now = metric(&scaler, "tidegauge_recorded_ticks_total", "").await;
            (now > ticks + 2.0).then_some(())
        })
        .await;
    }
    scaler
}

/// A key that the document does not tell of is a failure: where it refers to an
/// object, that has no more keys. Those that an object is joined of have.
fn forbid_more_keys(value: &mut Value, is_joined: bool) {
    match value {
        Value::Object(object) => {
            if object.contains_key("$ref") && !is_joined {
                object.insert("unevaluatedProperties".to_owned(), json!(false));
            }
            for (key, value) in object {
                forbid_more_keys(value, key == "allOf");
            }
        }
        Value::Array(items) => {
            for item in items {
                forbid_more_keys(item, is_joined);
            }
        }
        _ => {}
    }
}

/// Path and status of each request that schemathesis made, and found nothing
/// wrong with.
fn fuzz(
    program: &Path,
    folder: &TempDir,
    document: &Path,
    scaler: &Scaler,
    configuration: &str,
    unfit: &[&str],
) -> Vec<(String, u64)> {
    let (file, report) = (
        folder.path().join("configuration"),
        folder.path().join("har"),
    );
    fs::write(&file, configuration).unwrap();
    let url = format!("http://{}", scaler.http_address());
    let output = Command::new("timeout")
        .arg(TIME_LIMIT_S)
        .arg(program)
        .env("SCHEMATHESIS_HOOKS", HOOKS)
        // It remembers what failed, and would ask that again in the next run.
        .current_dir(folder.path())
        .arg("--config-file")
        .arg(&file)
        .arg("run")
        .arg(document)
        .args(["--url", &url, "--max-examples", EXAMPLES, "--seed", SEED])
        .args(["--checks", "all", "--continue-on-failure"])
        .args(unfit.iter().flat_map(|check| ["--exclude-checks", check]))
        .args(["--report", "har", "--report-har-path"])
        .arg(&report)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{errors}");
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let entries = report["log"]["entries"].as_array().unwrap().iter();
    let asked = |entry: &Value| {
        let asked = entry["request"]["url"].as_str().unwrap();
        let path = asked.strip_prefix(&url).unwrap().split('?').next().unwrap();
        let status = entry["response"]["status"].as_u64().unwrap();
        (path.to_owned(), status)
    };
    entries.map(asked).collect()
}
