//! A real Redis for tests: servers, sentinels and clusters on loopback, which end
//! with the test.
//!
//! What goes wrong panics with the end of the server's log.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{
    PATIENCE,
    certificates::Authority,
    kafka::{
        ports::free_port,
        process::{Process, tail},
    },
    wait::wait_until,
};

const SERVER: &str = "redis-server";
const CLI: &str = "redis-cli";
/// What the sentinels call the master.
pub(crate) const MASTER: &str = "plugins";

/// Is there a Redis? Where it is required, that there is none is a failure.
pub(crate) fn is_there(test: &str) -> bool {
    let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if is_there(SERVER) && is_there(CLI) {
        return true;
    }
    let is_required = std::env::var_os("TIDEGAUGE_REQUIRE_SERVICES").is_some();
    assert!(!is_required, "no {SERVER} or {CLI}, which {test} needs");
    // Not `eprintln!`: the test harness would keep its text of a test that passes.
    let _ = writeln!(io::stderr(), "\n!!! SKIPPED {test}: no {SERVER} or {CLI}\n");
    false
}

/// A running server, or one that was killed and can be started again.
pub(crate) struct Redis {
    folder: TempDir,
    port: u16,
    options: Vec<String>,
    /// What `redis-cli` needs beside the port.
    login: Vec<String>,
    process: Option<Process>,
}

impl Redis {
    /// Starts one that everybody may ask.
    pub(crate) fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// Starts one with these options; `login` are those of `redis-cli`.
    pub(crate) fn start_with(options: &[&str], login: &[&str]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Self::start_in(tempfile::tempdir().unwrap(), owned(options), owned(login))
    }

    fn start_in(folder: TempDir, options: Vec<String>, login: Vec<String>) -> Self {
        let mut redis = Self {
            folder,
            port: free_port(),
            options,
            login,
            process: None,
        };
        redis.start_again();
        redis
    }

