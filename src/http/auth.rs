//! Who asks, by HTTP's own ways: a bearer token (RFC 6750) or basic
//! authentication (RFC 7617).

use axum::http::HeaderValue;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    error::Unspecified,
    hmac::{self, HMAC_SHA256, Key, Tag},
    rand::SystemRandom,
};

use crate::config::AuthConfig;

/// What whoever asks must know. Secrets are not kept, and how long a comparison
/// takes depends only on what was sent: both sides are hashed by a key that
/// nobody knows.
pub(super) struct Credentials {
    key: Key,
    bearer: Option<Tag>,
    basic: Option<Tag>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Credentials {
    /// What `config` asks for.
    pub(super) fn of(config: &AuthConfig) -> Result<Self, Unspecified> {
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new())?;
        let tag = |text: &str| hmac::sign(&key, text.as_bytes());
        let bearer = config.bearer_token.as_ref();
        let basic = config.basic.as_ref();
        Ok(Self {
            bearer: bearer.map(|token| tag(token.expose())),
            basic: basic.map(|basic| tag(&format!("{}:{}", basic.user, basic.password.expose()))),
            key,
        })
    }

    /// Is it known who sends this as `Authorization`?
    pub(super) fn accept(&self, authorization: &HeaderValue) -> bool {
        let bytes = authorization.as_bytes();
        let Some(end) = bytes.iter().position(|byte| *byte == b' ') else {
            return false;
        };
        let (scheme, rest) = (&bytes[..end], bytes[end..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"bearer") {
            self.knows(self.bearer.as_ref(), rest)
        } else if scheme.eq_ignore_ascii_case(b"basic") {
            let pair = STANDARD.decode(rest);
            pair.is_ok_and(|pair| self.knows(self.basic.as_ref(), &pair))
        } else {
            false
        }
    }

    /// The ways that lead in, as `WWW-Authenticate` names them.
    pub(super) fn challenges(&self) -> Vec<&'static str> {
        let bearer = self.bearer.map(|_| "Bearer realm=\"tidegauge\"");
        let basic = self
            .basic
            .map(|_| "Basic realm=\"tidegauge\", charset=\"UTF-8\"");
        bearer.into_iter().chain(basic).collect()
    }

    fn knows(&self, tag: Option<&Tag>, sent: &[u8]) -> bool {
        tag.is_some_and(|tag| hmac::verify(&self.key, sent, tag.as_ref()).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{BasicConfig, Secret};

    const TOKEN: &str = "a-token-of-some-length";
    const PASSWORD: &str = "pass:word of some length";

    fn credentials(bearer: bool, basic: bool) -> Credentials {
        let config = AuthConfig {
            bearer_token: bearer.then(|| Secret::new(TOKEN)),
            basic: basic.then(|| BasicConfig {
                user: "gauge".to_owned(),
                password: Secret::new(PASSWORD),
            }),
        };
        Credentials::of(&config).expect("random bytes")
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    fn accept(credentials: &Credentials, header: &str) -> bool {
        credentials.accept(&HeaderValue::from_str(header).expect("a header"))
    }

    #[test]
    fn who_knows_a_secret_is_let_in_by_its_own_way_only() {
        let right_token = format!("Bearer {TOKEN}");
        let right_pair = basic(&format!("gauge:{PASSWORD}"));
        for (header, by_token, by_pair) in [
            (right_token.clone(), true, false),
            (format!("bearer  {TOKEN} "), true, false),
            (right_pair.clone(), false, true),
            (right_pair.replace("Basic", "BASIC"), false, true),
            (format!("Basic {TOKEN}"), false, false),
            (basic(TOKEN), false, false),
            (basic(&format!(":{TOKEN}")), false, false),
            (right_pair.replace("Basic", "Bearer"), false, false),
            (basic(&format!("Gauge:{PASSWORD}")), false, false),
            (basic(&format!("gauge:{PASSWORD} ")), false, false),
            (basic("gauge:"), false, false),
            (format!("Bearer {}", &TOKEN[1..]), false, false),
            (format!("Bearer {TOKEN}x"), false, false),
            (format!("Bearer{TOKEN}"), false, false),
            ("Bearer ".to_owned(), false, false),
            ("Basic ".to_owned(), false, false),
            (format!("Digest {TOKEN}"), false, false),
            (TOKEN.to_owned(), false, false),
            (String::new(), false, false),
        ] {
            assert_eq!(
                accept(&credentials(true, false), &header),
                by_token,
                "{header}"
            );
            assert_eq!(
                accept(&credentials(false, true), &header),
                by_pair,
                "{header}"
            );
            let both = accept(&credentials(true, true), &header);
            assert_eq!(both, by_token || by_pair, "{header}");
            assert!(!accept(&credentials(false, false), &header), "{header}");
        }
    }

    proptest! {
        #[test]
        fn nobody_guesses_it(sent in "[ -~]{0,40}") {
            let credentials = credentials(true, true);
            for header in [sent.clone(), format!("Bearer {sent}"), basic(&sent)] {
                prop_assert!(!accept(&credentials, &header));
            }
        }
    }
}
