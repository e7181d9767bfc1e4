//! Child processes that end: with their owner, with the test process, or at a limit.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::wait::wait_until;

/// Enough of a log to see why a process failed.
const TAIL_LINES: usize = 40;

/// A running child, killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(program: &Path, args: &[String], output: &File) -> io::Result<Process> {
        let mut command = tied_to_parent(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?);
        spawn_from_lasting_thread(command).map(Process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child can be waited for")
    }

    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait_until(limit, || self.exit_status())
    }

    /// Asks it to end in good order (SIGTERM).
    pub(super) fn terminate(&self) {
        // Fails only when the process has ended, which is what was asked for.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command that ran to its end wrote (both streams, as they came).
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) success: bool,
    pub(super) output: String,
}

/// Runs a command to its end; `success` is false when it was killed at `limit`.
pub(super) fn run(program: &Path, args: &[String], limit: Duration) -> io::Result<Finished> {
    // A file, not a pipe: a pipe that nobody reads would block the child.
    let mut file = tempfile::tempfile()?;
    let mut process = Process::spawn(program, args, &file)?;
    let status = process.wait(limit);
    drop(process);

    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    let mut output = String::from_utf8_lossy(&bytes).into_owned();
    if status.is_none() {
        output.push_str(&format!("\n(killed: it had not ended after {limit:?})"));
    }
    let success = status.is_some_and(|status| status.success());
    Ok(Finished { success, output })
}

/// The last lines of a log, for a message.
pub(crate) fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// `program`, to be killed by the kernel when its parent dies, where `setpriv` can say so.
fn tied_to_parent(program: &Path) -> Command {
    if !setpriv_works() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

fn setpriv_works() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| {
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

type Order = (Command, Sender<io::Result<Child>>);

/// Spawns from a thread that lives as long as this process: the kernel ties a
/// child's death signal to the thread that forked it, and a test's thread ends
/// with its test.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, answer) = channel();
    orders
        .send((command, reply))
        .expect("the spawning thread lives");
    answer.recv().expect("the spawning thread answers")
}
