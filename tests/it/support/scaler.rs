//! A scaler in a process of its own.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempPath;
use tidegauge::proto::{
    GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient,
};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

use super::{PATIENCE, eventually};

/// The scaler's binary.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tidegauge");

/// Names the binary as it is released: memory and CPU are measured by that alone.
pub(crate) const RELEASED: &str = "TIDEGAUGE_TEST_RELEASE";

/// The binary as it is released, if it is named.
pub(crate) fn released() -> Option<PathBuf> {
    env::var_os(RELEASED).map(PathBuf::from)
}

/// The released binary, or else the one of the tests.
pub(crate) fn program() -> PathBuf {
    released().unwrap_or_else(|| PROGRAM.into())
}

/// A running `tidegauge serve`; killed when dropped.
pub(crate) struct Scaler {
    child: Child,
    /// Its configuration, which it follows.
    file: Option<TempPath>,
    grpc: String,
    http: String,
    log: Arc<Mutex<String>>,
}

/// What GetMetrics and IsActive tell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) value: f64,
    pub(crate) active: bool,
}

/// A configuration for the tests: free ports, quick polls, one cluster.
pub(crate) fn configuration(data_dir: &Path, bootstrap_servers: &str, rest: &str) -> String {
    let servers: Vec<_> = bootstrap_servers.split(',').collect();
    let cluster = format!("[clusters.main]\nbootstrap_servers = {servers:?}\n{rest}");
    polling_every(data_dir, "200ms", &cluster)
}

/// The same with polls so far apart, of what `rest` names.
pub(crate) fn polling_every(data_dir: &Path, interval: &str, rest: &str) -> String {
    format!(
        r#"
[store]
data_dir = {data_dir:?}
[grpc]
listen = "127.0.0.1:0"
[http]
listen = "127.0.0.1:0"
[poll]
interval = {interval:?}
request_timeout = "1s"
[log]
format = "json"
{rest}
"#
    )
}

/// Groups by name, for brokers that can't list them.
pub(crate) fn named_groups(groups: &[(&str, &str)]) -> String {
    let named = groups.iter().map(|(group, topic)| {
        format!("[[clusters.main.groups.named]]\ngroup = {group:?}\ntopics = [{topic:?}]\n")
    });
    format!(
        "[clusters.main.groups]\ndiscover = false\n{}",
        named.collect::<String>()
    )
}

impl Scaler {
    /// Starts one, and waits until it serves.
    pub(crate) fn start(configuration: &str) -> Self {
        Self::try_start(configuration).unwrap_or_else(|log| panic!("no scaler: {log}"))
    }

    /// Starts one; its log if it ends instead of serving.
    pub(crate) fn try_start(configuration: &str) -> Result<Self, String> {
        Self::try_start_by(Command::new(PROGRAM), configuration)
    }

    /// Starts one by a command that ends in [`PROGRAM`].
    pub(crate) fn try_start_by(command: Command, configuration: &str) -> Result<Self, String> {
        Self::try_begin(command, configuration, "serving")
    }

    /// Starts one, and waits only until it listens.
    pub(crate) fn begin(configuration: &str) -> Self {
        Self::try_begin(Command::new(PROGRAM), configuration, "listening")
            .unwrap_or_else(|log| panic!("no scaler: {log}"))
    }

