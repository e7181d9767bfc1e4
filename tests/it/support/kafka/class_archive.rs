//! A class-data archive of the JVM: it halves the start of the broker and of every tool.
//!
//! A broker is started once and writes what it loaded when it ends. The archive
//! names the jars by path and time, so it is made where the jars stay; one that
//! does not fit is ignored by the JVM.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::broker::Broker;
use super::distribution::Distribution;
use super::node::SERVER;

#[derive(Clone, Debug)]
pub(super) enum ClassArchive {
    Absent,
    /// The next broker writes it when it ends.
    Recording(PathBuf),
    Ready(PathBuf),
}

impl ClassArchive {
    pub(super) fn java_options(&self, class: &str) -> Vec<String> {
        match self {
            ClassArchive::Ready(path) => {
                vec![format!("-XX:SharedArchiveFile={}", path.display())]
            }
            // A tool that ends before the broker would record itself.
            ClassArchive::Recording(path) if class == SERVER => vec![
                format!("-XX:ArchiveClassesAtExit={}", path.display()),
                // Java would name hundreds of classes that it leaves out.
                "-Xlog:cds=off".to_owned(),
                "-Xlog:cds+dynamic=off".to_owned(),
            ],
            ClassArchive::Recording(_) | ClassArchive::Absent => Vec::new(),
        }
    }
}

/// The distribution with its archive, which is made first where missing.
///
/// The caller holds the lock of the cache.
pub(super) fn with_archive(distribution: Distribution) -> Distribution {
    let name = format!("classes-{}.jsa", distribution.java_version);
    let archive = distribution.home.join(name);
    if !archive.exists()
        && let Err(error) = make(&distribution, &archive)
    {
        let archive = archive.display();
        let _ = writeln!(io::stderr(), "Kafka starts slowly, no {archive}: {error}");
        return distribution;
    }
    Distribution {
        class_archive: ClassArchive::Ready(archive),
        ..distribution
    }
}

fn make(distribution: &Distribution, archive: &Path) -> io::Result<()> {
    let unfinished = archive.with_added_extension("new");
    let recording = Distribution {
        class_archive: ClassArchive::Recording(unfinished.clone()),
        ..distribution.clone()
    };
    Broker::start(&recording).stop();
    fs::rename(unfinished, archive)
}
