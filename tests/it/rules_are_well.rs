//! The alerts that are shipped: promtool takes them, each fires when it should and
//! not otherwise, is about metrics that there are, and has its place in the
//! runbook.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use regex::Regex;

use super::support::prometheus::program;

const RULES: &str = "deploy/chart/files/rules.yaml";
const TESTS: &str = "deploy/rules-tests.yaml";
const RUNBOOK: &str = "deploy/RUNBOOK.md";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap()
}

/// The first group of each match.
fn all(text: &str, pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    let found = pattern.captures_iter(text);
    found.map(|found| found[1].to_owned()).collect()
}

fn alerts() -> Vec<String> {
    let alerts = all(&read(RULES), r"(?m)^ +- alert: (\w+)$");
    assert!(alerts.len() > 20, "{alerts:?}");
    alerts
}

fn promtool(arguments: &[&str]) {
    let Some(promtool) = program("promtool") else {
        return;
    };
    let mut command = Command::new(promtool);
    let output = command.args(arguments).current_dir(root("")).output();
    let output = output.unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn promtool_takes_the_rules() {
    promtool(&["check", "rules", "--lint-fatal", RULES]);
}

#[test]
fn each_alert_fires_when_it_should_and_not_otherwise() {
    promtool(&["test", "rules", TESTS]);
    let tests = read(TESTS);
    for alert in alerts() {
        for case in ["fires", "does not fire"] {
            let name = format!("  - name: {alert} {case}\n");
            assert_eq!(tests.matches(&name).count(), 1, "{alert} {case}");
        }
        let fired = format!("alertname: {alert}\n");
        let (_, fires) = tests.split_once(&fired).unwrap();
        let (fires, _) = fires.split_once("  - name: ").unwrap();
        assert!(fires.contains("exp_labels:"), "{alert} fires in no test");
    }
}

#[test]
fn each_alert_says_what_is_wrong_and_where_to_read_on() {
    let (rules, runbook) = (read(RULES), read(RUNBOOK));
    let sections = all(&runbook, r"(?m)^## (Tidegauge\w+)$");
    assert_eq!(sections, alerts(), "the runbook has them in the same order");
    for (alert, rule) in alerts().iter().zip(rules.split("- alert: ").skip(1)) {
        let url = format!("runbook_url: {RUNBOOK}#{}\n", alert.to_lowercase());
        for part in ["severity: ", "summary: ", "description: ", &url] {
            assert!(rule.contains(part), "{alert} has no {part}");
        }
        let severity = all(rule, "severity: (.+)\n");
        assert!(["critical", "warning", "info"].contains(&severity[0].as_str()));
        let (_, section) = runbook.split_once(&format!("## {alert}\n")).unwrap();
        let section = section.split("\n## ").next().unwrap();
        for part in ["**Means**", "**KEDA**", "**Look at**", "**Do**"] {
            assert!(section.contains(part), "{alert} has no {part}");
        }
    }
}

#[test]
fn links_of_the_runbook_lead_somewhere() {
    let runbook = read(RUNBOOK);
    let anchor = |heading: String| heading.to_lowercase().replace(' ', "-");
    let headings = all(&runbook, "(?m)^#+ (.+)$");
    let anchors: BTreeSet<_> = headings.into_iter().map(anchor).collect();
    let links = all(&runbook, r"\]\(#([^)]+)\)");
    assert!(links.len() > 5, "{links:?}");
    for link in links {
        assert!(anchors.contains(&link), "no heading for #{link}");
    }
    for file in all(&runbook, r"\]\(([^#)]+)\)") {
        assert!(root("deploy").join(&file).exists(), "no file {file}");
    }
}

/// Each family is named once in the code, a counter without its end.
#[test]
fn alerts_and_runbook_are_about_metrics_that_there_are() {
    let mut known = BTreeSet::new();
    for file in fs::read_dir(root("src/http/metrics")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        known.extend(all(&text, r#""((?:tidegauge|kafka)_[a-z_]+)""#));
    }
    assert!(known.len() > 40, "{known:?}");
    let is_known = |name: &str| {
        let name = name.trim_end_matches("_total").trim_end_matches("_info");
        known.contains(name)
    };
    let mut unknown = BTreeSet::new();
    for file in [RULES, TESTS, RUNBOOK] {
        let named = all(
            &read(file),
            r"\b((?:tidegauge|kafka|kube|container)_[a-z_]+)\b",
        );
        unknown.extend(named.into_iter().filter(|name| !is_known(name)));
    }
    assert_eq!(unknown, BTreeSet::new());
}