    /// Starts one that speaks TLS alone, and whose user `reader` may read what
    /// begins with `plugin:`, by the password.
    pub(crate) fn start_secured(authority: &Authority, password: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path();
        let server = authority.issue("redis", "127.0.0.1");
        fs::write(files.join("ca.pem"), authority.certificate_pem()).unwrap();
        fs::write(files.join("tls.crt"), server.certificate_pem()).unwrap();
        fs::write(files.join("tls.key"), server.key_pem()).unwrap();
        let path = |name: &str| files.join(name).display().to_string();
        let (ca, certificate, key) = (path("ca.pem"), path("tls.crt"), path("tls.key"));
        let allowed = format!("reader on >{password} ~plugin:* +getrange +exists +select");
        let options = [
            format!("--tls-ca-cert-file {ca} --tls-cert-file {certificate} --tls-key-file {key}"),
            format!("--user {allowed} --user default on >admin ~* &* +@all"),
        ]
        .join(" ");
        let login = format!(
            "--tls --cacert {ca} --cert {certificate} --key {key} --no-auth-warning -a admin"
        );
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (options, login) = (words(&options), words(&login));
        Self::start_in(folder, options, login)
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sets a key in database 2, Azul's.
    pub(crate) fn set(&self, key: &str, value: &str) {
        self.cli(&["-n", "2", "set", key, value]);
    }

    /// What `redis-cli` says.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = self.try_cli(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_error = said.starts_with("ERR") || said.starts_with("(error)");
        assert!(
            output.status.success() && !is_error,
            "{arguments:?}: {output:?}"
        );
        said
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, at the same address, with what it was left with.
    pub(crate) fn start_again(&mut self) {
        let log = self.path("log");
        let mut options = self.ports();
        options.extend(["--bind", "127.0.0.1", "--dir"].map(str::to_owned));
        options.push(self.folder.path().display().to_string());
        options.extend(["--appendonly", "yes", "--save", ""].map(str::to_owned));
        options.extend(self.options.iter().cloned());
        self.process = Some(spawn(&options, &log));
        let is_up = || {
            let output = self.try_cli(&["ping"]);
            String::from_utf8_lossy(&output.stdout)
                .contains("PONG")
                .then_some(())
        };
        wait_until(PATIENCE, is_up).unwrap_or_else(|| panic!("no Redis: {}", tail(&log)));
    }

    /// It holds its connections and answers nothing.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// It answers again.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// How often a command was called.
    pub(crate) fn calls_of(&self, command: &str) -> u64 {
        let stats = self.cli(&["info", "commandstats"]);
        let line = stats.lines().find_map(|line| {
            let rest = line.strip_prefix(&format!("cmdstat_{command}:calls="))?;
            rest.split(',').next()?.parse().ok()
        });
        // A command that was never called has no line.
        line.unwrap_or(0)
    }

    fn try_cli(&self, arguments: &[&str]) -> Output {
        let port = self.port.to_string();
        let mut command = Command::new(CLI);
        command
            .args(["-h", "127.0.0.1", "-p", &port])
            .args(&self.login);
        command.args(arguments).output().unwrap()
    }

    fn ports(&self) -> Vec<String> {
        let port = self.port.to_string();
        let ports = match self.login.iter().any(|option| option == "--tls") {
            true => ["--port", "0", "--tls-port", &port],
            false => ["--port", &port, "--tls-port", "0"],
        };
        ports.map(str::to_owned).to_vec()
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("it runs");
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A master, a replica, and three sentinels that watch them.
pub(crate) struct Watched {
    pub(crate) master: Redis,
    pub(crate) replica: Redis,
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    _folder: TempDir,
    port: u16,
    process: Option<Process>,
}

impl Watched {
    pub(crate) fn start() -> Self {
        let master = Redis::start();
        let port = master.port.to_string();
        let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &port], &[]);
        let sentinels = (0..3).map(|_| Sentinel::start(master.port));
        let watched = Self {
            sentinels: sentinels.collect(),
            replica,
            master,
        };
        watched.wait_until_known();
        watched
    }

    /// Their addresses.
    pub(crate) fn sentinels(&self) -> Vec<String> {
        let sentinels = self.sentinels.iter();
        sentinels
            .map(|one| format!("127.0.0.1:{}", one.port))
            .collect()
    }

    /// One of the sentinels goes.
    pub(crate) fn kill_first_sentinel(&mut self) {
        self.sentinels[0].process = None;
    }

    /// Each sentinel must know the others and the replica before it can act.
    fn wait_until_known(&self) {
        for sentinel in &self.sentinels {
            let knows_all = || {
                let says = sentinel.says(&["sentinel", "master", MASTER]);
                let field = |name: &str| {
                    let mut lines = says.lines();
                    lines.find(|line| *line == name)?;
                    lines.next().map(str::to_owned)
                };
                let (replicas, others) = (field("num-slaves"), field("num-other-sentinels"));
                (replicas? == "1" && others? == "2").then_some(())
            };
            wait_until(PATIENCE, knows_all).expect("the sentinels know each other");
        }
    }
}

impl Sentinel {
    fn start(master: u16) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 500\n\
             sentinel failover-timeout {MASTER} 5000\n",
            folder.path().display()
        );
        fs::write(&file, text).unwrap();
        let options = [file.display().to_string(), "--sentinel".to_owned()];
        let process = spawn(&options, &folder.path().join("log"));
        Self {
            _folder: folder,
            port,
            process: Some(process),
        }
    }

    fn says(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(CLI);
        let port = self.port.to_string();
        let output = command
            .args(["-p", &port])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A cluster of three masters.
pub(crate) struct RedisCluster {
    pub(crate) nodes: Vec<Redis>,
}

impl RedisCluster {
    pub(crate) fn start() -> Self {
        let node = |_| Redis::start_with(&["--cluster-enabled", "yes"], &[]);
        let nodes: Vec<_> = (0..3).map(node).collect();
        let addresses: Vec<_> = nodes.iter().map(Redis::address).collect();
        let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
        let create = [&["--cluster", "create"], &addresses[..], &["--cluster-yes"]];
        nodes[0].cli(&create.concat());
        for node in &nodes {
            let is_whole = || {
                node.cli(&["cluster", "info"])
                    .contains("cluster_state:ok")
                    .then_some(())
            };
            wait_until(PATIENCE, is_whole).expect("the cluster is whole");
        }
        Self { nodes }
    }

    /// Sets a key, wherever it belongs.
    pub(crate) fn set(&self, key: &str, value: &str) {
        self.nodes[0].cli(&["-c", "set", key, value]);
    }
}

fn spawn(options: &[String], log: &Path) -> Process {
    let output = File::options().create(true).append(true).open(log).unwrap();
    Process::spawn(Path::new(SERVER), options, &output).unwrap()
}
