//! What a token server answers (RFC 6749, 5.1 and 5.2), and what of it is used.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Token,
    error::{Refusal, TokenError},
};
use crate::config::Secret;

/// Longest token; brokers take half a megabyte of SASL at most.
const MAX_TOKEN_BYTES: usize = 32 * 1024;
/// Whatever a server promises, a token is asked for once a day: it bounds how
/// long a secret that was withdrawn goes unnoticed.
const LONGEST_LIFE: Duration = Duration::from_hours(24);

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    token_type: Option<String>,
    /// A number; some servers write it as text.
    expires_in: Option<Value>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// The part of a JSON Web Token that tells when it ends.
#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

/// Reads the answer to a request that was made at `asked` with `secret`.
pub(super) fn read(
    status: u16,
    body: &[u8],
    asked: SystemTime,
    secret: &Secret,
) -> Result<Token, TokenError> {
    if !(200..300).contains(&status) {
        return Err(refusal(status, body, secret));
    }
    // Serde's own reason may quote what it read.
    let grant: Grant = serde_json::from_slice(body)
        .map_err(|_| TokenError::Answer("it is no JSON object with an access_token"))?;
    let life = check(&grant).and_then(|()| life(&grant, asked));
    let life = life.map_err(TokenError::Answer)?;
    Ok(Token {
        value: Secret::new(grant.access_token),
        expires: asked + life.min(LONGEST_LIFE),
    })
}

fn refusal(status: u16, body: &[u8], secret: &Secret) -> TokenError {
    match serde_json::from_slice::<Refused>(body) {
        Ok(said) => {
            let refusal = Refusal::new(&said.error, &said.error_description, secret);
            TokenError::Refused(refusal)
        }
        Err(_) => TokenError::Status(status),
    }
}

fn check(grant: &Grant) -> Result<(), &'static str> {
    let kind = grant.token_type.as_deref().unwrap_or("bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err("its token_type is not Bearer");
    }
    let token = grant.access_token.as_bytes();
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
        return Err("its access_token is empty or larger than 32 KiB");
    }
    // RFC 6749, appendix A.12. What else is in a login is told apart by \x01.
    if !token.iter().all(|byte| (0x20..=0x7e).contains(byte)) {
        return Err("its access_token is not printable ASCII");
    }
    Ok(())
}

/// By `expires_in`, which needs no clock that agrees with ours; else by what the
/// token itself says.
fn life(grant: &Grant, asked: SystemTime) -> Result<Duration, &'static str> {
    let seconds = match &grant.expires_in {
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(number) => number.as_f64(),
        None => expiry_s(&grant.access_token).map(|expiry| expiry - epoch_s(asked)),
    };
    let seconds = seconds.filter(|seconds| seconds.is_finite());
    let seconds = seconds.ok_or("it tells neither in expires_in nor in exp when the token ends")?;
    let seconds = seconds.min(LONGEST_LIFE.as_secs_f64());
    match Duration::try_from_secs_f64(seconds) {
        Ok(life) if !life.is_zero() => Ok(life),
        _ => Err("its token has ended"),
    }
}

/// The `exp` of a JSON Web Token; the broker judges the rest of it.
fn expiry_s(token: &str) -> Option<f64> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(claims.exp)
}

