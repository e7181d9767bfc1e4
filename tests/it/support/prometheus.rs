//! A real Prometheus in a process of its own, and its promtool.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
};

use serde_json::Value;

use super::PATIENCE;

/// A running Prometheus; killed when dropped.
pub(crate) struct Prometheus {
    child: Child,
    address: String,
}

/// The path of one of Prometheus' programs, which an environment variable can
/// name; `None` if there is none, which is a failure where it is required.
pub(crate) fn program(name: &str) -> Option<String> {
    let variable = format!("TIDEGAUGE_TEST_{}", name.to_uppercase());
    let path = std::env::var(&variable).unwrap_or(name.to_owned());
    if Command::new(&path).arg("--version").output().is_ok() {
        return Some(path);
    }
    let is_required = std::env::var_os("TIDEGAUGE_REQUIRE_PROMTOOL").is_some();
    assert!(!is_required, "no {name} at {path}");
    eprintln!("skipped: no {name}, whose path {variable} can name");
    None
}

/// What promtool says of a text that it is given.
pub(crate) fn promtool(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

impl Prometheus {
    /// Starts one on a free port, with its data in `folder`, and waits until it
    /// serves.
    pub(crate) fn start(program: &str, configuration: &str, folder: &Path) -> Self {
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, configuration).unwrap();
        let mut child = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let (mut address, mut log, mut is_ready) = (None, String::new(), false);
            for line in lines.map_while(Result::ok) {
                if line.contains("Listening on")
                    && let Some((_, found)) = line.rsplit_once("address=")
                {
                    address = Some(found.to_owned());
                }
                log.push_str(&line);
                log.push('\n');
                is_ready |= line.contains("Server is ready to receive web requests");
                if let Some(address) = address.clone().filter(|_| is_ready) {
                    sender.send(Ok(address)).ok();
                }
            }
            sender.send(Err(log)).ok();
        });
        match receiver.recv_timeout(PATIENCE) {
            Ok(Ok(address)) => Self { child, address },
            Ok(Err(log)) => panic!("no Prometheus: {log}"),
            Err(_) => {
                child.kill().ok();
                panic!("Prometheus is not ready within {PATIENCE:?}");
            }
        }
    }

    /// Its API's address.
    pub(crate) fn api(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What an API of Prometheus' kind answers.
pub(crate) async fn ask(
    client: &reqwest::Client,
    api: &str,
    path: &str,
    form: &[(&str, String)],
) -> Value {
    let request = client.get(format!("{api}/{path}")).query(form);
    let text = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path} {form:?}: {text}"))
}
