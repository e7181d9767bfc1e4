//! gRPC clients in other languages, each a process that does what it is told,
//! step by step; what the steps are is in `tests/clients/`.

use std::{
    io::{self, BufRead as _, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Set to `1` where a skipped test would be a lie.
const REQUIRE: &str = "TIDEGAUGE_REQUIRE_GRPC_CLIENTS";
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Language {
    /// With KEDA's own stubs and dial options.
    Go,
    Python,
}

/// A client; ended when dropped.
pub(crate) struct Client {
    child: Child,
    steps: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
    _stubs: Option<TempDir>,
}

impl Client {
    /// Starts one; `None` where its language is not at hand, which is a failure
    /// where it is required.
    pub(crate) fn start(language: Language) -> Option<Self> {
        let (command, stubs) = match language {
            Language::Go => (Command::new(go_client()?), None),
            Language::Python => {
                let (command, stubs) = python_client()?;
                (command, Some(stubs))
            }
        };
        Some(Self::run(command, stubs))
    }

    fn run(mut command: Command, stubs: Option<TempDir>) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            steps: child.stdin.take().unwrap(),
            told: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
            _stubs: stubs,
        }
    }

    /// Takes a step, and what came of it.
    pub(crate) fn take(&mut self, what: &str, mut step: Value) -> Value {
        step["do"] = json!(what);
        writeln!(self.steps, "{step}").unwrap();
        let told = self.told.next();
        let told = told.unwrap_or_else(|| panic!("the client has ended at {step}"));
        serde_json::from_str(&told.unwrap()).unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The path of grpcurl, if it is there.
pub(crate) fn grpcurl() -> Option<PathBuf> {
    found(tool("GRPCURL", "grpcurl"), "-version")
}

/// The Go client, built once for all stories.
fn go_client() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let go = found(tool("GO", "go"), "version")?;
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grpc-client-by-go");
        let mut build = Command::new(go);
        build.args(["build", "-mod=readonly", "-o"]).arg(&program);
        succeeded(build.arg(".").current_dir(Path::new(SOURCES).join("go")));
        Some(program)
    });
    built.as_deref()
}

/// The Python client, and the folder of its stubs.
fn python_client() -> Option<(Command, TempDir)> {
    let python = tool("PYTHON", "python3");
    let python = has_grpc(&python).then_some(python);
    let python = needed(
        python,
        "no Python with what tests/clients/python/requirements.txt has",
    )?;
    let stubs = tempfile::tempdir().unwrap();
    let out = |kind: &str| format!("--{kind}={}", stubs.path().display());
    let mut protoc = Command::new(&python);
    protoc.args(["-m", "grpc_tools.protoc", "-I", PROTO]);
    protoc.args([out("python_out"), out("grpc_python_out")]);
    succeeded(protoc.arg("externalscaler.proto"));
    let mut command = Command::new(python);
    command.arg(Path::new(SOURCES).join("python/client.py"));
    command.env("PYTHONPATH", stubs.path());
    Some((command, stubs))
}

fn has_grpc(python: &Path) -> bool {
    let imports = "import grpc, grpc_tools, grpc_health.v1";
    let output = Command::new(python).args(["-c", imports]).output();
    output.is_ok_and(|output| output.status.success())
}

fn tool(variable: &str, otherwise: &str) -> PathBuf {
    let path = std::env::var_os(format!("TIDEGAUGE_TEST_{variable}"));
    path.map_or_else(|| PathBuf::from(otherwise), PathBuf::from)
}

fn found(program: PathBuf, version: &str) -> Option<PathBuf> {
    let output = Command::new(&program).arg(version).output();
    let reason = format!("{program:?} does not run");
    needed(output.is_ok().then_some(program), &reason)
}

/// Says loudly that a story is skipped.
fn needed(program: Option<PathBuf>, reason: &str) -> Option<PathBuf> {
    if program.is_none() {
        let is_required = std::env::var(REQUIRE).is_ok_and(|value| value == "1");
        assert!(!is_required, "{REQUIRE}=1, but {reason}");
        let _ = writeln!(io::stderr(), "\n!!! SKIPPED a gRPC client: {reason}\n");
    }
    program
}

fn succeeded(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}
