//! Disks that misbehave: a small one that runs full or read-only, and one whose
//! calls hang or fail.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::scaler::PROGRAM;

const REQUIRE: &str = "TIDEGAUGE_REQUIRE_TMPFS";
/// Room for the store of a story, and filled in no time.
const SIZE: &str = "size=16m";
const FILLER: &str = "filler";

/// A tmpfs of its own; unmounted when dropped.
pub(crate) struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// `None` where nothing can be mounted, and the test is to return.
    ///
    /// # Panics
    /// When it can't and `TIDEGAUGE_REQUIRE_TMPFS=1`.
    pub(crate) fn new_or_skip(test_name: &str) -> Option<Self> {
        let disk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let Err(why) = mount(&["-t", "tmpfs", "-o", SIZE, "tmpfs"], disk.folder.path()) else {
            return Some(disk);
        };
        let is_required = env::var(REQUIRE).is_ok_and(|value| value == "1");
        assert!(
            !is_required,
            "{REQUIRE}=1, but {test_name} cannot run: {why}"
        );
        let _ = writeln!(
            io::stderr(),
            "\n!!! SKIPPED {test_name}: no tmpfs can be mounted: {why}\n!!! (set {REQUIRE}=1 to fail instead)\n"
        );
        None
    }

    /// A folder on it, which may not be there yet.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Takes all the space that is left.
    pub(crate) fn fill(&self) {
        let mut filler = fs::File::create(self.folder.path().join(FILLER)).unwrap();
        let full = loop {
            if let Err(error) = filler.write_all(&[1; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }

    /// Gives the space back.
    pub(crate) fn free(&self) {
        fs::remove_file(self.folder.path().join(FILLER)).unwrap();
    }

    /// From now on it can, or can't, be written.
    pub(crate) fn set_read_only(&self, is_read_only: bool) {
        let options = if is_read_only {
            "remount,ro"
        } else {
            "remount,rw"
        };
        mount(&["-o", options], self.folder.path()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let path = self.folder.path();
        Command::new("umount").arg("--lazy").arg(path).output().ok();
    }
}

fn mount(options: &[&str], folder: &Path) -> Result<(), String> {
    let mount = Command::new("mount").args(options).arg(folder).output();
    let output = mount.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A disk between the process and the real one. Its calls to write and to sync
/// go through a library that is loaded before the system's.
pub(crate) struct FaultyDisk {
    folder: TempDir,
}

/// The file that `TIDEGAUGE_FAULTY_DISK` names says how the disk is: `hang`, or
/// the number of the error that each call fails with.
const LIBRARY: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(void) {
    char state[16] = {0};
    do {
        int file = open(getenv("TIDEGAUGE_FAULTY_DISK"), O_RDONLY | O_CLOEXEC);
        if (file < 0) return 0;
        ssize_t length = read(file, state, sizeof state - 1);
        close(file);
        if (length <= 0) return 0;
    } while (strncmp(state, "hang", 4) == 0 && usleep(1000) == 0);
    errno = atoi(state);
    return errno != 0;
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off_t offset) {
    return fails() ? -1 : syscall(SYS_pwrite64, file, bytes, length, offset);
}
int fdatasync(int file) { return fails() ? -1 : (int)syscall(SYS_fdatasync, file); }
int fsync(int file) { return fails() ? -1 : (int)syscall(SYS_fsync, file); }
int ftruncate64(int file, off_t length) {
    return fails() ? -1 : (int)syscall(SYS_ftruncate, file, length);
}
"#;

impl FaultyDisk {
    /// One that is well.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("disk.c"), LIBRARY).unwrap();
        let compiler = Command::new("gcc")
            .current_dir(folder.path())
            .args(["-shared", "-fPIC", "-O1", "-o", "disk.so", "disk.c"])
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&compiler.stderr);
        assert!(compiler.status.success(), "{complaints}");
        Self { folder }
    }

    /// The scaler on this disk.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .env("LD_PRELOAD", self.folder.path().join("disk.so"))
            .env("TIDEGAUGE_FAULTY_DISK", self.state());
        command
    }

    /// Calls begin, and do not end.
    pub(crate) fn hang(&self) {
        self.set("hang");
    }

    /// Calls fail with this error of the system.
    pub(crate) fn fail(&self, error: i32) {
        self.set(&error.to_string());
    }

    /// All is well again.
    pub(crate) fn heal(&self) {
        fs::remove_file(self.state()).unwrap();
    }

    /// In one step, so that nobody reads a half.
    fn set(&self, state: &str) {
        let unseen = self.folder.path().join("next");
        fs::write(&unseen, state).unwrap();
        fs::rename(unseen, self.state()).unwrap();
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }
}
