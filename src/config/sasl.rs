//! How to log in to a cluster.

use std::{io, path::Path};

use super::{Secret, section::Section, values::words};

const MAX_USERNAME_CHARS: usize = 1_000;
const MECHANISMS: [(&str, SaslMechanism); 3] = [
    ("PLAIN", SaslMechanism::Plain),
    ("SCRAM-SHA-256", SaslMechanism::ScramSha256),
    ("SCRAM-SHA-512", SaslMechanism::ScramSha512),
];

/// `[clusters.NAME.sasl]`: how we log in.
#[derive(Debug, Clone)]
pub struct SaslConfig {
    /// The mechanism, by Kafka's names. Required;
    /// `TIDEGAUGE_CLUSTERS__NAME__SASL__MECHANISM`.
    pub mechanism: SaslMechanism,
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
}

impl SaslMechanism {
    /// Kafka's own name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl SaslConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mechanism = section.choice("mechanism", &MECHANISMS);
        section.require("mechanism", words(&MECHANISMS));
        let username = section.text("username", 1..=MAX_USERNAME_CHARS);
        section.require("username", "the name of a user");
        let password = section.secret("password", "password_file");
        if !section.has("password") {
            let accepted = section.secret_places("password", "password_file");
            section.require("password_file", accepted);
        }
        Self {
            mechanism: mechanism.unwrap_or(SaslMechanism::Plain),
            username: username.unwrap_or_default(),
            password: password.unwrap_or_else(|| Secret::new("")),
        }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.password.file().into_iter()
    }

    pub(super) fn read_again(&self) -> io::Result<Self> {
        Ok(Self {
            password: self.password.read_again()?,
            ..self.clone()
        })
    }
}