fn epoch_s(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW_S: u64 = 1_700_000_000;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW_S)
    }

    fn answered(status: u16, body: &str) -> Result<Token, String> {
        let secret = Secret::new("hunter2");
        read(status, body.as_bytes(), now(), &secret).map_err(|error| error.to_string())
    }

    /// For how long the token of this answer is good, in seconds.
    fn life_s(body: &str) -> Result<f64, String> {
        let token = answered(200, body)?;
        let life = token.expires.duration_since(now()).expect("a future");
        Ok(life.as_secs_f64())
    }

    fn jwt(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", part(r#"{"alg":"none"}"#), part(claims))
    }

    #[test]
    fn a_token_lives_as_long_as_the_answer_says() {
        let with = |rest: &str| format!(r#"{{"access_token":"t","token_type":"Bearer"{rest}}}"#);
        assert_eq!(life_s(&with(r#","expires_in":300"#)), Ok(300.0));
        assert_eq!(life_s(&with(r#","expires_in":"300""#)), Ok(300.0));
        assert_eq!(life_s(&with(r#","expires_in":1e300"#)), Ok(86_400.0));
        assert_eq!(life_s(r#"{"access_token":"t","expires_in":9}"#), Ok(9.0));
        let bearer = r#"{"access_token":"t","token_type":"bearer","expires_in":9}"#;
        assert_eq!(life_s(bearer), Ok(9.0));
        for (rest, why) in [
            (r#","expires_in":0"#, "has ended"),
            (r#","expires_in":-5"#, "has ended"),
            (r#","expires_in":"NaN""#, "neither in expires_in"),
            (r#","expires_in":"inf""#, "neither in expires_in"),
            (r#","expires_in":"soon""#, "neither in expires_in"),
            (r#","expires_in":null"#, "neither in expires_in"),
            ("", "neither in expires_in"),
        ] {
            let found = life_s(&with(rest)).expect_err(rest);
            assert!(found.contains(why), "{rest}: {found}");
        }
    }

    #[test]
    fn without_expires_in_the_token_itself_tells() {
        let with = |claims: &str| life_s(&format!(r#"{{"access_token":"{}"}}"#, jwt(claims)));
        assert_eq!(with(&format!(r#"{{"exp":{}}}"#, NOW_S + 60)), Ok(60.0));
        let found = with(&format!(r#"{{"exp":{}}}"#, NOW_S - 60));
        assert!(found.expect_err("old").contains("has ended"));
        for claims in ["{}", r#"{"exp":"x"}"#, "no json"] {
            let found = with(claims).expect_err(claims);
            assert!(found.contains("neither in expires_in"), "{found}");
        }
    }

    #[test]
    fn what_is_no_token_says_why_and_shows_none() {
        let long = format!(
            r#"{{"access_token":"{}"}}"#,
            "t".repeat(MAX_TOKEN_BYTES + 1)
        );
        for (status, body, why) in [
            (200, "", "no JSON object"),
            (200, r#"{"access_token":7,"sesame":1}"#, "no JSON object"),
            (200, r#"{"access_token":""}"#, "is empty"),
            (200, &long, "larger than 32 KiB"),
            (200, r#"{"access_token":"sesame\u0001"}"#, "printable"),
            (
                200,
                r#"{"access_token":"sesame","token_type":"mac"}"#,
                "not Bearer",
            ),
            (302, r#"{"access_token":"sesame"}"#, "status 302"),
            (503, "<html>sesame</html>", "status 503"),
            (
                401,
                r#"{"error":"invalid_client","error_description":"who is hunter2?"}"#,
                "refuses: invalid_client (who is ***?)",
            ),
            (
                400,
                r#"{"error":"invalid_scope"}"#,
                "refuses: invalid_scope",
            ),
        ] {
            let found = answered(status, body).expect_err(body);
            assert!(found.contains(why), "{body}: {found}");
            assert!(!found.contains("sesame"), "{found}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let token = answered(200, r#"{"access_token":"sesame","expires_in":9}"#);
        let shown = format!("{token:?}");
        assert!(!shown.contains("sesame"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            status in any::<u16>(),
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = read(status, &body, now(), &Secret::new("s"));
        }

        /// Closer to an answer than any bytes, so that it gets past JSON.
        #[test]
        fn any_answer_is_read_or_refused(
            status in prop::sample::select(vec![200_u16, 400]),
            token in ".{0,20}|[a-zA-Z0-9_-]{0,30}\\.[a-zA-Z0-9_-]{0,30}\\.",
            claims in "\\{\"exp\":-?[0-9]{1,30}(e[0-9]{1,3})?\\}",
            expires_in in "null|-?[0-9]{1,30}(\\.[0-9]{1,9})?(e-?[0-9]{1,2})?|\"[0-9eE+.infNa-]{0,9}\"",
        ) {
            for token in [token, jwt(&claims)] {
                let token = Value::from(token);
                let body = format!(
                    r#"{{"access_token":{token},"expires_in":{expires_in},"error":{token}}}"#
                );
                if let Ok(token) = answered(status, &body) {
                    prop_assert!(token.expires > now());
                    prop_assert!(token.expires <= now() + LONGEST_LIFE);
                }
            }
        }
    }
}
