//! A real PostgreSQL in processes of its own, on loopback.
//!
//! A cluster of databases is made once and copied for each server, so that a story
//! starts in about a second. PostgreSQL refuses to run as root, so root gives it
//! to another user.

use std::{
    fs,
    net::TcpStream,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, Weak},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::{TempDir, TempPath};
use tokio_postgres::{Client, NoTls};

use super::{PATIENCE, kafka::ports::free_port, wait::wait_until};

/// Who may do all, without a password.
const OWNER: &str = "postgres";
/// Who may read, with [`PASSWORD`].
pub(crate) const READER: &str = "reader";
pub(crate) const PASSWORD: &str = "a-password-to-read";
/// The first line wins.
const WHO_MAY_LOG_IN: &str = "\
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
";
/// Lakerunner's, as far as its queue goes.
const WORK_QUEUE: &str = "
CREATE TABLE work_queue (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  task_name text NOT NULL,
  organization_id uuid NOT NULL DEFAULT gen_random_uuid(),
  instance_num smallint NOT NULL DEFAULT 1,
  spec jsonb NOT NULL DEFAULT '{}',
  priority integer NOT NULL DEFAULT 0,
  tries integer NOT NULL DEFAULT 0,
  claimed_by bigint NOT NULL DEFAULT -1,
  claimed_at timestamptz,
  heartbeated_at timestamptz NOT NULL DEFAULT now(),
  failed boolean NOT NULL DEFAULT false,
  failed_reason jsonb,
  created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON work_queue TO reader;
";

/// A file that holds the [`READER`]'s password.
pub(crate) fn password_file() -> TempPath {
    let file = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    fs::write(&file, PASSWORD).unwrap();
    file
}

/// PostgreSQL's programs, and who runs them.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    programs: PathBuf,
    /// Another user and group, if this is root.
    user: Option<(u32, u32)>,
}

/// What is installed, in a folder that `TIDEGAUGE_TEST_POSTGRES_BIN` can name; `None`
/// if nothing is, which is a failure where services are required.
pub(crate) fn installed() -> Option<Installed> {
    if let Some(programs) = programs() {
        let user = geteuid().is_root().then(unprivileged_user);
        return Some(Installed { programs, user });
    }
    let is_required = std::env::var_os("TIDEGAUGE_REQUIRE_SERVICES").is_some();
    assert!(!is_required, "no PostgreSQL");
    eprintln!("skipped: no PostgreSQL, whose programs TIDEGAUGE_TEST_POSTGRES_BIN can name");
    None
}

fn programs() -> Option<PathBuf> {
    let has_all = |folder: &PathBuf| {
        ["initdb", "postgres"]
            .iter()
            .all(|it| folder.join(it).exists())
    };
    if let Some(named) = std::env::var_os("TIDEGAUGE_TEST_POSTGRES_BIN") {
        return Some(PathBuf::from(named)).filter(has_all);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(has_all);
    on_path.or_else(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
        let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
        let versions = versions.flatten().map(|entry| entry.path());
        let newest = versions
            .filter(|it| has_all(&it.join("bin")))
            .max_by_key(version);
        newest.map(|folder| folder.join("bin"))
    })
}

/// The ids of `postgres`, or of whoever owns nothing.
fn unprivileged_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    };
    ids("postgres")
        .or_else(|| ids("nobody"))
        .expect("a user that is not root")
}

impl Installed {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        // Not where it may not look.
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    /// A folder of its user's.
    fn folder(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        self.give(folder.path());
        folder
    }

    fn give(&self, path: &Path) {
        if let Some((user, group)) = self.user {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }

    /// A cluster of databases that is copied and never started; it stays as long as a
    /// copy does.
    fn template(&self) -> Arc<TempDir> {
        static TEMPLATE: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
        let mut kept = TEMPLATE.lock().unwrap();
        if let Some(template) = kept.upgrade() {
            return template;
        }
        let template = self.folder();
        let made = self
            .command("initdb")
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust"])
            .arg(format!("--username={OWNER}"))
            .arg("--pgdata")
            .arg(template.path().join("data"))
            .output()
            .unwrap();
        assert_well(&made, "initdb");
        let template = Arc::new(template);
        *kept = Arc::downgrade(&template);
        template
    }
}

fn assert_well(output: &Output, what: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {errors}");
}

/// A server; killed when dropped.
pub(crate) struct Postgres {
    installed: Installed,
    folder: TempDir,
    _template: Arc<TempDir>,
    port: u16,
    child: Option<Child>,
}

impl Postgres {
    /// One with an empty `work_queue`, which [`READER`] may read.
    pub(crate) async fn start(installed: &Installed) -> Self {
        let template = installed.template();
        let folder = installed.folder();
        let copied = Command::new("cp")
            .arg("-a")
            .args([template.path().join("data"), folder.path().join("data")])
            .output()
            .unwrap();
        assert_well(&copied, "cp");
        fs::write(folder.path().join("data/pg_hba.conf"), WHO_MAY_LOG_IN).unwrap();
        let mut server = Self {
            installed: installed.clone(),
            folder,
            _template: template,
            port: free_port(),
            child: None,
        };
        server.restart();
        let role = format!("CREATE ROLE {READER} LOGIN PASSWORD '{PASSWORD}'");
        server.run(&role).await;
        server.run(WORK_QUEUE).await;
        server
    }

