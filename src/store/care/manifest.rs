//! What a backup says of itself: `manifest.json`.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{CareError, Checkpoint};

pub(super) const MANIFEST_FILE: &str = "manifest.json";
const FORMAT: u32 = 1;
/// Many times what one takes.
const MAX_BYTES: u64 = 64 * 1024;
/// Read at a time.
const PART_BYTES: usize = 1 << 20;

/// The manifest. A new field needs a new format only if older releases would
/// restore something wrong without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// The release that made the backup.
    version: String,
    /// Milliseconds since 1970, as all times here.
    pub(super) made_at_ms: i64,
    /// The oldest and the newest tick of all clusters.
    pub(super) oldest_ms: Option<i64>,
    pub(super) newest_ms: Option<i64>,
    pub(super) head: FileSum,
    pub(super) history: FileSum,
}

/// A file's length and SHA-256, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileSum {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn new(
        made_at_ms: i64,
        span: Option<(i64, i64)>,
        [head, history]: [FileSum; 2],
    ) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made_at_ms,
            oldest_ms: span.map(|(oldest, _)| oldest),
            newest_ms: span.map(|(_, newest)| newest),
            head,
            history,
        }
    }

    /// Writes it into `folder`, durably.
    pub(super) fn write(&self, folder: &Path) -> Result<(), CareError> {
        let path = folder.join(MANIFEST_FILE);
        let json = serde_json::to_vec_pretty(self).expect("plain fields make JSON");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&json)?;
            file.sync_all()
        });
        written.map_err(CareError::disk("write", path))
    }

    /// Reads that of a backup.
    pub(super) fn read(folder: &Path) -> Result<Self, CareError> {
        let not_whole = |reason: String| CareError::not_whole(folder, reason);
        let path = folder.join(MANIFEST_FILE);
        let unreadable = |error| not_whole(format!("its {MANIFEST_FILE} can't be read ({error})"));
        let bytes = fs::metadata(&path).map_err(unreadable)?.len();
        if bytes > MAX_BYTES {
            return Err(not_whole(format!("its {MANIFEST_FILE} has {bytes} bytes")));
        }
        let text = fs::read(&path).map_err(unreadable)?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| not_whole(format!("its {MANIFEST_FILE} makes no sense ({error})")))?;
        if manifest.format != FORMAT {
            let format = manifest.format;
            return Err(not_whole(format!(
                "its {MANIFEST_FILE} has format {format}, and this release knows {FORMAT}"
            )));
        }
        Ok(manifest)
    }
}

impl FileSum {
    /// Of the file at `path`.
    pub(super) fn of(path: &Path, checkpoint: Checkpoint<'_>) -> Result<Self, CareError> {
        let mut file = File::open(path).map_err(CareError::disk("read", path))?;
        let mut part = vec![0; PART_BYTES];
        let mut sum = Summing::default();
        loop {
            checkpoint()?;
            match file
                .read(&mut part)
                .map_err(CareError::disk("read", path))?
            {
                0 => return Ok(sum.finish()),
                read => sum.update(&part[..read]),
            }
        }
    }

    /// Of what is copied from one file to another, which is durable then.
    pub(super) fn of_copy(
        from: &Path,
        to: &Path,
        checkpoint: Checkpoint<'_>,
    ) -> Result<Self, CareError> {
        let mut source = File::open(from).map_err(CareError::disk("read", from))?;
        let mut target = File::create(to).map_err(CareError::disk("write", to))?;
        let mut part = vec![0; PART_BYTES];
        let mut sum = Summing::default();
        loop {
            checkpoint()?;
            let read = source
                .read(&mut part)
                .map_err(CareError::disk("read", from))?;
            if read == 0 {
                target.sync_all().map_err(CareError::disk("write", to))?;
                return Ok(sum.finish());
            }
            sum.update(&part[..read]);
            let written = target.write_all(&part[..read]);
            written.map_err(CareError::disk("write", to))?;
        }
    }
}

struct Summing {
    digest: Context,
    bytes: u64,
}

impl Default for Summing {
    fn default() -> Self {
        Self {
            digest: Context::new(&SHA256),
            bytes: 0,
        }
    }
}

impl Summing {
    fn update(&mut self, part: &[u8]) {
        self.digest.update(part);
        self.bytes += part.len() as u64;
    }

    fn finish(self) -> FileSum {
        let digest = self.digest.finish();
        let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
        FileSum {
            bytes: self.bytes,
            sha256: digits.collect(),
        }
    }
}
