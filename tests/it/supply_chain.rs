//! What a release is made from: the image, the workflows, and that they speak of
//! the same versions as the crate.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use super::support::{
    helm::{program, repository},
    scaler::PROGRAM,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What glibc and libgcc bring, which the image's base has.
const LIBRARIES: [&str; 4] = [
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libgcc_s.so.1",
    "libm.so.6",
];

#[test]
fn the_image_is_built_as_images_should_be() {
    let version = ["--version"];
    let Some(hadolint) = program("TIDEGAUGE_TEST_HADOLINT", "hadolint", &version) else {
        return;
    };
    lint(
        &hadolint,
        &["--failure-threshold", "style"],
        &["deploy/Dockerfile"],
    );
}

#[test]
fn the_workflows_are_ones_that_can_run() {
    let version = ["-version"];
    let Some(actionlint) = program("TIDEGAUGE_TEST_ACTIONLINT", "actionlint", &version) else {
        return;
    };
    let workflows = [
        ".github/workflows/ci.yaml",
        ".github/workflows/release.yaml",
    ];
    lint(&actionlint, &[], &workflows);
}

#[test]
fn the_scripts_are_sound() {
    let version = ["--version"];
    let Some(shellcheck) = program("TIDEGAUGE_TEST_SHELLCHECK", "shellcheck", &version) else {
        return;
    };
    let scripts = [
        ".ci/run",
        "deploy/build",
        "deploy/sbom",
        "deploy/manifests/generate",
    ];
    lint(&shellcheck, &[], &scripts);
}

#[test]
fn actions_of_others_are_pinned_by_commit() {
    let mut pinned = 0;
    for workflow in ["ci", "release"] {
        let text = read(&format!(".github/workflows/{workflow}.yaml"));
        for action in text.lines().filter_map(|line| line.split_once("uses: ")) {
            let action = action.1;
            if action.starts_with("./") {
                continue;
            }
            let commit = action.split_once('@').unwrap().1;
            let (commit, version) = commit.split_once(" # v").expect("the version, for readers");
            let is_hex = commit.chars().all(|digit| digit.is_ascii_hexdigit());
            assert!(
                commit.len() == 40 && is_hex && !version.is_empty(),
                "{action}"
            );
            pinned += 1;
        }
        let asks_for_nothing = text.contains("\npermissions: {}\n");
        assert!(asks_for_nothing || text.contains("\npermissions:\n  contents: read\n"));
    }
    assert!(pinned > 5);
}

#[test]
fn all_speak_of_one_version() {
    let chart = read("deploy/chart/Chart.yaml");
    for line in [
        format!("version: {VERSION}"),
        format!("appVersion: {VERSION}"),
    ] {
        assert!(chart.lines().any(|found| found == line), "{line}");
    }
    // As the release workflow compares them with the tag.
    let crate_version = format!("version = \"{VERSION}\"");
    assert!(read("Cargo.toml").lines().any(|line| line == crate_version));
    let rust = env!("CARGO_PKG_RUST_VERSION");
    let image = format!("ARG RUST_IMAGE=docker.io/library/rust:{rust}-slim-bookworm");
    assert!(read("deploy/Dockerfile").lines().any(|line| line == image));
    let container = format!("    container: docker.io/library/rust:{rust}-bookworm");
    let ci = read(".github/workflows/ci.yaml");
    assert!(ci.lines().any(|line| line == container));
}

/// The release workflow writes the image's name and digest over these lines.
#[test]
fn the_chart_has_the_lines_that_a_release_fills_in() {
    let values = read("deploy/chart/values.yaml");
    for line in ["  repository: tidegauge", "  digest: \"\""] {
        let found = values.lines().filter(|found| *found == line).count();
        assert_eq!(found, 1, "{line}");
    }
}

#[test]
fn the_images_context_has_all_that_cargo_reads() {
    let folder = tempfile::tempdir().unwrap();
    let ignore = read("deploy/Dockerfile.dockerignore");
    let kept: Vec<_> = ignore
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    assert!(kept.len() > 5 && ignore.lines().any(|line| line == "*"));
    for path in kept {
        let to = folder.path().join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        copy(&repository(path), &to);
    }
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    // What the sources themselves include.
    for (path, text) in sources(&folder.path().join("src")) {
        let included = text.split("include_str!(\"").skip(1);
        for file in included.map(|rest| rest.split('"').next().unwrap()) {
            let is_of_tests = path.contains("/tests/") || path.ends_with("tests.rs");
            let file = Path::new(&path).parent().unwrap().join(file);
            assert!(file.exists() || is_of_tests, "{path} includes {file:?}");
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_binary_needs_nothing_but_the_base_images_libraries() {
    let output = Command::new("readelf")
        .args(["-d", PROGRAM])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let needed = told.lines().filter(|line| line.contains("(NEEDED)"));
    let needed: BTreeSet<_> = needed
        .map(|line| line.split(['[', ']']).nth(1).unwrap())
        .collect();
    assert!(needed.contains("libc.so.6"), "{told}");
    for library in needed {
        assert!(LIBRARIES.contains(&library), "{library}");
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap()
}

/// Fails with what a linter finds.
fn lint(linter: &str, arguments: &[&str], files: &[&str]) {
    let output = Command::new(linter)
        .args(arguments)
        .args(files)
        .current_dir(repository(""))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.to_str().unwrap().to_owned(), text));
        }
    }
    found
}
