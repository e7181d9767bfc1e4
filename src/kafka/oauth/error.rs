//! Why there is no token, in words for people.

use std::{io, time::Duration};

use crate::config::{Secret, cut_at};

/// Longest error code of a token server that is told.
const CODE_CHARS: usize = 80;
/// Longest description.
const DESCRIPTION_CHARS: usize = 200;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// The file of the client's secret.
    #[error("the client secret cannot be read: {0}")]
    Secret(#[source] io::Error),
    /// The authorities that the token server's certificate is checked with.
    #[error("{0}")]
    Trust(String),
    /// No connection, or one that broke.
    #[error("the token server cannot be asked: {0}")]
    Transport(String),
    /// It took too long.
    #[error("the token server did not answer within {0:?}")]
    TimedOut(Duration),
    /// RFC 6749, 5.2.
    #[error("the token server refuses: {0}")]
    Refused(Refusal),
    /// Neither a token nor a reason.
    #[error("the token server answers with status {0}")]
    Status(u16),
    /// A token, but none that can be used; or no token at all.
    #[error("the token server's answer cannot be used: {0}")]
    Answer(&'static str),
    /// Librdkafka refuses it.
    #[error("the token cannot be used: {0}")]
    NotTaken(String),
}

/// A token server's `error` and `error_description`, fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: String,
    description: String,
}

impl Refusal {
    /// Escaped and cut; `secret` is not in it, even if the server repeats it.
    pub(super) fn new(code: &str, description: &str, secret: &Secret) -> Self {
        Self {
            code: shown(code, CODE_CHARS, secret),
            description: shown(description, DESCRIPTION_CHARS, secret),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.code)?;
        if !self.description.is_empty() {
            write!(f, " ({})", self.description)?;
        }
        Ok(())
    }
}

fn shown(text: &str, most: usize, secret: &Secret) -> String {
    cut_at(&text.replace(secret.expose(), "***"), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_short_on_one_line_and_without_the_secret() {
        let secret = Secret::new("hunter2");
        let refusal = Refusal::new("invalid_client", "no\nhunter2\u{1b}[2J", &secret);
        assert_eq!(refusal.to_string(), "invalid_client (no\\n***\\u{1b}[2J)");
        let long = Refusal::new(&"c".repeat(1_000), &"d".repeat(1_000), &secret);
        assert_eq!(long.to_string().chars().count(), 80 + 200 + 2 + 3);
        assert_eq!(Refusal::new("x", "", &secret).to_string(), "x");
    }
}
