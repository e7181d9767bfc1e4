//! Properties of librdkafka that are passed on as they are.
//!
//! No value is ever shown: which of them are secrets is not ours to know.

use std::collections::BTreeMap;

use super::{
    section::{Item, Section},
    tree::Value,
};

const MAX_PROPERTIES: usize = 100;
const MAX_VALUE_CHARS: usize = 1_000;

const OWN_TABLE: &str = "the cluster has keys of its own for it";
const FOREIGN_CODE: &str = "it loads foreign code into this process";
const NO_CONSUMER: &str = "Tidegauge joins no group and commits nothing";

/// Properties that are not passed on, by the start of their name, and why.
const REFUSED: [(&str, &str); 19] = [
    (
        "allow.auto.create.topics",
        "to look at a topic must not create it",
    ),
    ("auto.commit.", NO_CONSUMER),
    ("auto.offset.reset", NO_CONSUMER),
    ("bootstrap.servers", OWN_TABLE),
    ("enable.auto.", NO_CONSUMER),
    ("group.", NO_CONSUMER),
    ("metadata.broker.list", OWN_TABLE),
    ("offset.store.", NO_CONSUMER),
    ("plugin.library.paths", FOREIGN_CODE),
    ("sasl.", OWN_TABLE),
    ("security.", OWN_TABLE),
    ("ssl.ca.location", OWN_TABLE),
    ("ssl.ca.pem", OWN_TABLE),
    ("ssl.certificate.", OWN_TABLE),
    ("ssl.engine.", FOREIGN_CODE),
    ("ssl.key.", OWN_TABLE),
    ("ssl.keystore.", OWN_TABLE),
    ("ssl.providers", FOREIGN_CODE),
    ("ssl_", OWN_TABLE),
];

/// The properties by name. TOML reads `socket.timeout.ms` without quotes as
/// tables in tables, and a variable's name has `_` for dots: both mean the same.
pub(super) fn read(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let mut items = Vec::new();
    flatten(String::new(), section.items(), &mut items);
    if items.len() > MAX_PROPERTIES {
        let found = format!("{} properties", items.len());
        section.refuse_whole(found, format!("at most {MAX_PROPERTIES}"));
    }
    // Variables last: they win.
    items.sort_by_key(|(_, item)| item.is_variable());
    let mut properties = BTreeMap::new();
    for (name, item) in items {
        if let Some(value) = value(section, &name, &item) {
            properties.insert(name, value);
        }
    }
    properties
}

fn flatten(prefix: String, items: Vec<Item>, flat: &mut Vec<(String, Item)>) {
    for item in items {
        let name = if item.is_variable() {
            item.name.replace('_', ".")
        } else {
            item.name.clone()
        };
        let name = format!("{prefix}{name}");
        match item.value() {
            Value::Table(_) => flatten(format!("{name}."), item.items(), flat),
            _ => flat.push((name, item)),
        }
    }
}

fn value(section: &mut Section<'_>, name: &str, item: &Item) -> Option<String> {
    if let Some(why) = refusal(name) {
        let found = format!("not passed on: {why}");
        section.refuse_item_unseen(item, &found, "other properties of librdkafka");
        return None;
    }
    let text = item.value().text().or_else(|| item.value().bare());
    let text = text.filter(|text| text.chars().count() <= MAX_VALUE_CHARS);
    if text.is_none() {
        let found = format!("found {}", item.value().kind());
        let accepted =
            format!("text of at most {MAX_VALUE_CHARS} characters, a number or a boolean");
        section.refuse_item_unseen(item, &found, accepted);
    }
    text.map(str::to_owned)
}

fn refusal(name: &str) -> Option<&'static str> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || b"._".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_plain) {
        return Some("librdkafka has no such name");
    }
    let (_, why) = REFUSED.iter().find(|(start, _)| name.starts_with(start))?;
    Some(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_or_dangerous_is_not_passed_on() {
        for name in [
            "bootstrap.servers",
            "security.protocol",
            "sasl.password",
            "sasl.oauthbearer.client.secret",
            "ssl.key.password",
            "ssl_key",
            "group.id",
            "group.instance.id",
            "enable.auto.commit",
            "enable.auto.offset.store",
            "plugin.library.paths",
            "ssl.engine.location",
            "SASL.PASSWORD",
            "",
        ] {
            assert!(refusal(name).is_some(), "{name}");
        }
        for name in [
            "socket.timeout.ms",
            "client.id",
            "ssl.endpoint.identification.algorithm",
            "enable.ssl.certificate.verification",
            "debug",
            "log_level",
        ] {
            assert_eq!(refusal(name), None, "{name}");
        }
    }
}
