//! A real Helm, and the schemas of Kubernetes, KEDA, Prometheus' operator and
//! cert-manager, by which what it renders is judged.

use std::{
    collections::HashMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Mutex, OnceLock},
};

use serde_json::Value;

/// The release's namespace in all stories.
pub(crate) const NAMESPACE: &str = "scaling";

/// What renders, and what judges.
pub(crate) struct Helm {
    program: String,
    python: String,
    definitions: Vec<PathBuf>,
    /// What values render to: many stories look at the same.
    rendered: Mutex<HashMap<String, Vec<Value>>>,
}

/// A path inside the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The program that a variable names, or that is on the PATH; `None` if it does
/// not run, which is a failure where deployments are required to be checked.
pub(crate) fn program(variable: &str, default: &str, probe: &[&str]) -> Option<String> {
    let path = std::env::var(variable).unwrap_or(default.to_owned());
    let ran = Command::new(&path).args(probe).output();
    if ran.is_ok_and(|output| output.status.success()) {
        return Some(path);
    }
    let is_required = std::env::var_os("TIDEGAUGE_REQUIRE_HELM").is_some();
    assert!(!is_required, "{path} {probe:?} does not run");
    eprintln!("skipped: {path} {probe:?} does not run; {variable} can name another");
    None
}

impl Helm {
    /// Those of this machine, if all of them are there.
    pub(crate) fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Option<Helm>> = OnceLock::new();
        FOUND.get_or_init(Self::look).as_ref()
    }

    fn look() -> Option<Self> {
        let module = ["-c", "import kubernetes_validate"];
        let definitions = std::env::var("TIDEGAUGE_TEST_CRDS").unwrap_or_default();
        let helm = Self {
            program: program("TIDEGAUGE_TEST_HELM", "helm", &["version"])?,
            python: program("TIDEGAUGE_TEST_KUBERNETES_VALIDATE", "python3", &module)?,
            definitions: definitions.split(':').map(PathBuf::from).collect(),
            rendered: Mutex::default(),
        };
        if helm.definitions.iter().all(|folder| folder.is_dir()) {
            return Some(helm);
        }
        let is_required = std::env::var_os("TIDEGAUGE_REQUIRE_HELM").is_some();
        assert!(!is_required, "TIDEGAUGE_TEST_CRDS is {definitions:?}");
        eprintln!("skipped: TIDEGAUGE_TEST_CRDS names no folders of definitions");
        None
    }

    /// What it says to a command about the chart.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(repository("deploy"));
        command.output().unwrap()
    }

    /// The objects of a release with `values`, a values file's text; each is
    /// valid. The error is Helm's.
    pub(crate) fn template(&self, values: &str) -> Result<Vec<Value>, String> {
        if let Some(objects) = self.rendered.lock().unwrap().get(values) {
            return Ok(objects.clone());
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), values).unwrap();
        let path = file.path().to_str().unwrap();
        let release = ["template", "tidegauge", "chart", "--namespace", NAMESPACE];
        let more = ["--kube-version", "1.33", "--values", path];
        let output = self.run(&[&release[..], &more[..]].concat());
        if !output.status.success() {
            return Err(String::from_utf8(output.stderr).unwrap());
        }
        let objects = self.judge(&output.stdout).unwrap_or_else(|mistakes| {
            panic!(
                "{mistakes}\nof\n{}",
                String::from_utf8_lossy(&output.stdout)
            )
        });
        let mut rendered = self.rendered.lock().unwrap();
        rendered.insert(values.to_owned(), objects.clone());
        Ok(objects)
    }

    /// The objects in a text of YAML, or what is wrong with them.
    pub(crate) fn judge(&self, yaml: &[u8]) -> Result<Vec<Value>, String> {
        self.objects(yaml, &self.definitions)
    }

    /// The same without looking at schemas.
    pub(crate) fn read(&self, yaml: &[u8]) -> Result<Vec<Value>, String> {
        self.objects(yaml, &[])
    }

    fn objects(&self, yaml: &[u8], definitions: &[PathBuf]) -> Result<Vec<Value>, String> {
        let mut child = Command::new(&self.python)
            .arg(repository("tests/it/support/manifests.py"))
            .args(definitions)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(yaml).unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).unwrap())
        } else {
            Err(String::from_utf8(output.stderr).unwrap())
        }
    }
}

/// The values files beside the chart, each with its name.
pub(crate) fn values_files() -> Vec<(String, String)> {
    let folder = std::fs::read_dir(repository("deploy/chart/ci")).unwrap();
    let mut files: Vec<_> = folder
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() >= 6, "the values files were not found");
    files
}

/// One of them.
pub(crate) fn values_file(name: &str) -> String {
    std::fs::read_to_string(repository("deploy/chart/ci").join(name)).unwrap()
}

/// The only object of its kind that has a name which ends in `suffix`.
pub(crate) fn object<'a>(objects: &'a [Value], kind: &str, suffix: &str) -> &'a Value {
    let is_it = |object: &&Value| {
        let name = object["metadata"]["name"].as_str().unwrap();
        object["kind"] == kind && name.ends_with(suffix)
    };
    let found: Vec<_> = objects.iter().filter(is_it).collect();
    let [only] = found[..] else {
        panic!("{} of {kind} *{suffix}", found.len());
    };
    only
}

/// The scaler's pod, as the StatefulSet makes it.
pub(crate) fn pod(objects: &[Value]) -> &Value {
    &object(objects, "StatefulSet", "")["spec"]["template"]
}

/// The configuration that the pod reads.
pub(crate) fn configuration_file(objects: &[Value]) -> &str {
    let named = |object: &&Value| object["data"].get("tidegauge.toml").is_some();
    let map = objects.iter().find(named).expect("a ConfigMap");
    map["data"]["tidegauge.toml"].as_str().unwrap()
}
