//! Single values of a section, each with what is accepted for it.

use std::{fmt::Display, net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use humantime::{format_duration, parse_duration};

use super::{section::Section, tree::Value};

/// Longest path of a file, `PATH_MAX` of Linux.
const MAX_PATH_CHARS: usize = 4096;

impl Section<'_> {
    /// Text of so many characters.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let (least, most) = length.clone().into_inner();
        let accepted = format!("text of {least} to {most} characters");
        self.value(key, accepted, |value| {
            let text = value.text()?;
            let fits = length.contains(&text.chars().count());
            fits.then(|| text.to_owned())
        })
    }

    /// A path.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key, 1..=MAX_PATH_CHARS).map(PathBuf::from)
    }

    /// A whole number.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> usize {
        let accepted = format!("a number from {} to {}", range.start(), range.end());
        self.value(key, accepted, |value| {
            let number = value.bare()?.parse().ok()?;
            range.contains(&number).then_some(number)
        })
        .unwrap_or(default)
    }

    /// A number above 0, not necessarily a whole one.
    pub(super) fn above_zero(&mut self, key: &'static str, default: f64) -> f64 {
        self.value(key, "a number above 0", |value| {
            let number: f64 = value.bare()?.parse().ok()?;
            (number.is_finite() && number > 0.0).then_some(number)
        })
        .unwrap_or(default)
    }

    /// A part of a whole.
    pub(super) fn ratio(&mut self, key: &'static str, default: f64) -> f64 {
        self.value(key, "a number from 0 to 1", |value| {
            let number: f64 = value.bare()?.parse().ok()?;
            (0.0..=1.0).contains(&number).then_some(number)
        })
        .unwrap_or(default)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.value(key, "true, false", |value| value.bare()?.parse().ok())
            .unwrap_or(default)
    }

    /// A duration with its unit.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let accepted = format!(
            "a duration from {} to {}, such as \"{}\"",
            format_duration(*range.start()),
            format_duration(*range.end()),
            format_duration(default),
        );
        self.value(key, accepted, |value| {
            let duration = parse_duration(value.text()?.trim()).ok()?;
            range.contains(&duration).then_some(duration)
        })
        .unwrap_or(default)
    }

    /// An address to listen on.
    pub(super) fn address(&mut self, key: &'static str, default: SocketAddr) -> SocketAddr {
        let accepted = format!("an IP address and a port, such as \"{default}\"");
        self.value(key, accepted, |value| value.text()?.trim().parse().ok())
            .unwrap_or(default)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        self.value(key, words(choices), |value| {
            let text = value.text()?;
            let (_, choice) = choices.iter().find(|(word, _)| *word == text)?;
            Some(*choice)
        })
    }

    /// The value at `key` as `parse` reads it; `None` where there is none, and,
    /// with a mistake, where it can't be read.
    fn value<T>(
        &mut self,
        key: &'static str,
        accepted: impl Display,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let node = self.get(key)?;
        let value = parse(&node.value);
        if value.is_none() {
            self.refuse(key, accepted);
        }
        value
    }
}

/// The words among which a choice is made, for a message.
pub(super) fn words<T>(choices: &[(&str, T)]) -> String {
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    words.join(", ")
}
