//! Kafka's jars and the Java that runs them.
//!
//! The jars are downloaded once, into a folder kept between runs; later runs
//! do not need Maven. The version is the one in `pom.xml`.

use std::fmt;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::class_archive::{self, ClassArchive};
use super::process;

const POM: &str = include_str!("pom.xml");
/// Brokers of Kafka 4 need it.
const OLDEST_JAVA: u32 = 17;
/// Enough for a broker of a test.
const HEAP_MB: u32 = 384;
const JAVA_LIMIT: Duration = Duration::from_secs(20);
/// Some 55 MB over a slow line.
const MAVEN_LIMIT: Duration = Duration::from_secs(600);

/// A Kafka that can be run: a Java and a folder of jars.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    pub(super) java: PathBuf,
    pub(super) java_version: String,
    /// Holds `lib`, and the class archive beside it.
    pub(super) home: PathBuf,
    pub(super) class_archive: ClassArchive,
    pub(super) heap_mb: u32,
}

impl Distribution {
    /// The same with more heap than tests need.
    #[allow(dead_code, reason = "the bench of poll cycles needs it")]
    pub(crate) fn with_heap(&self, heap_mb: u32) -> Distribution {
        Distribution {
            heap_mb,
            ..self.clone()
        }
    }

    /// Arguments for `java` to run `class` of Kafka with `args`.
    pub(super) fn java_args(&self, class: &str, args: &[String]) -> Vec<String> {
        // A small heap and a short start matter here, peak speed does not.
        let mut all: Vec<String> = [
            format!("-Xmx{}m", self.heap_mb).as_str(),
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dlog4j2.level=WARN",
        ]
        .map(String::from)
        .to_vec();
        all.extend(self.class_archive.java_options(class));
        all.push("-cp".to_owned());
        // Java itself expands the asterisk.
        all.push(self.home.join("lib/*").display().to_string());
        all.push(class.to_owned());
        all.extend_from_slice(args);
        all
    }
}

/// Why Kafka cannot run here.
#[derive(Clone, Debug)]
pub(crate) struct Unavailable(String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no Apache Kafka for tests: {}", self.0)
    }
}

impl std::error::Error for Unavailable {}

/// Finds or downloads Kafka, once a process; the other threads wait.
pub(crate) fn available() -> Result<Arc<Distribution>, Unavailable> {
    static FOUND: OnceLock<Result<Arc<Distribution>, Unavailable>> = OnceLock::new();
    FOUND
        .get_or_init(|| prepare(&cache()).map(Arc::new))
        .clone()
}

fn prepare(cache: &Path) -> Result<Distribution, Unavailable> {
    let (java, java_version) = find_java()?;
    let home = cache.join(folder_name());
    let _lock = lock(cache, &home).map_err(|error| {
        Unavailable(format!(
            "the cache {} is not usable: {error}",
            cache.display()
        ))
    })?;
    if !home.exists() {
        download(cache, &home)?;
    }
    let distribution = Distribution {
        java,
        java_version,
        home,
        class_archive: ClassArchive::Absent,
        heap_mb: HEAP_MB,
    };
    Ok(class_archive::with_archive(distribution))
}

fn cache() -> PathBuf {
    if let Some(folder) = std::env::var_os("TIDEGAUGE_TEST_CACHE") {
        return folder.into();
    }
    match std::env::home_dir() {
        Some(home) if home.is_dir() => home.join(".cache/tidegauge-tests"),
        _ => std::env::temp_dir().join("tidegauge-tests"),
    }
}

/// Names the version for people, and all of the pom for whoever changes it.
fn folder_name() -> String {
    let mut hasher = DefaultHasher::new();
    POM.hash(&mut hasher);
    format!("kafka-{}-{:016x}", kafka_version(), hasher.finish())
}

fn kafka_version() -> &'static str {
    POM.split_once("<kafka.version>")
        .and_then(|(_, rest)| rest.split_once('<'))
        .map(|(version, _)| version)
        .expect("pom.xml has a kafka.version")
}

/// Held while jars and class archive are made, against other test processes.
fn lock(cache: &Path, home: &Path) -> io::Result<File> {
    fs::create_dir_all(cache)?;
    let file = File::create(home.with_added_extension("lock"))?;
    file.lock()?;
    Ok(file)
}

fn find_java() -> Result<(PathBuf, String), Unavailable> {
    let java = match std::env::var_os("JAVA_HOME") {
        Some(home) => PathBuf::from(home).join("bin/java"),
        None => PathBuf::from("java"),
    };
    let name = java.display().to_string();
    let output = run_or_unavailable(&java, &["-version".to_owned()], JAVA_LIMIT)?;
    let version = java_version(&output)
        .ok_or_else(|| Unavailable(format!("`{name} -version` names no version: {output}")))?;
    match major(&version) {
        Some(found) if found >= OLDEST_JAVA => Ok((java, version)),
        _ => Err(Unavailable(format!(
            "{name} is Java {version}, Kafka needs {OLDEST_JAVA} or newer"
        ))),
    }
}

/// The quoted part of `openjdk version "17.0.15" 2025-04-15`.
fn java_version(output: &str) -> Option<String> {
    let (_, rest) = output.split_once("version \"")?;
    let (version, _) = rest.split_once('"')?;
    Some(version.to_owned())
}

fn major(version: &str) -> Option<u32> {
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Downloads beside `home` and renames, so that `home` is whole or absent.
fn download(cache: &Path, home: &Path) -> Result<(), Unavailable> {
    let staging = stage_pom(cache)
        .map_err(|error| Unavailable(format!("cannot write to {}: {error}", cache.display())))?;
    let path = staging.path().display();
    let args = [
        "-q".to_owned(),
        "-B".to_owned(),
        format!("-f{path}/pom.xml"),
        "dependency:copy-dependencies".to_owned(),
        "-DincludeScope=runtime".to_owned(),
        format!("-DoutputDirectory={path}/lib"),
    ];
    run_or_unavailable(Path::new("mvn"), &args, MAVEN_LIMIT)?;
    // Dropping `staging` then finds nothing left to remove.
    fs::rename(staging.path(), home)
        .map_err(|error| Unavailable(format!("cannot create {}: {error}", home.display())))
}

fn stage_pom(cache: &Path) -> io::Result<tempfile::TempDir> {
    let staging = tempfile::Builder::new()
        .prefix("staging-")
        .tempdir_in(cache)?;
    fs::write(staging.path().join("pom.xml"), POM)?;
    Ok(staging)
}

fn run_or_unavailable(
    program: &Path,
    args: &[String],
    limit: Duration,
) -> Result<String, Unavailable> {
    let name = program.display();
    let finished = process::run(program, args, limit)
        .map_err(|error| Unavailable(format!("cannot run `{name}`: {error}")))?;
    if finished.success {
        return Ok(finished.output);
    }
    let output = finished.output;
    Err(Unavailable(format!(
        "`{name} {}` failed: {output}",
        args.join(" ")
    )))
}
