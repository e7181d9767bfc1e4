//! The binary as a container has it: what an image without a shell holds, an own
//! user without privileges, nothing to write to but a volume.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{
    cgroup::{Cgroup, Limits},
    scaler::program,
};

/// Set where namespaces can be made: then a story that can't is a failure.
const REQUIRED: &str = "TIDEGAUGE_REQUIRE_NAMESPACES";
/// Set in the process that has a network of its own.
const INSIDE: &str = "TIDEGAUGE_TEST_INSIDE";

/// Who it runs as.
pub(crate) const USER: u32 = 65_532;
/// Whose the volume is: Kubernetes' `fsGroup`.
pub(crate) const VOLUME_GROUP: u32 = 2_000;
/// Where the volume is, inside.
pub(crate) const DATA_DIR: &str = "/data";
const MEMORY_BYTES: u64 = 128 << 20;

/// In namespaces of its own: `$0` becomes the root, read-only but for the volume
/// `$1`; `$2` is the program. Then all is dropped that only root may have.
const CONFINE: &str = r#"
set -e
cp "$5" "$0/etc/tidegauge.toml"
chmod 444 "$0/etc/tidegauge.toml"
chroot="$(command -v chroot)"
setpriv="$(command -v setpriv)"
mount --bind "$0" "$0"
mount --bind "$2" "$0/tidegauge"
mount --bind "$1" "$0/data"
mount -t proc proc "$0/proc"
mount -o remount,bind,ro "$0/tidegauge"
mount -o remount,bind,ro "$0"
cd /
exec env -i "$setpriv" --no-new-privs --inh-caps=-all \
  --bounding-set=-all,+sys_chroot,+setuid,+setgid \
  "$chroot" --userspec=65532:65532 --groups=2000 "$0" \
  /tidegauge serve --config /etc/tidegauge.toml
"#;

/// Runs the story named `name` again in a process with no network but loopback;
/// `true` in that process.
pub(crate) fn is_inside(name: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let outcome = Command::new("unshare")
        .args([
            "--net",
            "sh",
            "-c",
            r#"ip link set lo up && exec "$0" "$@""#,
        ])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    match can_be_made() {
        Ok(()) => assert!(outcome.unwrap().success(), "it failed inside"),
        Err(cause) => {
            let required = env::var_os(REQUIRED).is_some();
            assert!(!required, "no namespaces ({cause}), and {REQUIRED} is set");
            eprintln!("SKIPPED: no namespaces can be made here: {cause}");
        }
    }
    false
}

fn can_be_made() -> Result<(), String> {
    let probe = "ip link set lo up && command -v setpriv chroot && mount -t tmpfs tmpfs /mnt";
    let unshare = ["--net", "--mount", "--pid", "--ipc", "--uts", "--fork"];
    let probed = Command::new("unshare")
        .args(unshare)
        .args(["sh", "-c", probe])
        .output();
    match probed {
        Ok(probed) if probed.status.success() => Ok(()),
        Ok(probed) => Err(String::from_utf8_lossy(&probed.stderr).into_owned()),
        Err(cause) => Err(cause.to_string()),
    }
}

/// What the image has, and a volume.
pub(crate) struct Image {
    root: TempDir,
    volume: TempDir,
    /// `None` where none can be made.
    cgroup: Option<Cgroup>,
}

impl Image {
    pub(crate) fn make() -> Self {
        let (root, volume) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in ["etc", "proc", "data"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("tidegauge"), b"").unwrap();
        for library in libraries(&program()) {
            let place = root.path().join(library.strip_prefix("/").unwrap());
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(&library, place).unwrap();
        }
        let set_mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        set_mode(root.path(), 0o755);
        chown(volume.path(), Some(0), Some(VOLUME_GROUP)).unwrap();
        set_mode(volume.path(), 0o2770);
        Self {
            root,
            volume,
            cgroup: Cgroup::make(Limits {
                memory_bytes: Some(MEMORY_BYTES),
                ..Limits::default()
            }),
        }
    }

    /// Ends in the program's own command line.
    pub(crate) fn command(&self) -> Command {
        let unshare = Path::new("unshare");
        let mut command = match &self.cgroup {
            Some(cgroup) => cgroup.command(unshare),
            None => Command::new(unshare),
        };
        command
            .args([
                "--mount",
                "--pid",
                "--ipc",
                "--uts",
                "--fork",
                "--kill-child",
            ])
            .args(["sh", "-c", CONFINE])
            .args([self.root.path(), self.volume.path(), &program()]);
        command
    }

    /// The names in the volume, all of its group.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.volume.path())
            .unwrap()
            .map(Result::unwrap);
        let name = |entry: fs::DirEntry| {
            let metadata = entry.metadata().unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (USER, VOLUME_GROUP));
            entry.file_name().into_string().unwrap()
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }

    /// What was killed for want of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        self.cgroup.as_ref().map_or(0, Cgroup::oom_kills)
    }
}

/// What the dynamic linker would load.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(program).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let words = listed.split_whitespace();
    words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// The process with PID 1 inside, which `unshare` with this PID has made.
pub(crate) fn first_process(unshare: u32) -> Pid {
    let children = format!("/proc/{unshare}/task/{unshare}/children");
    let children = fs::read_to_string(children).unwrap();
    Pid::from_raw(children.trim().parse().unwrap()).unwrap()
}

/// As Kubernetes asks it to end.
pub(crate) fn terminate(process: Pid) {
    kill_process(process, Signal::TERM).unwrap();
}

/// The places that a process may write to, of those that are mounted for it.
pub(crate) fn writable_places(process: Pid) -> Vec<String> {
    let path = format!("/proc/{}/mountinfo", process.as_raw_nonzero());
    let mounts = fs::read_to_string(path).unwrap();
    let fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let writable = fields.filter(|fields| fields[5].split(',').any(|option| option == "rw"));
    writable.map(|fields| fields[4].to_owned()).collect()
}

/// A line of what the system says of a process.
pub(crate) fn status_line(process: Pid, name: &str) -> String {
    let path = format!("/proc/{}/status", process.as_raw_nonzero());
    let status = fs::read_to_string(path).unwrap();
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let line = lines.find(|(found, _)| *found == name);
    line.unwrap_or_else(|| panic!("no {name} in {status}"))
        .1
        .trim()
        .to_owned()
}
