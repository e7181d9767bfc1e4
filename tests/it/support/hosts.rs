//! Names of hosts that only one process knows, and that can go.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use tempfile::NamedTempFile;

/// The kernel shows a process its own file in place of this one.
const HOSTS: &str = "/etc/hosts";
/// Mounts the file `$0`, and becomes the rest of the command.
const MOUNT: &str = r#"mount --bind "$0" /etc/hosts && exec "$@""#;

/// A hosts file of one process.
#[derive(Debug)]
pub(crate) struct Hosts {
    file: NamedTempFile,
    text: String,
}

impl Hosts {
    /// These names are loopback; the others are as for everyone. `None` where a
    /// process can't be given a hosts file of its own, and the test is to return.
    ///
    /// # Panics
    /// When it can't and `required`.
    pub(crate) fn new_or_skip(test_name: &str, names: &[String], required: bool) -> Option<Hosts> {
        let line = |name: &String| format!("{} {name}\n", Ipv4Addr::LOCALHOST);
        let text: String = names.iter().map(line).collect();
        let file = NamedTempFile::new().expect("a temp file can be made");
        let hosts = Hosts { file, text };
        hosts.know();
        match hosts.try_out() {
            Ok(()) => return Some(hosts),
            Err(why) => assert!(!required, "{test_name} cannot run: {why}"),
        }
        let _ = writeln!(
            io::stderr(),
            "\n!!! SKIPPED {test_name}: `unshare --mount` does not work here\n"
        );
        None
    }

    /// The names are known.
    pub(crate) fn know(&self) {
        self.write(&self.text);
    }

    /// No name is known.
    pub(crate) fn forget(&self) {
        self.write("");
    }

    /// Runs `program` with this hosts file, as the process that is started.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["sh", "-c", MOUNT]).arg(self.file.path());
        command.arg(program);
        // A resolver that waits for a DNS server would only make the test long.
        command.env("RES_OPTIONS", "timeout:1 attempts:1");
        command
    }

    fn try_out(&self) -> Result<(), String> {
        let shown = self.command("cat").arg(HOSTS).output();
        let shown = shown.map_err(|error| format!("no unshare: {error}"))?;
        match shown.stdout == self.text.as_bytes() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&shown.stderr).into_owned()),
        }
    }

    /// In place: a mount shows the file that was there, not one of its name.
    fn write(&self, text: &str) {
        let path: &Path = self.file.path();
        fs::write(path, text).expect("the hosts file can be written");
    }
}
