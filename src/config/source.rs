//! Where the configuration is written: a file, the environment over it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{Config, ConfigError, Mistake, file};

/// Largest configuration file, many times what 64 clusters need.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Names the whole where there is no file.
const ENVIRONMENT: &str = "environment";

/// A file that may change, if there is one, and an environment that doesn't.
#[derive(Clone)]
pub struct Source {
    path: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

/// What the file held when it was read, or why it could not be read.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents(Result<String, String>);

impl Source {
    /// `environment` laid over `file`.
    pub fn new(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self {
            path: file.map(Path::to_owned),
            environment: environment.into_iter().collect(),
        }
    }

    /// Is there a file?
    pub fn has_file(&self) -> bool {
        self.path.is_some()
    }

    /// Names it in messages.
    pub fn origin(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => ENVIRONMENT.to_owned(),
        }
    }

    /// What the file holds now; nothing if there is none. Blocks on the disk.
    pub fn read(&self) -> Contents {
        Contents(match &self.path {
            Some(path) => file::read_text(path, MAX_FILE_BYTES).map_err(|cause| cause.to_string()),
            None => Ok(String::new()),
        })
    }

    /// What that configures. The error holds every mistake; if the file can't
    /// be read or is no TOML, only that. Reads the files of secrets.
    pub fn parse(&self, contents: &Contents) -> Result<Config, ConfigError> {
        let origin = self.origin();
        match &contents.0 {
            Ok(text) => Config::parse(&origin, text, self.environment.iter().cloned()),
            Err(cause) => Err(ConfigError::new(vec![Mistake {
                place: origin,
                key: String::new(),
                found: format!("can't be read: {cause}"),
                accepted: format!(
                    "a readable TOML file of at most {} KiB",
                    MAX_FILE_BYTES / 1024
                ),
            }])),
        }
    }
}

/// The environment may hold secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.path).finish()
    }
}

/// What is written there may be a secret in the wrong place.
impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contents")
    }
}
