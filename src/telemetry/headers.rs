//! Headers of each request, from a file. Their values are secrets: they are in no
//! message.

use std::path::{Path, PathBuf};

use tonic::{
    Request, Status,
    metadata::{AsciiMetadataKey, AsciiMetadataValue},
    service::Interceptor,
};

use crate::config::read_text;

const MAX_BYTES: u64 = 64 * 1024;
const MAX_HEADERS: usize = 16;

/// Reads them anew for each request: whoever changes the file need do no more.
#[derive(Debug, Clone)]
pub(super) struct Headers(Option<PathBuf>);

impl Headers {
    pub(super) fn of(file: Option<PathBuf>) -> Self {
        Self(file)
    }
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(file) = &self.0 {
            for (name, value) in read(file).map_err(Status::failed_precondition)? {
                request.metadata_mut().insert(name, value);
            }
        }
        Ok(request)
    }
}

fn read(file: &Path) -> Result<Vec<(AsciiMetadataKey, AsciiMetadataValue)>, String> {
    let text = read_text(file, MAX_BYTES);
    let text = text.map_err(|cause| format!("otlp.headers_file is {file:?}: {cause}"))?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let headers = lines.map(|(index, line)| {
        header(line).ok_or_else(|| {
            let number = index + 1;
            format!("otlp.headers_file is {file:?}: line {number} is not \"name: value\"")
        })
    });
    let headers: Vec<_> = headers.collect::<Result<_, _>>()?;
    match headers.len() {
        0..=MAX_HEADERS => Ok(headers),
        _ => Err(format!(
            "otlp.headers_file is {file:?}: more than {MAX_HEADERS} lines"
        )),
    }
}

fn header(line: &str) -> Option<(AsciiMetadataKey, AsciiMetadataValue)> {
    let (name, value) = line.split_once(':')?;
    let mut value: AsciiMetadataValue = value.trim().parse().ok()?;
    value.set_sensitive(true);
    Some((name.trim().to_ascii_lowercase().parse().ok()?, value))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sent(text: &str) -> Result<Request<()>, Status> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), text).expect("written");
        Headers::of(Some(file.path().to_owned())).call(Request::new(()))
    }

    #[test]
    fn each_line_is_a_header() {
        let request = sent("Authorization: Bearer secret\n\nx-tenant:a:b\n").expect("well");
        let header = |name| request.metadata().get(name).map(|value| value.to_str());
        assert_eq!(
            header("authorization").map(|it| it.expect("text")),
            Some("Bearer secret")
        );
        assert_eq!(header("x-tenant").map(|it| it.expect("text")), Some("a:b"));
        let shown = format!("{:?}", request.metadata());
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_wrong_line_is_named_and_not_shown() {
        for text in [
            "a: b\nsecret",
            "sec ret: b",
            "a: b\u{7f}secret",
            &"a: b\n".repeat(17),
        ] {
            let status = sent(text).expect_err("is wrong");
            assert!(status.message().contains("otlp.headers_file"), "{status}");
            assert!(!status.message().contains("sec"), "{status}");
        }
    }
}
