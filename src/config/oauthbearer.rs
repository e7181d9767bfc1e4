//! How to get a token for `OAUTHBEARER`: the client credentials grant of OAuth
//! 2.0 (RFC 6749, 4.4).

use std::{collections::BTreeMap, path::PathBuf};

use url::{Host, Url};

use super::{
    Secret, endpoint,
    file::readable_file,
    section::{Item, Section},
};

const MAX_CLIENT_ID_CHARS: usize = 1_000;
const MAX_SCOPE_CHARS: usize = 1_000;
const MAX_EXTENSIONS: usize = 20;
const MAX_EXTENSION_NAME_CHARS: usize = 100;
const MAX_EXTENSION_CHARS: usize = 1_000;

const ENDPOINT: &str = "an https URL without a user and without #, \
                        or http to a loopback address such as http://127.0.0.1:8080/token";

/// `[clusters.NAME.sasl]` with `mechanism = "OAUTHBEARER"`: where tokens come
/// from, and who asks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthBearerConfig {
    /// The token endpoint of the OAuth 2.0 server: `https`, or `http` to a
    /// loopback address. Required;
    /// `TIDEGAUGE_CLUSTERS__NAME__SASL__TOKEN_ENDPOINT`.
    pub token_endpoint: Url,
    /// Who asks. Required; `TIDEGAUGE_CLUSTERS__NAME__SASL__CLIENT_ID`.
    pub client_id: String,
    /// From `client_secret_file`, which is read again for each token, or
    /// `TIDEGAUGE_CLUSTERS__NAME__SASL__CLIENT_SECRET`, which wins. Required.
    pub client_secret: Secret,
    /// What is asked for, words with a space between. Default: what the server
    /// gives unasked; `TIDEGAUGE_CLUSTERS__NAME__SASL__SCOPE`.
    pub scope: Option<String>,
    /// The authorities that may have signed the token server's certificate, in
    /// PEM; read again for each token. Default: the system's;
    /// `TIDEGAUGE_CLUSTERS__NAME__SASL__TOKEN_CA_FILE`.
    pub token_ca_file: Option<PathBuf>,
    /// What brokers want to know beside the token (RFC 7628, 3.1), at most 20,
    /// such as `logicalCluster`. Default: none; only in the file, since a
    /// variable's name does not tell upper from lower case.
    pub extensions: BTreeMap<String, String>,
}

impl OAuthBearerConfig {
    /// `None` comes with a mistake.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let token_endpoint = endpoint::read(section, "token_endpoint", ENDPOINT, check_endpoint);
        let client_id = visible_text(section, "client_id", MAX_CLIENT_ID_CHARS);
        section.require("client_id", "the id of a client of the token server");
        let client_secret = section.secret("client_secret", "client_secret_file");
        section.require_secret("client_secret", "client_secret_file");
        let scope = visible_text(section, "scope", MAX_SCOPE_CHARS);
        let token_ca_file = readable_file(section, "token_ca_file");
        let extensions = section.optional_table("extensions", extensions);
        Some(Self {
            token_endpoint: token_endpoint?,
            client_id: client_id?,
            client_secret: client_secret?,
            scope,
            token_ca_file,
            extensions: extensions.unwrap_or_default(),
        })
    }
}

fn check_endpoint(url: &Url) -> Result<(), &'static str> {
    if url.fragment().is_some() {
        return Err("has a # in it, which RFC 6749 forbids");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err("would send the client's secret over the network in plain text"),
        _ => Err("is neither https nor http"),
    }
}

/// By number alone: a name may lead anywhere.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

/// Characters that RFC 6749 (appendix A) allows for a client's id; a scope's
/// are fewer, which the token server judges.
fn visible_text(section: &mut Section<'_>, key: &'static str, most: usize) -> Option<String> {
    let text = section.text(key, 1..=most)?;
    if text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        return Some(text);
    }
    section.refuse(key, format!("1 to {most} printable ASCII characters"));
    None
}

fn extensions(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let items = section.items();
    if items.len() > MAX_EXTENSIONS {
        let found = format!("{} extensions", items.len());
        section.refuse_whole(found, format!("at most {MAX_EXTENSIONS}"));
    }
    let mut extensions = BTreeMap::new();
    for item in items {
        match extension(&item) {
            Ok(value) => {
                extensions.insert(item.name, value);
            }
            Err((found, accepted)) => section.refuse_item_unseen(&item, &found, accepted),
        }
    }
    extensions
}

/// The rules of RFC 7628 (3.1), as librdkafka and Kafka's brokers hold them. A
/// value may be a secret, and is not shown.
fn extension(item: &Item) -> Result<String, (String, String)> {
    if item.is_variable() {
        let found = "comes from a variable, whose name does not tell upper from lower case";
        return Err((found.to_owned(), "the configuration file".to_owned()));
    }
    if !is_extension_name(&item.name) {
        let accepted =
            format!("a name of 1 to {MAX_EXTENSION_NAME_CHARS} of a-z and A-Z, not auth");
        return Err(("not the name of an extension".to_owned(), accepted));
    }
    let text = item.value().text().filter(|text| is_extension(text));
    text.map(str::to_owned).ok_or_else(|| {
        let found = format!("found {}", item.value().kind());
        let accepted = format!("text of 1 to {MAX_EXTENSION_CHARS} printable ASCII characters");
        (found, accepted)
    })
}

/// `auth` is the token's own.
fn is_extension_name(name: &str) -> bool {
    (1..=MAX_EXTENSION_NAME_CHARS).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphabetic())
        && name != "auth"
}

fn is_extension(value: &str) -> bool {
    let is_legal = |byte: u8| (0x20..=0x7e).contains(&byte) || b"\t\r\n".contains(&byte);
    (1..=MAX_EXTENSION_CHARS).contains(&value.len()) && value.bytes().all(is_legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<Url, String> {
        endpoint::parse(text, check_endpoint)
    }

    #[test]
    fn a_secret_crosses_no_network_in_plain_text() {
        for good in [
            "https://login.example/oauth2/token?tenant=1",
            "https://10.0.0.1:8443/token",
            "http://127.0.0.1:8080/token",
            "http://127.255.0.9/",
            "http://[::1]:8080/token",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://login.example/token", "in plain text"),
            ("http://localhost/token", "in plain text"),
            ("http://127.0.0.1.example/", "in plain text"),
            ("http://10.0.0.1/token", "in plain text"),
            ("http://[::]/token", "in plain text"),
            ("ftp://login.example/", "neither https nor http"),
            ("https://a@login.example/", "user or a password"),
            ("https://:b@login.example/", "user or a password"),
            ("https://login.example/#x", "RFC 6749"),
        ] {
            let found = checked(bad).expect_err(bad);
            assert!(found.contains(why), "{bad}: {found}");
        }
    }

    #[test]
    fn extensions_keep_to_the_rules_of_rfc_7628() {
        for good in ["logicalCluster", "a", "Z"] {
            assert!(is_extension_name(good), "{good}");
        }
        let long = "a".repeat(101);
        for bad in ["", "auth", "a-b", "a1", "ä", "a b", &long] {
            assert!(!is_extension_name(bad), "{bad}");
        }
        assert!(is_extension("lkc-1, two\tthree\r\n"));
        let long = "a".repeat(1_001);
        for bad in ["", "\u{1}", "ä", "a\0", &long] {
            assert!(!is_extension(bad), "{bad:?}");
        }
    }
}
