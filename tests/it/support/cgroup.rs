//! A process with as much memory and CPU as a container may have.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use super::scaler::{RELEASED, released};

/// Set where cgroups can be made: then a story that can't is a failure.
const REQUIRED: &str = "TIDEGAUGE_REQUIRE_CGROUPS";
const ROOT: &str = "/sys/fs/cgroup";
/// In which a share of a CPU is given.
const PERIOD_US: u32 = 100_000;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What a container may have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) cpu_percent: Option<u32>,
}

/// A control group of its own, gone when dropped; its processes must be.
#[derive(Debug)]
pub(crate) struct Cgroup {
    /// Of version 1 there is one for each controller.
    memory: PathBuf,
    cpu: PathBuf,
    is_unified: bool,
}

impl Cgroup {
    /// One in which the released binary is measured; `None`, said loudly, where
    /// the environment names no such binary or no cgroup can be made.
    pub(crate) fn for_released(limits: Limits) -> Option<(Self, PathBuf)> {
        let Some(program) = released() else {
            eprintln!("SKIPPED: no released binary to measure: {RELEASED} is not set");
            return None;
        };
        Some((Self::make(limits)?, program))
    }

    /// `None`, said loudly, where none can be made.
    pub(crate) fn make(limits: Limits) -> Option<Self> {
        match Self::try_make(limits) {
            Ok(cgroup) => Some(cgroup),
            Err(cause) => {
                let required = env::var_os(REQUIRED).is_some();
                assert!(!required, "no cgroup ({cause}), and {REQUIRED} is set");
                eprintln!("SKIPPED: no cgroup can be made here: {cause}");
                None
            }
        }
    }

    fn try_make(limits: Limits) -> io::Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidegauge-test-{}-{number}", process::id());
        let is_unified = Path::new(ROOT).join("cgroup.controllers").exists();
        let folder = |controller: &str| match is_unified {
            true => Path::new(ROOT).join(&name),
            false => Path::new(ROOT).join(controller).join(&name),
        };
        let cgroup = Self {
            memory: folder("memory"),
            cpu: folder("cpu"),
            is_unified,
        };
        if is_unified {
            fs::write(
                Path::new(ROOT).join("cgroup.subtree_control"),
                "+memory +cpu",
            )?;
        }
        for folder in [&cgroup.memory, &cgroup.cpu] {
            fs::create_dir_all(folder)?;
        }
        cgroup.limit(limits)?;
        Ok(cgroup)
    }

    fn limit(&self, limits: Limits) -> io::Result<()> {
        if let Some(bytes) = limits.memory_bytes {
            let file = self.of_version("memory.limit_in_bytes", "memory.max");
            fs::write(self.memory.join(file), bytes.to_string())?;
        }
        if let Some(percent) = limits.cpu_percent {
            let quota_us = PERIOD_US / 100 * percent;
            match self.is_unified {
                true => fs::write(self.cpu.join("cpu.max"), format!("{quota_us} {PERIOD_US}"))?,
                false => {
                    let write =
                        |file, number: u32| fs::write(self.cpu.join(file), number.to_string());
                    write("cpu.cfs_period_us", PERIOD_US)?;
                    write("cpu.cfs_quota_us", quota_us)?;
                }
            }
        }
        Ok(())
    }

    fn of_version(&self, first: &'static str, unified: &'static str) -> &'static str {
        if self.is_unified { unified } else { first }
    }

    /// Runs `program` in it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        let enter =
            r#"echo $$ > "$0/cgroup.procs" && echo $$ > "$1/cgroup.procs" && shift && exec "$@""#;
        command.arg("-c").arg(enter);
        command.arg(&self.memory).arg(&self.cpu).arg(program);
        command
    }

    /// The most memory that was in use, files that were read and written included.
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        let file = self.of_version("memory.max_usage_in_bytes", "memory.peak");
        number(&fs::read_to_string(self.memory.join(file)).unwrap())
    }

    /// What is in use now without files, which the system takes back when it
    /// needs to.
    pub(crate) fn own_memory_bytes(&self) -> u64 {
        let name = self.of_version("total_rss", "anon");
        named(&self.memory.join("memory.stat"), name)
    }

    /// Processes that were killed since there was no memory for them.
    pub(crate) fn oom_kills(&self) -> u64 {
        let file = self.of_version("memory.oom_control", "memory.events");
        named(&self.memory.join(file), "oom_kill")
    }

    /// Periods in which it would have used more CPU than it may.
    pub(crate) fn throttled_periods(&self) -> u64 {
        named(&self.cpu.join("cpu.stat"), "nr_throttled")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in [&self.memory, &self.cpu] {
            fs::remove_dir(folder).ok();
        }
    }
}

/// A line `name number` of a file.
fn named(path: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let line = lines.find(|(found, _)| *found == name);
    number(line.unwrap_or_else(|| panic!("no {name} in {text}")).1)
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap()
}
