//! Where a running scaler is asked.

use anyhow::bail;

/// The URL of `address`, which is HOST:PORT, over TLS or not, or a URL already.
pub(super) fn url(address: &str, is_tls: bool) -> anyhow::Result<String> {
    match address.split_once("://") {
        None if is_tls => Ok(format!("https://{address}")),
        None => Ok(format!("http://{address}")),
        Some(("https", _)) => Ok(address.to_owned()),
        Some(("http", _)) if !is_tls => Ok(address.to_owned()),
        Some(("http", _)) => {
            bail!("--address is {address:?}, accepted with files of certificates is https")
        }
        Some(_) => {
            bail!("--address is {address:?}, accepted is HOST:PORT, http://... or https://...")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_over_tls_if_it_says_so_or_files_do() {
        for (address, is_tls, expected) in [
            ("h:1", false, Some("http://h:1")),
            ("h:1", true, Some("https://h:1")),
            ("https://h:1", false, Some("https://h:1")),
            ("https://h:1", true, Some("https://h:1")),
            ("http://h:1", false, Some("http://h:1")),
            ("http://h:1", true, None),
            ("ftp://h:1", false, None),
        ] {
            assert_eq!(url(address, is_tls).ok().as_deref(), expected, "{address}");
        }
    }
}
