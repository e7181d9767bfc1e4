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

const FOREIGN_CODE: &str = "it loads foreign code into this process";
const NO_CONSUMER: &str = "Tidegauge joins no group and commits nothing";
const OURS: &str = "Tidegauge sets it itself";
const OWN_KEYS: &str = "the cluster has keys of its own for it";
const PROGRAM: &str = "only a program can set it";

/// Properties that are not passed on, and why. What ends in a dot or an
/// underscore is the start of a name, what begins with one its end.
///
/// Whatever else only consumers or only producers look at does no harm.
const REFUSED: [(&str, &str); 39] = [
    ("_cb", PROGRAM),
    (
        "allow.auto.create.topics",
        "to look at a topic must not create it",
    ),
    (
        "api.version.request",
        "requests would be of versions that brokers no longer answer",
    ),
    ("auto.commit.", NO_CONSUMER),
    ("auto.offset.reset", NO_CONSUMER),
    ("bootstrap.servers", OWN_KEYS),
    ("default_topic_conf", PROGRAM),
    ("enable.auto.", NO_CONSUMER),
    (
        "enable.metrics.push",
        "an observer pushes no telemetry to brokers",
    ),
    (
        "enable.sasl.oauthbearer.unsecure.jwt",
        "a token that nobody has signed proves nothing",
    ),
    (
        "enable.ssl.certificate.verification",
        "whoever is on the way could pose as a broker; tls.ca_file says whom to trust",
    ),
    ("enabled_events", OURS),
    ("group.", NO_CONSUMER),
    (
        "https.",
        "librdkafka makes no HTTPS requests here; sasl.token_ca_file says whom to trust",
    ),
    ("interceptors", PROGRAM),
    (
        "internal.termination.signal",
        "the signal could end this process",
    ),
    ("isolation.level", OWN_KEYS),
    ("log.connection.close", OURS),
    ("log.queue", OURS),
    (
        "log_level",
        "log.filter decides what is logged, with librdkafka as the target",
    ),
    ("metadata.broker.list", OWN_KEYS),
    ("msg_order_cmp", PROGRAM),
    ("offset.store.", NO_CONSUMER),
    ("opaque", PROGRAM),
    ("plugin.library.paths", FOREIGN_CODE),
    ("sasl.", OWN_KEYS),
    ("security.", OWN_KEYS),
    ("ssl.ca.certificate.stores", OWN_KEYS),
    ("ssl.ca.location", OWN_KEYS),
    ("ssl.ca.pem", OWN_KEYS),
    ("ssl.certificate.", OWN_KEYS),
    ("ssl.engine.", FOREIGN_CODE),
    ("ssl.key.", OWN_KEYS),
    ("ssl.keystore.", OWN_KEYS),
    ("ssl.providers", FOREIGN_CODE),
    ("ssl_", OWN_KEYS),
    ("statistics.interval.ms", OURS),
    (
        "topic.blacklist",
        "topics that are there would be told as missing",
    ),
    ("topic.metadata.refresh.interval.ms", OURS),
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
    let (_, why) = REFUSED.iter().find(|(part, _)| is_of(name, part))?;
    Some(why)
}

fn is_of(name: &str, part: &str) -> bool {
    if part.ends_with(['.', '_']) {
        name.starts_with(part)
    } else if part.starts_with(['.', '_']) {
        name.ends_with(part)
    } else {
        name == part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_or_dangerous_is_not_passed_on() {
        let cases = [
            ("allow.auto.create.topics", "must not create it"),
            ("api.version.request", "no longer answer"),
            ("auto.commit.interval.ms", "joins no group"),
            ("auto.offset.reset", "joins no group"),
            ("bootstrap.servers", "keys of its own"),
            ("default_topic_conf", "only a program"),
            ("enable.auto.commit", "joins no group"),
            ("enable.auto.offset.store", "joins no group"),
            ("enable.metrics.push", "no telemetry"),
            ("enable.sasl.oauthbearer.unsecure.jwt", "nobody has signed"),
            ("enable.ssl.certificate.verification", "tls.ca_file"),
            ("enabled_events", "sets it itself"),
            ("error_cb", "only a program"),
            ("group.id", "joins no group"),
            ("group.instance.id", "joins no group"),
            ("https.ca.location", "sasl.token_ca_file"),
            ("interceptors", "only a program"),
            ("internal.termination.signal", "could end this process"),
            ("isolation.level", "keys of its own"),
            ("log.connection.close", "sets it itself"),
            ("log.queue", "sets it itself"),
            ("log_cb", "only a program"),
            ("log_level", "log.filter"),
            ("metadata.broker.list", "keys of its own"),
            ("msg_order_cmp", "only a program"),
            ("oauthbearer_token_refresh_cb", "only a program"),
            ("offset.store.method", "joins no group"),
            ("opaque", "only a program"),
            ("plugin.library.paths", "foreign code"),
            ("sasl.kerberos.kinit.cmd", "keys of its own"),
            ("sasl.oauthbearer.client.secret", "keys of its own"),
            ("sasl.password", "keys of its own"),
            ("security.protocol", "keys of its own"),
            ("ssl.ca.certificate.stores", "keys of its own"),
            ("ssl.ca.location", "keys of its own"),
            ("ssl.ca.pem", "keys of its own"),
            ("ssl.certificate.pem", "keys of its own"),
            ("ssl.engine.location", "foreign code"),
            ("ssl.key.password", "keys of its own"),
            ("ssl.keystore.location", "keys of its own"),
            ("ssl.providers", "foreign code"),
            ("ssl_engine_callback_data", "keys of its own"),
            ("ssl_key", "keys of its own"),
            ("statistics.interval.ms", "sets it itself"),
            ("topic.blacklist", "told as missing"),
            ("topic.metadata.refresh.interval.ms", "sets it itself"),
            ("SASL.PASSWORD", "no such name"),
            ("", "no such name"),
        ];
        for (name, expected) in cases {
            let found = refusal(name).unwrap_or_else(|| panic!("{name} is passed on"));
            assert!(found.contains(expected), "{name}: {found}");
        }
        for (part, _) in REFUSED {
            let has_case = cases.iter().any(|(name, _)| is_of(name, part));
            assert!(has_case, "{part} has no case");
        }
    }

    #[test]
    fn what_tunes_connections_is_passed_on() {
        for name in [
            "api.version.request.timeout.ms",
            "client.id",
            "client.rack",
            "debug",
            "log.thread.name",
            "metadata.recovery.strategy",
            "reconnect.backoff.max.ms",
            "socket.timeout.ms",
            "ssl.cipher.suites",
            "ssl.crl.location",
            "ssl.endpoint.identification.algorithm",
        ] {
            assert_eq!(refusal(name), None, "{name}");
        }
    }
}
