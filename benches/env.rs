//! What can be set from outside.

use std::env;

use anyhow::{Context as _, Result};

/// The number in the variable `name`, or `default`.
pub(crate) fn setting(name: &str, default: usize) -> Result<usize> {
    match env::var(name) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{name} is {text:?}, accepted is a number")),
        Err(_) => Ok(default),
    }
}
