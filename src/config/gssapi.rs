//! How to log in with Kerberos.
//!
//! Librdkafka renews the ticket with `kinit`, through a shell: principal and
//! keytab become a part of a command line. Its key invariant: no character that
//! a shell or librdkafka's template reads as anything but itself gets there.

use std::path::PathBuf;

use super::{file, section::Section};

/// Is Kerberos compiled in?
const BUILT_IN: bool = cfg!(feature = "gssapi");
const MAX_SERVICE_NAME_CHARS: usize = 100;
const MAX_PRINCIPAL_CHARS: usize = 1_000;
const DEFAULT_SERVICE_NAME: &str = "kafka";

/// `[clusters.NAME.sasl]` with `mechanism = "GSSAPI"`: Kerberos. Refused where
/// the cargo feature `gssapi` was left out of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GssapiConfig {
    /// The first part of the brokers' principals. Default `kafka`;
    /// `TIDEGAUGE_CLUSTERS__NAME__SASL__KERBEROS_SERVICE_NAME`.
    pub service_name: String,
    /// Our principal, such as `tidegauge@EXAMPLE.COM`. Required;
    /// `TIDEGAUGE_CLUSTERS__NAME__SASL__PRINCIPAL`.
    pub principal: String,
    /// The keytab with the principal's key, an absolute path. Required;
    /// `TIDEGAUGE_CLUSTERS__NAME__SASL__KEYTAB_FILE`.
    pub keytab_file: PathBuf,
}

impl GssapiConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        if !BUILT_IN {
            let why = "this build of Tidegauge has no Kerberos";
            let accepted = "another mechanism, or a build with it: \
                            cargo build --release --features gssapi";
            section.refuse_because("mechanism", why, accepted);
        }
        let service_name = plain(section, "kerberos_service_name", MAX_SERVICE_NAME_CHARS);
        let principal = plain(section, "principal", MAX_PRINCIPAL_CHARS);
        section.require("principal", "a principal of Kerberos");
        let keytab_file = keytab_file(section);
        section.require("keytab_file", "the path of a keytab");
        Self {
            service_name: service_name.unwrap_or_else(|| DEFAULT_SERVICE_NAME.to_owned()),
            principal: principal.unwrap_or_default(),
            keytab_file: keytab_file.unwrap_or_default(),
        }
    }
}

fn plain(section: &mut Section<'_>, key: &'static str, most: usize) -> Option<String> {
    let text = section.text(key, 1..=most)?;
    if is_plain(&text) {
        return Some(text);
    }
    let why = "it becomes a part of a shell's command";
    let accepted = "a-z, A-Z, 0-9, ., _, @, / and -, and no - in front";
    section.refuse_because(key, why, accepted);
    None
}

fn keytab_file(section: &mut Section<'_>) -> Option<PathBuf> {
    let key = "keytab_file";
    let path = section.path(key)?;
    let accepted = "the absolute path of a readable keytab, of a-z, A-Z, 0-9, ., _, @, / and -";
    let why = match path.to_str().filter(|text| is_plain(text)) {
        None => "it becomes a part of a shell's command".to_owned(),
        Some(_) if !path.is_absolute() => "it is relative".to_owned(),
        Some(_) => match file::open(&path) {
            Ok(_) => return Some(path),
            Err(why) => why.to_string(),
        },
    };
    section.refuse_because(key, why, accepted);
    None
}

/// Nothing that a shell, librdkafka's `%{...}` or `kinit`'s options would read
/// as anything but itself.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@/-".contains(&byte);
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_shell_but_plain_names() {
        for good in [
            "tidegauge@EXAMPLE.COM",
            "tidegauge/host-1.example.com@EXAMPLE.COM",
            "/etc/krb5/tidegauge.keytab",
        ] {
            assert!(is_plain(good), "{good}");
        }
        for bad in [
            "",
            "-k",
            "a b",
            "a;b",
            "a&b",
            "a|b",
            "$(id)",
            "`id`",
            "a\"b",
            "a'b",
            "a\\b",
            "a\nb",
            "a>b",
            "a*",
            "a~",
            "%{sasl.password}",
            "ä",
        ] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }
}