    fn try_begin(
        command: Command,
        configuration: &str,
        until: &'static str,
    ) -> Result<Self, String> {
        let file = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&file, configuration).unwrap();
        let mut scaler = Self::try_follow(command, &file, until)?;
        scaler.file = Some(file);
        Ok(scaler)
    }

    /// Starts one whose configuration is in `file`, and waits until it serves.
    pub(crate) fn follow(file: &Path) -> Self {
        let command = Command::new(PROGRAM);
        Self::try_follow(command, file, "serving").unwrap_or_else(|log| panic!("{log}"))
    }

    fn try_follow(mut command: Command, file: &Path, until: &'static str) -> Result<Self, String> {
        let mut child = command
            .arg("serve")
            .arg("--config")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (serving, addresses) = mpsc::channel();
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(found) = addresses_in(&line, until) {
                    serving.send(found).ok();
                }
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        // The sender is gone when the process has closed its log.
        match addresses.recv_timeout(PATIENCE) {
            Ok((grpc, http)) => Ok(Self {
                child,
                file: None,
                grpc,
                http,
                log,
            }),
            Err(_) => {
                child.kill().ok();
                child.wait().unwrap();
                Err(log.lock().unwrap().clone())
            }
        }
    }

    /// Where it serves gRPC.
    pub(crate) fn grpc_address(&self) -> &str {
        &self.grpc
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has logged `words`, which come through a pipe, a moment after
    /// what they tell of. All that it has logged.
    pub(crate) async fn has_logged(&self, words: &str) -> String {
        eventually(&format!("{words:?} is logged"), async || {
            let log = self.log();
            log.contains(words).then_some(log)
        })
        .await
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and all that it has logged until then.
    pub(crate) async fn log_at_end(mut self) -> String {
        self.signal_end();
        eventually("the scaler ends", async || self.child.try_wait().unwrap()).await;
        eventually("its log is read", async || {
            (Arc::strong_count(&self.log) == 1).then(|| self.log())
        })
        .await
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn terminate(self) -> ExitStatus {
        self.signal_end();
        self.ended().await
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        eventually("the scaler ends", async || self.has_ended()).await
    }

    /// How it has ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end.
    pub(crate) fn signal_end(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Asks it to read its configuration.
    pub(crate) fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// A client of its gRPC.
    pub(crate) async fn client(&self) -> ExternalScalerClient<Channel> {
        ExternalScalerClient::new(self.channel().await)
    }

    /// A connection to its gRPC.
    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc)).unwrap();
        endpoint.connect().await.unwrap()
    }

    /// What KEDA would be told of a trigger.
    pub(crate) async fn told(&self, metadata: &[(&str, &str)]) -> Result<Told, Status> {
        let mut client = self.client().await;
        let object = scaled_object(metadata);
        let request = GetMetricsRequest {
            scaled_object_ref: Some(object.clone()),
            metric_name: String::new(),
        };
        let values = client
            .get_metrics(request)
            .await?
            .into_inner()
            .metric_values;
        let active = client.is_active(object).await?.into_inner().result;
        Ok(Told {
            value: values.iter().map(|value| value.metric_value_float).sum(),
            active,
        })
    }

    /// Where its HTTP is.
    pub(crate) fn http_address(&self) -> &str {
        &self.http
    }

    /// What it answers under a path, with the status.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = reqwest::get(format!("http://{}{path}", self.http))
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The JSON that it answers under a path with 200.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The value of one of its metrics, by name and whole set of labels, which may
/// be empty.
pub(crate) async fn metric(scaler: &Scaler, name: &str, labels: &str) -> f64 {
    let (_, page) = scaler.get("/metrics").await;
    let line = match labels {
        "" => format!("{name} "),
        _ => format!("{name}{{{labels}}} "),
    };
    let value = page.lines().find_map(|found| found.strip_prefix(&line));
    value
        .unwrap_or_else(|| panic!("no {line}in:\n{page}"))
        .parse()
        .unwrap()
}

/// KEDA's reference to a ScaledObject with this trigger metadata.
pub(crate) fn scaled_object(metadata: &[(&str, &str)]) -> ScaledObjectRef {
    let pairs = metadata.iter();
    ScaledObjectRef {
        name: "story".to_owned(),
        namespace: "tests".to_owned(),
        scaler_metadata: pairs
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    }
}

/// The addresses of the line that says this.
fn addresses_in(line: &str, message: &str) -> Option<(String, String)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields")?;
    if fields.get("message")?.as_str()? != message {
        return None;
    }
    let address = |key| Some(fields.get(key)?.as_str()?.to_owned());
    Some((address("grpc")?, address("http")?))
}
