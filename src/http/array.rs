//! A flat JSON array within the bounds of an answer.

use serde::Serialize;

use super::error::ApiError;

pub(super) const MAX_ROWS: usize = 200_000;
/// What one answer may take in memory until it is sent.
const MAX_BYTES: usize = 32 << 20;

/// An array in the making.
#[derive(Debug)]
pub(super) struct JsonArray {
    json: Vec<u8>,
    rows: usize,
    remedy: &'static str,
}

impl JsonArray {
    /// An empty array; `remedy` is what to ask for instead of too much.
    pub(super) fn new(remedy: &'static str) -> Self {
        Self {
            json: vec![b'['],
            rows: 0,
            remedy,
        }
    }

    /// Appends a row, whose keys are text.
    pub(super) fn push(&mut self, row: &impl Serialize) -> Result<(), ApiError> {
        self.rows += 1;
        if self.rows > MAX_ROWS {
            return Err(self.too_large(format!("more than {MAX_ROWS} rows")));
        }
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        let json = serde_json::to_vec(row).expect("a row has text keys only");
        self.json.extend_from_slice(&json);
        if self.json.len() > MAX_BYTES {
            return Err(self.too_large(format!("more than {} MiB", MAX_BYTES >> 20)));
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.json.push(b']');
        self.json
    }

    fn too_large(&self, found: String) -> ApiError {
        ApiError::TooLarge {
            found,
            limit: format!("at most {MAX_ROWS} rows and {} MiB", MAX_BYTES >> 20),
            remedy: self.remedy,
        }
    }
}
