//! Patterns that callers send.

use regex::{Error, Regex, RegexBuilder};

/// What one may take in memory when it is compiled: a short one can stand for a
/// huge automaton. `[a-z]{1,200}` takes a tenth.
pub(super) const MAX_PATTERN_BYTES: usize = 1 << 20;

/// A pattern that is to match a whole text, as Prometheus has it.
pub(super) fn anchored(pattern: &str) -> Result<Regex, Error> {
    // By itself first: it could close the brackets that are put around it.
    compiled(pattern)?;
    compiled(&format!("^(?:{pattern})$"))
}

fn compiled(pattern: &str) -> Result<Regex, Error> {
    let mut builder = RegexBuilder::new(pattern);
    let bounded = builder
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES);
    bounded.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_match() {
        let pattern = anchored("a|bc").expect("a pattern");
        for (text, expected) in [("a", true), ("bc", true), ("ab", false), ("xbc", false)] {
            assert_eq!(pattern.is_match(text), expected, "{text}");
        }
    }

    #[test]
    fn brackets_are_not_closed_and_large_ones_not_compiled() {
        assert!(matches!(anchored("a)|(?:b"), Err(Error::Syntax(_))));
        let large = anchored("(?:\\pL{1,1000}){1,1000}");
        assert!(matches!(large, Err(Error::CompiledTooBig(_))));
    }
}
