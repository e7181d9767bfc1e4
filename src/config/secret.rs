//! Passwords, which are never printed.

use std::{fmt, path::Path};

use super::{environment::variable_name, file, section::Section, tree::Value};

/// Largest file of a secret, far above any password.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

/// Text that `Debug` and `Display` print as `***`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

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

    /// Where the secret of `key` may stand.
    pub(super) fn secret_places(&self, key: &str, file_key: &str) -> String {
        let variable = variable_name(&self.path_of(key));
        format!("{file_key} with the path of a file that holds it, or the variable {variable}")
    }

    fn secret_file(&mut self, file_key: &str, path: &Path) -> Option<Secret> {
        let accepted = "the path of a readable file that holds the secret";
        let secret = match file::read_text(path, MAX_SECRET_FILE_BYTES) {
            Ok(text) => trimmed(&text).ok_or_else(|| "the file is empty".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        secret
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
}
