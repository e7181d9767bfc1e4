//! What is refused before it is parsed.
//!
//! The parser compiles each pattern and builds a tree that is walked by
//! recursion: both are bounded here, on the text, so that no text costs more.

use promql_parser::{
    parser::{Expr, VectorSelector},
    util::unquote_string,
};

use crate::http::{
    error::shown,
    pattern::{MAX_PATTERN_BYTES, anchored},
};

use super::failure::Failure;

/// A dashboard's queries have some hundred bytes; one with a variable of many
/// values has some thousand.
const MAX_QUERY_BYTES: usize = 16 << 10;
/// Brackets and operators: each may make the tree one deeper, and each level
/// takes some stack.
const MAX_NESTINGS: usize = 100;
/// Each is compiled.
const MAX_PATTERNS: usize = 32;

const OPERATOR_WORDS: [&str; 5] = ["and", "or", "unless", "atan2", "offset"];

/// The query's tree.
pub(super) fn parse(parameter: &str, text: &str) -> Result<Expr, Failure> {
    let bad = |why: String| Failure::BadData(format!("invalid parameter {parameter:?}: {why}"));
    check(text).map_err(bad)?;
    promql_parser::parser::parse(text).map_err(|why| bad(shown_long(&why)))
}

/// Why a text is no query that may be evaluated, if it is none; for fuzzing.
pub fn check_promql(text: &str) -> Result<(), String> {
    match parse("query", text) {
        Ok(_) => Ok(()),
        Err(failure) => Err(failure.to_string()),
    }
}

/// The same of what may only be a selector.
pub(super) fn parse_selector(parameter: &str, text: &str) -> Result<VectorSelector, Failure> {
    match parse(parameter, text)? {
        Expr::VectorSelector(selector) if selector.offset.is_none() && selector.at.is_none() => {
            Ok(selector)
        }
        _ => Err(Failure::BadData(format!(
            "invalid parameter {parameter:?}: {:?} is no series selector such as name{{label=\"value\"}}",
            shown(text)
        ))),
    }
}

fn shown_long(why: &str) -> String {
    const MAX_CHARS: usize = 500;
    why.chars().take(MAX_CHARS).collect()
}

fn check(text: &str) -> Result<(), String> {
    if text.len() > MAX_QUERY_BYTES {
        return Err(format!(
            "it has {} bytes, accepted are {MAX_QUERY_BYTES} at most",
            text.len()
        ));
    }
    let (mut nestings, mut patterns, mut is_pattern) = (0, 0, false);
    for token in tokens(text) {
        match token {
            Token::Quoted(quoted) if is_pattern => {
                check_pattern(quoted)?;
                patterns += 1;
                is_pattern = false;
            }
            Token::Quoted(_) => {}
            Token::Matches => is_pattern = true,
            Token::Nests => nestings += 1,
        }
    }
    if nestings > MAX_NESTINGS {
        return Err(format!(
            "it has {nestings} brackets and operators, accepted are {MAX_NESTINGS} at most"
        ));
    }
    if patterns > MAX_PATTERNS {
        return Err(format!(
            "it has {patterns} patterns, accepted are {MAX_PATTERNS} at most"
        ));
    }
    Ok(())
}

/// What is no pattern at all is told by the parser.
fn check_pattern(quoted: &str) -> Result<(), String> {
    let Ok(text) = unquote_string(quoted) else {
        return Ok(());
    };
    match anchored(&text) {
        Err(regex::Error::CompiledTooBig(_)) => Err(format!(
            "the pattern {:?} takes more than {MAX_PATTERN_BYTES} bytes compiled, which is what \
             it may take",
            shown(&text)
        )),
        _ => Ok(()),
    }
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    /// With its quotes.
    Quoted(&'a str),
    /// `=~` or `!~`
    Matches,
    /// What may make the tree one deeper.
    Nests,
}

fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let first = rest.chars().next()?;
            let (token, length) = match first {
                '"' | '\'' | '`' => {
                    let length = quoted_bytes(rest, first);
                    (Some(Token::Quoted(&rest[..length])), length)
                }
                '#' => (None, rest.find('\n').unwrap_or(rest.len())),
                '=' | '!' if rest[1..].starts_with('~') => (Some(Token::Matches), 2),
                '(' | '[' | '+' | '-' | '*' | '/' | '%' | '^' | '<' | '>' | '@' => {
                    (Some(Token::Nests), 1)
                }
                '=' | '!' if rest[1..].starts_with('=') => (Some(Token::Nests), 2),
                _ if first.is_alphanumeric() || first == '_' => {
                    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                    let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                    let word = rest[..length].to_ascii_lowercase();
                    let nests = OPERATOR_WORDS.contains(&word.as_str());
                    (nests.then_some(Token::Nests), length)
                }
                _ => (None, first.len_utf8()),
            };
            rest = &rest[length..];
            if token.is_some() {
                return token;
            }
        }
    })
}

/// To the closing quote, or to the end.
fn quoted_bytes(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (place, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            _ if c == quote => return place + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}
