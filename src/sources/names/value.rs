//! What the value of a plugin's key says.

use serde_json::Value as Json;

/// Longest prefix that is taken, that of a `group.id`.
const MAX_PREFIX_CHARS: usize = 255;
const KEY: &str = "kafka_prefix";

/// The prefix that Azul's dispatcher writes as JSON, or what is wrong with it,
/// without anything that it holds.
pub(super) fn kafka_prefix(bytes: &[u8]) -> Result<String, String> {
    if bytes.is_empty() {
        return Err("is empty".to_owned());
    }
    let json: Json = serde_json::from_slice(bytes).map_err(|why| format!("is no JSON: {why}"))?;
    let Json::Object(mut object) = json else {
        return Err("is JSON, but no object".to_owned());
    };
    match object.remove(KEY) {
        Some(Json::String(prefix)) => judged(prefix),
        Some(_) => Err(format!("has a {KEY} that is no text")),
        None => Err(format!("has no {KEY}")),
    }
}

fn judged(prefix: String) -> Result<String, String> {
    if prefix.trim().is_empty() {
        // It would stand for all groups.
        Err(format!("has an empty {KEY}"))
    } else if prefix.chars().count() > MAX_PREFIX_CHARS {
        Err(format!(
            "has a {KEY} of more than {MAX_PREFIX_CHARS} characters"
        ))
    } else {
        Ok(prefix)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::json;

    use super::*;

    #[test]
    fn only_json_with_a_prefix_is_taken() {
        let long = format!(r#"{{"kafka_prefix": "{}"}}"#, "x".repeat(256));
        let deep = "[".repeat(10_000);
        for (value, expected) in [
            (r#"{"kafka_prefix": "Live-Jira"}"#, Ok("Live-Jira")),
            (r#"{"id": 7, "kafka_prefix": "ä", "x": [{}]}"#, Ok("ä")),
            ("", Err("is empty")),
            ("live-jira", Err("is no JSON")),
            (&deep, Err("is no JSON")),
            (r#""live-jira""#, Err("no object")),
            (r#"[{"kafka_prefix": "a"}]"#, Err("no object")),
            ("{}", Err("has no kafka_prefix")),
            (r#"{"kafka_prefix": null}"#, Err("no text")),
            (r#"{"kafka_prefix": 7}"#, Err("no text")),
            (r#"{"kafka_prefix": " "}"#, Err("empty kafka_prefix")),
            (&long, Err("more than 255")),
        ] {
            match (kafka_prefix(value.as_bytes()), expected) {
                (Ok(prefix), Ok(expected)) => assert_eq!(prefix, expected),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{value}: {why}"),
                (found, _) => panic!("{value}: {found:?}"),
            }
        }
        let error = kafka_prefix(b"{\"kafka_prefix\": \"\xFF\"}").expect_err("not UTF-8");
        assert!(error.contains("no JSON"), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_is_written_there_is_a_prefix_or_says_why(
            bytes in prop_oneof![
                vec(any::<u8>(), 0..200),
                "\\PC{0,40}".prop_map(String::into_bytes),
                any::<String>().prop_map(|it| json!({ KEY: it }).to_string().into_bytes()),
            ],
        ) {
            match kafka_prefix(&bytes) {
                Ok(prefix) => prop_assert!(!prefix.trim().is_empty()),
                Err(why) => prop_assert!(!why.is_empty()),
            }
        }

        #[test]
        fn a_prefix_is_the_text_that_was_written(prefix in "[ -~äöü]{0,40}[a-z]") {
            let written = json!({ "id": 1, KEY: prefix }).to_string();
            prop_assert_eq!(kafka_prefix(written.as_bytes()), Ok(prefix));
        }
    }
}
