//! Who may ask over HTTP.

use std::{io, path::PathBuf};

use super::{Secret, section::Section};

/// Nothing bounds how often somebody may try, so that what can be guessed will be.
const MIN_SECRET_CHARS: usize = 16;
const MAX_SECRET_CHARS: usize = 4_096;
const MAX_USER_CHARS: usize = 255;

const TOKEN: &str = "16 to 4096 of a-z, A-Z, 0-9 and -._~+/=, which is all that a header can hold";
const PASSWORD: &str = "16 to 4096 characters on one line";

/// `[http.auth]`: whoever asks must say who they are, by one of the ways that are
/// configured. Probes need not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthConfig {
    /// From `bearer_token_file`, or `TIDEGAUGE_HTTP__AUTH__BEARER_TOKEN`, which
    /// wins. Default: none.
    pub bearer_token: Option<Secret>,
    /// Default: none.
    pub basic: Option<BasicConfig>,
}

/// HTTP's basic authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicConfig {
    /// Together with a password; `TIDEGAUGE_HTTP__AUTH__USER`.
    pub user: String,
    /// From `password_file`, or `TIDEGAUGE_HTTP__AUTH__PASSWORD`, which wins.
    pub password: Secret,
}

/// A file holds no secret that is of any use.
#[derive(Debug, thiserror::Error)]
#[error("http.auth.{key}: {why}")]
pub struct BadSecret {
    key: &'static str,
    why: io::Error,
}

impl AuthConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let bearer_token = section.secret("bearer_token", "bearer_token_file");
        let user = section.text("user", 1..=MAX_USER_CHARS);
        let password = section.secret("password", "password_file");
        if let Some(why) = bearer_token.as_ref().and_then(fault_of_token) {
            refuse(section, ["bearer_token", "bearer_token_file"], why, TOKEN);
        }
        if let Some(why) = password.as_ref().and_then(fault_of_password) {
            refuse(section, ["password", "password_file"], why, PASSWORD);
        }
        let is_bad = |user: &String| user.contains(':') || user.contains(char::is_control);
        if user.as_ref().is_some_and(is_bad) {
            section.refuse("user", "the name of a user, without a colon");
        }
        let has_password = section.has("password") || section.has("password_file");
        if section.has("user") {
            if !has_password {
                section.require_secret("password", "password_file");
            }
        } else if has_password {
            section.require("user", "the name of a user, since there is a password");
        } else if !section.has("bearer_token") && !section.has("bearer_token_file") {
            let accepted = "bearer_token_file, or user with password_file, or both";
            section.refuse_whole("names no secret".to_owned(), accepted);
        }
        Self {
            bearer_token,
            basic: user.zip(password).map(BasicConfig::from),
        }
    }

    /// The files that secrets come from, whose contents may change.
    pub fn files(&self) -> Vec<PathBuf> {
        let password = self.basic.as_ref().map(|basic| &basic.password);
        let secrets = self.bearer_token.iter().chain(password);
        let files = secrets.filter_map(Secret::file);
        files.map(PathBuf::from).collect()
    }

    /// The same with each secret as its file has it now.
    pub fn read_again(&self) -> Result<Self, BadSecret> {
        let token = self.bearer_token.as_ref().map(|token| {
            let again = read_again(token, fault_of_token, TOKEN);
            again.map_err(|why| BadSecret::new("bearer_token_file", why))
        });
        let basic = self.basic.as_ref().map(|basic| {
            let again = read_again(&basic.password, fault_of_password, PASSWORD);
            let again = again.map_err(|why| BadSecret::new("password_file", why))?;
            Ok(BasicConfig::from((basic.user.clone(), again)))
        });
        Ok(Self {
            bearer_token: token.transpose()?,
            basic: basic.transpose()?,
        })
    }
}

impl BadSecret {
    fn new(key: &'static str, why: io::Error) -> Self {
        Self { key, why }
    }
}

impl From<(String, Secret)> for BasicConfig {
    fn from((user, password): (String, Secret)) -> Self {
        Self { user, password }
    }
}

/// The secret at the first of `keys` that is there is a mistake.
fn refuse(section: &mut Section<'_>, keys: [&str; 2], why: &str, accepted: &str) {
    if let Some(key) = keys.into_iter().find(|key| section.has(key)) {
        section.refuse_unseen(key, why, accepted);
    }
}

fn read_again(
    secret: &Secret,
    fault: impl Fn(&Secret) -> Option<&'static str>,
    accepted: &str,
) -> io::Result<Secret> {
    let again = secret.read_again()?;
    match fault(&again) {
        Some(why) => Err(io::Error::other(format!("{why}; accepted: {accepted}"))),
        None => Ok(again),
    }
}

/// What no client could send is refused, by RFC 6750, 2.1.
fn fault_of_token(token: &Secret) -> Option<&'static str> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let fault = fault_of_password(token);
    fault.or_else(|| {
        let legal = token.expose().bytes().all(is_legal);
        (!legal).then_some("the token has a character that no header can hold")
    })
}

fn fault_of_password(password: &Secret) -> Option<&'static str> {
    let text = password.expose();
    let chars = text.chars().count();
    if text.contains(['\n', '\r']) {
        Some("the secret has more than one line")
    } else if text.contains(char::is_control) {
        Some("the secret has a control character")
    } else if chars < MIN_SECRET_CHARS {
        Some("the secret is so short that it can be guessed")
    } else if chars > MAX_SECRET_CHARS {
        Some("the secret is too long")
    } else {
        None
    }
}
