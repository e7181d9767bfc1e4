//! A flat JSON array within the bounds of an answer, whole or sent while it is
//! made.

use serde::Serialize;

use super::{
    error::ApiError,
    outlet::{Head, Outlet, PIECE_BYTES},
};

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
            return Err(too_many_rows(self.remedy));
        }
        if self.rows > 1 {
            self.json.push(b',');
        }
        serde_json::to_writer(&mut self.json, row).expect("a row has text keys only");
        if self.json.len() > MAX_BYTES {
            let found = format!("more than {} MiB", MAX_BYTES >> 20);
            return Err(too_large(found, self.remedy));
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.json.push(b']');
        self.json
    }
}

/// More than [`MAX_ROWS`].
pub(super) fn too_many_rows(remedy: &'static str) -> ApiError {
    too_large(format!("more than {MAX_ROWS} rows"), remedy)
}

fn too_large(found: String, remedy: &'static str) -> ApiError {
    ApiError::TooLarge {
        found,
        limit: format!("at most {MAX_ROWS} rows and {} MiB", MAX_BYTES >> 20),
        remedy,
    }
}

/// An array that is sent while it is made. Of rows it may have as many, of
/// bytes as those take.
#[derive(Debug)]
pub(super) struct JsonStream {
    array: JsonArray,
    outlet: Outlet,
}

impl JsonStream {
    /// As [`JsonArray::new`].
    pub(super) fn new(remedy: &'static str, outlet: Outlet) -> Self {
        Self {
            array: JsonArray::new(remedy),
            outlet,
        }
    }

    /// What goes before the array.
    pub(super) fn begin(&mut self, head: Head) {
        self.outlet.begin(head);
    }

    /// Appends a row, and waits if the reader is slow.
    pub(super) fn push(&mut self, row: &impl Serialize) -> Result<(), ApiError> {
        self.array.push(row)?;
        if self.array.json.len() >= PIECE_BYTES {
            let piece = std::mem::take(&mut self.array.json);
            self.outlet.send(piece, false)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), ApiError> {
        self.outlet.send(self.array.finish(), true)
    }
}
