//! What is wrong with a configuration, for the person who wrote it.

use std::fmt;

/// Longest piece of a found value that a message repeats.
const SHOWN_CHARS: usize = 80;
/// Longest reason that a message repeats.
const REASON_CHARS: usize = 200;

/// One thing that is wrong with the configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// `file:line`, the file alone, or the environment variable's name.
    pub place: String,
    /// Path of the key, such as `store.retention`; empty for the whole file.
    pub key: String,
    /// What was found there, cut to about 80 characters; never a secret.
    pub found: String,
    /// What would be accepted.
    pub accepted: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; accepted: {}", self.found, self.accepted)
    }
}

/// Everything that is wrong with a configuration. It prints one mistake a line.
#[derive(Debug, Clone)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

impl ConfigError {
    pub(crate) fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes }
    }

    /// The mistakes, at least one, section by section.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// `text` on one line, escaped and cut, so that what somebody typed can neither
/// flood a message nor break it into two.
pub(super) fn cut(text: &str) -> String {
    cut_at(text, SHOWN_CHARS)
}

/// The same for a reason that some parser gives, which may quote what it read.
pub(super) fn cut_reason(reason: &str) -> String {
    cut_at(reason, REASON_CHARS)
}

/// `text` on one line, escaped, and cut after so many characters.
pub(crate) fn cut_at(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let mut chars = text.chars();
    for char in chars.by_ref().take(most) {
        match char {
            '"' | '\'' | '\\' => shown.push(char),
            _ => shown.extend(char.escape_debug()),
        }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_stays_short_and_on_one_line() {
        assert_eq!(cut("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
        assert_eq!(cut(r#"^a\d"'"#), r#"^a\d"'"#);
        assert_eq!(cut(&"ä".repeat(80)), "ä".repeat(80));
        assert_eq!(cut(&"ä".repeat(81)), format!("{}…", "ä".repeat(80)));
    }
}
