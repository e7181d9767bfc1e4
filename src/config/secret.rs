//! Passwords, which are never printed.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::{environment::variable_name, file, section::Section, tree::Value};

/// Largest file of a secret, far above any password.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

/// Text that `Debug` and `Display` print as `***`.
#[derive(Clone)]
pub struct Secret {
    text: String,
    file: Option<PathBuf>,
}

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            file: None,
        }
    }

    /// The secret that a file holds.
    pub(crate) fn from_file(path: &Path) -> io::Result<Self> {
        let text = file::read_text(path, MAX_SECRET_FILE_BYTES)?;
        let empty = || io::Error::new(io::ErrorKind::InvalidData, "the file is empty");
        let secret = trimmed(&text).ok_or_else(empty)?;
        Ok(Self {
            file: Some(path.to_owned()),
            ..secret
        })
    }

    /// The text itself, for the one who must send it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The file that it was read from, which may hold another one by now.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The secret as its file has it now; itself if it came from elsewhere.
    pub fn read_again(&self) -> io::Result<Self> {
        match &self.file {
            Some(path) => Self::from_file(path),
            None => Ok(self.clone()),
        }
    }
}

/// The same file is the same secret, whatever it holds by now: whoever uses it
/// follows the file.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (&self.file, &other.file) {
            (None, None) => self.text == other.text,
            (file, other) => file == other,
        }
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Section<'_> {
    /// The secret that the variable of `key` holds or, failing that, the file
    /// that `file_key` names. `key` itself is refused in the configuration
    /// file, which is no place for secrets.
    pub(super) fn secret(&mut self, key: &'static str, file_key: &'static str) -> Option<Secret> {
        let path = self.path(file_key);
        match self.get_hidden(key).map(|node| &node.value) {
            None => self.secret_file(file_key, &path?),
            Some(Value::Variable(text)) => {
                let secret = trimmed(text);
                if secret.is_none() {
                    self.refuse_unseen(key, "is empty", "a secret, or no such variable");
                }
                secret
            }
            Some(_) => {
                let accepted = self.secret_places(key, file_key);
                self.refuse_unseen(key, "a secret stands in the file", accepted);
                None
            }
        }
    }

    /// Without the secret of `key` it is a mistake.
    pub(super) fn require_secret(&mut self, key: &'static str, file_key: &'static str) {
        if !self.has(key) {
            let accepted = self.secret_places(key, file_key);
            self.require(file_key, accepted);
        }
    }

    /// Where the secret of `key` may stand.
    pub(super) fn secret_places(&self, key: &str, file_key: &str) -> String {
        let variable = variable_name(&self.path_of(key));
        format!("{file_key} with the path of a file that holds it, or the variable {variable}")
    }

    fn secret_file(&mut self, file_key: &str, path: &Path) -> Option<Secret> {
        let accepted = "the path of a readable file that holds the secret";
        Secret::from_file(path)
            .map_err(|why| self.refuse_because(file_key, why, accepted))
            .ok()
    }
}

/// The secret in `text`, without the newline that editors and `echo` leave.
fn trimmed(text: &str) -> Option<Secret> {
    let text = text.trim_end_matches(['\r', '\n']);
    (!text.is_empty()).then(|| Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "*** *** ***");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_secret_follows_its_file() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "old\n").expect("written");
        let secret = Secret::from_file(file.path()).expect("a secret");
        assert_eq!(secret.expose(), "old");
        std::fs::write(file.path(), "new\r\n").expect("written");
        assert_eq!(secret.read_again().expect("a secret").expose(), "new");
        std::fs::write(file.path(), "\n").expect("written");
        let error = secret.read_again().expect_err("an empty file");
        assert!(error.to_string().contains("empty"), "{error}");

        assert_eq!(Secret::from_file(file.path()).ok(), None, "it is empty");
        std::fs::write(file.path(), "newest").expect("written");
        assert_eq!(Secret::from_file(file.path()).ok(), Some(secret));

        let given = Secret::new("given");
        assert_ne!(given, Secret::new("another"));
        assert_eq!(given.read_again().expect("itself").expose(), "given");
        assert_eq!(given.file(), None);
    }
}
