//! Where a server is that is asked, as a URL.

use url::Url;

use super::section::Section;

const MAX_CHARS: usize = 2_000;

/// The required URL under `key`, which `check` may refuse with a reason; `accepted`
/// says what would be. Its value is not shown: somebody may have put a password into
/// it.
pub(super) fn read(
    section: &mut Section<'_>,
    key: &'static str,
    accepted: &str,
    check: fn(&Url) -> Result<(), &'static str>,
) -> Option<Url> {
    section.require(key, accepted);
    let text = section.text(key, 1..=MAX_CHARS)?;
    match parse(&text, check) {
        Ok(url) => Some(url),
        Err(why) => {
            section.refuse_unseen(key, &why, accepted);
            None
        }
    }
}

/// Why `text` is not taken is said without anything of it.
pub(super) fn parse(
    text: &str,
    check: fn(&Url) -> Result<(), &'static str>,
) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user or a password in it".to_owned());
    }
    check(&url)?;
    Ok(url)
}
