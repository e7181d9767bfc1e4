//! How to log in to a cluster: the mechanism, and what it needs.

use std::{io, path::Path};

use super::{GssapiConfig, OAuthBearerConfig, Secret, section::Section, values::words};

const MAX_USERNAME_CHARS: usize = 1_000;
const MECHANISMS: [(&str, SaslMechanism); 5] = [
    ("PLAIN", SaslMechanism::Plain),
    ("SCRAM-SHA-256", SaslMechanism::ScramSha256),
    ("SCRAM-SHA-512", SaslMechanism::ScramSha512),
    ("OAUTHBEARER", SaslMechanism::OAuthBearer),
    ("GSSAPI", SaslMechanism::Gssapi),
];

/// The keys of each kind of login, and the mechanisms that have it.
const KEYS: [(&[&str], &[SaslMechanism]); 3] = [
    (
        &["username", "password", "password_file"],
        &[
            SaslMechanism::Plain,
            SaslMechanism::ScramSha256,
            SaslMechanism::ScramSha512,
        ],
    ),
    (
        &[
            "token_endpoint",
            "client_id",
            "client_secret",
            "client_secret_file",
            "scope",
            "token_ca_file",
            "extensions",
        ],
        &[SaslMechanism::OAuthBearer],
    ),
    (
        &["kerberos_service_name", "principal", "keytab_file"],
        &[SaslMechanism::Gssapi],
    ),
];

/// `[clusters.NAME.sasl]`: how we log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslConfig {
    /// The mechanism, by Kafka's names. Required;
    /// `TIDEGAUGE_CLUSTERS__NAME__SASL__MECHANISM`.
    pub mechanism: SaslMechanism,
    /// What the mechanism needs. Keys of another mechanism are refused.
    pub login: SaslLogin,
}

/// What a mechanism needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslLogin {
    /// Of `PLAIN`, `SCRAM-SHA-256` and `SCRAM-SHA-512`.
    Password(PasswordConfig),
    /// Of `OAUTHBEARER`.
    OAuthBearer(OAuthBearerConfig),
    /// Of `GSSAPI`.
    Gssapi(GssapiConfig),
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordConfig {
    /// The user. Required; `TIDEGAUGE_CLUSTERS__NAME__SASL__USERNAME`.
    pub username: String,
    /// From `password_file` or `TIDEGAUGE_CLUSTERS__NAME__SASL__PASSWORD`, which
    /// wins. Required.
    pub password: Secret,
}

/// Kafka's `sasl.mechanism`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    /// `PLAIN`: the password crosses the wire.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
    /// `OAUTHBEARER`: a token of an OAuth 2.0 server.
    OAuthBearer,
    /// `GSSAPI`: Kerberos, in builds that have it.
    Gssapi,
}

impl SaslMechanism {
    /// Kafka's own name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::Gssapi => "GSSAPI",
        }
    }
}

impl SaslConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mechanism = section.choice("mechanism", &MECHANISMS);
        section.require("mechanism", words(&MECHANISMS));
        let login = match mechanism {
            Some(SaslMechanism::OAuthBearer) => {
                OAuthBearerConfig::read(section).map(SaslLogin::OAuthBearer)
            }
            Some(SaslMechanism::Gssapi) => Some(SaslLogin::Gssapi(GssapiConfig::read(section))),
            Some(_) => Some(SaslLogin::Password(PasswordConfig::read(section))),
            None => None,
        };
        refuse_keys_of_others(section, mechanism);
        Self {
            mechanism: mechanism.unwrap_or(SaslMechanism::Plain),
            login: login.unwrap_or_else(|| SaslLogin::Password(PasswordConfig::default())),
        }
    }

    /// Not those of tokens, which are read again for each, nor a keytab, which
    /// `kinit` reads.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        match &self.login {
            SaslLogin::Password(user) => user.password.file(),
            SaslLogin::OAuthBearer(_) | SaslLogin::Gssapi(_) => None,
        }
        .into_iter()
    }

    pub(super) fn read_again(&self) -> io::Result<Self> {
        let mut again = self.clone();
        if let SaslLogin::Password(user) = &mut again.login {
            user.password = user.password.read_again()?;
        }
        Ok(again)
    }
}

/// Without a mechanism nothing follows for the other keys; they are known.
fn refuse_keys_of_others(section: &mut Section<'_>, mechanism: Option<SaslMechanism>) {
    for (keys, mechanisms) in KEYS {
        if mechanism.is_some_and(|mechanism| mechanisms.contains(&mechanism)) {
            continue;
        }
        for key in keys {
            section.get_hidden(key);
            if let Some(mechanism) = mechanism {
                let found = format!("does not go with {}", mechanism.as_str());
                let theirs: Vec<&str> = mechanisms.iter().map(|one| one.as_str()).collect();
                let accepted = format!("no {key}, or mechanism {}", theirs.join(", "));
                section.refuse_unseen(key, &found, accepted);
            }
        }
    }
}

impl Default for PasswordConfig {
    /// Nobody: stands where there are mistakes.
    fn default() -> Self {
        Self {
            username: String::new(),
            password: Secret::new(""),
        }
    }
}

impl PasswordConfig {
    fn read(section: &mut Section<'_>) -> Self {
        let username = section.text("username", 1..=MAX_USERNAME_CHARS);
        section.require("username", "the name of a user");
        let password = section.secret("password", "password_file");
        section.require_secret("password", "password_file");
        let nobody = Self::default();
        Self {
            username: username.unwrap_or(nobody.username),
            password: password.unwrap_or(nobody.password),
        }
    }
}