    /// Serves over TLS, too, from now on.
    pub(crate) fn restart_with_tls(&mut self, certificate_pem: &str, key_pem: &str) {
        self.kill();
        let data = self.data();
        for (file, pem) in [("server.crt", certificate_pem), ("server.key", key_pem)] {
            fs::write(data.join(file), pem).unwrap();
            self.installed.give(&data.join(file));
        }
        let key = data.join("server.key");
        let only_owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(key, only_owner).unwrap();
        let settings = data.join("postgresql.auto.conf");
        fs::write(settings, "ssl = on\n").unwrap();
        self.restart();
    }

    /// Starts it, again after it was killed, and waits until it takes connections.
    pub(crate) fn restart(&mut self) {
        let started = wait_until(PATIENCE, || {
            self.spawn();
            wait_until(PATIENCE, || match self.has_ended() {
                // The processes of the one before may take a moment to end.
                true => Some(false),
                false => self.takes_connections().then_some(true),
            })
            .filter(|is_up| *is_up)
        });
        started.unwrap_or_else(|| panic!("no PostgreSQL: {}", self.log()));
    }

    fn spawn(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.installed.command("postgres");
        let port = self.port.to_string();
        command.arg("-D").arg(self.data()).args(["-p", &port]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "max_connections=50",
            "shared_buffers=32MB",
        ] {
            command.args(["-c", setting]);
        }
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.child = Some(child.unwrap());
    }

    fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().unwrap().is_some()
    }

    fn takes_connections(&self) -> bool {
        self.log().contains("ready to accept connections")
            && TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A connection of who may do all.
    pub(crate) async fn connect(&self) -> Client {
        let to = format!("host=127.0.0.1 port={} user={OWNER}", self.port);
        let (client, connection) = tokio_postgres::connect(&to, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Runs statements as who may do all.
    pub(crate) async fn run(&self, sql: &str) {
        self.connect().await.batch_execute(sql).await.unwrap();
    }

    /// Puts so many claimable rows of a task into the queue.
    pub(crate) async fn add(&self, task: &str, rows: u32) {
        self.run(&format!(
            "INSERT INTO work_queue (task_name, priority)
             SELECT '{task}', n % 3 FROM generate_series(1, {rows}) n"
        ))
        .await;
    }

    /// Takes the oldest rows of a task out of the queue, as workers do.
    pub(crate) async fn finish(&self, task: &str, rows: u32) {
        self.run(&format!(
            "DELETE FROM work_queue WHERE id IN (SELECT id FROM work_queue
             WHERE task_name = '{task}' ORDER BY id LIMIT {rows})"
        ))
        .await;
    }

    /// Kills it and each of its processes, as a machine that fails does.
    pub(crate) fn kill(&mut self) {
        self.signal_all(Signal::KILL);
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Stops all its processes where they are.
    pub(crate) fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets them go on.
    pub(crate) fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    /// The server first, which otherwise would see that its own have ended.
    fn signal_all(&self, signal: Signal) {
        let Some(child) = &self.child else { return };
        let server = child.id();
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children"));
        kill_process(Pid::from_child(child), signal).ok();
        for id in children.unwrap_or_default().split_whitespace() {
            let pid = id.parse().ok().and_then(Pid::from_raw);
            kill_process(pid.expect("the id of a process"), signal).ok();
        }
    }

    /// A `[queues.NAME]` of it, without TLS; `rest` comes behind.
    pub(crate) fn queue(&self, name: &str, password_file: &Path, rest: &str) -> String {
        format!(
            "[queues.{name}]\nhost = '127.0.0.1'\nport = {}\ndatabase = 'postgres'\n\
             user = '{READER}'\npassword_file = '{}'\ntls = 'off'\n{rest}\n",
            self.port,
            password_file.display()
        )
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}
