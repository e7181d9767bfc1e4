//! Regular expressions, bounded in number, length and compiled size.

use std::ops::RangeInclusive;

use regex::{Regex, RegexBuilder};

use super::section::Section;

const MAX_PATTERNS: usize = 100;
const MAX_PATTERN_CHARS: usize = 1_000;
/// Largest compiled pattern; a short one can stand for a huge automaton.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// The patterns of the list at `key`.
pub(super) fn patterns(section: &mut Section<'_>, key: &'static str) -> Vec<Regex> {
    so_many_patterns(section, key, 0..=MAX_PATTERNS)
}

/// The same, of a list that may not be empty if it is there: nobody could tell
/// whether that means all or none.
pub(super) fn required_patterns(section: &mut Section<'_>, key: &'static str) -> Vec<Regex> {
    so_many_patterns(section, key, 1..=MAX_PATTERNS)
}

fn so_many_patterns(
    section: &mut Section<'_>,
    key: &'static str,
    count: RangeInclusive<usize>,
) -> Vec<Regex> {
    let each = format!("a regular expression of at most {MAX_PATTERN_CHARS} characters");
    let mut patterns = Vec::new();
    for item in section.list(key, count, &each) {
        let text = item.value().text();
        match text.filter(|text| text.chars().count() <= MAX_PATTERN_CHARS) {
            None => section.refuse_item(&item, &each),
            Some(text) => match compile(text) {
                Err(why) => section.refuse_item(&item, format!("{each} ({why})")),
                Ok(pattern) => patterns.push(pattern),
            },
        }
    }
    patterns
}

/// The reason is the last line of what `regex` says, without its drawing.
fn compile(pattern: &str) -> Result<Regex, String> {
    let regex = RegexBuilder::new(pattern)
        .size_limit(MAX_PATTERN_BYTES)
        .build();
    regex.map_err(|error| {
        let message = error.to_string();
        let reason = message.lines().last().unwrap_or_default();
        reason.trim_start_matches("error: ").to_owned()
    })
}
