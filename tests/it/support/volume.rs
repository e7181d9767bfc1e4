//! Files as Kubernetes mounts a Secret.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Files as Kubernetes mounts a Secret: behind a link, which is swapped when
/// they change.
pub(crate) struct Volume(tempfile::TempDir);

impl Volume {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let volume = Self(tempfile::tempdir().unwrap());
        volume.swap(files);
        volume
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.link().join(name)
    }

    pub(crate) fn swap(&self, files: &[(&str, &str)]) {
        let version = tempfile::tempdir_in(self.0.path()).unwrap().keep();
        for (name, text) in files {
            fs::write(version.join(name), text).unwrap();
        }
        let next = self.0.path().join("next");
        symlink(&version, &next).unwrap();
        fs::rename(next, self.link()).unwrap();
    }

    fn link(&self) -> PathBuf {
        Path::new(self.0.path()).join("current")
    }
}

pub(crate) fn refs<'a>(files: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    let files = files.iter();
    files.map(|(name, text)| (*name, text.as_str())).collect()
}
