//! How to reach a cluster.

use std::{collections::BTreeMap, fmt, time::Duration};

use rdkafka::ClientConfig;

use crate::config::OAuthBearerConfig;

/// Librdkafka's properties that we decide, whatever the settings say.
const FIXED_PROPERTIES: [(&str, &str); 6] = [
    // An observer must not create what it observes.
    ("allow.auto.create.topics", "false"),
    ("enable.auto.commit", "false"),
    // Nor push telemetry of its own to brokers that ask their clients for it.
    ("enable.metrics.push", "false"),
    // Tokens that nobody has signed come from no configuration.
    ("enable.sasl.oauthbearer.unsecure.jwt", "false"),
    // The poller describes topics at its own times. What librdkafka would learn
    // meanwhile could end a request for log offsets twice (see `native::request`).
    ("topic.metadata.refresh.interval.ms", "-1"),
    // Where a broker hangs up on us is why it doesn't answer, see `Troubles`.
    ("log.connection.close", "true"),
];

/// How often librdkafka tells what it counts, see `BrokerRequests`. About 3 KB
/// a broker each time.
const DEFAULT_STATISTICS_INTERVAL_MS: &str = "10000";

/// The consumer type needs a group, though it never joins it.
const DEFAULT_GROUP_ID: &str = "tidegauge";

/// How to reach a cluster.
#[derive(Clone)]
pub struct ClientSettings {
    /// Brokers to begin with, `host:port`.
    pub bootstrap_servers: Vec<String>,
    /// Librdkafka's properties by name, secrets included.
    pub properties: BTreeMap<String, String>,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// Where tokens come from; only with the mechanism OAUTHBEARER.
    pub oauthbearer: Option<OAuthBearerConfig>,
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: BTreeMap<&str, &str> = self
            .properties
            .iter()
            .map(|(key, value)| (key.as_str(), if is_secret(key) { "***" } else { value }))
            .collect();
        f.debug_struct("ClientSettings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("properties", &shown)
            .field("request_timeout", &self.request_timeout)
            .field("oauthbearer", &self.oauthbearer)
            .finish()
    }
}

/// Must the value of this property never be shown?
pub(super) fn is_secret(key: &str) -> bool {
    ["password", "secret", "ssl.key.pem", "jaas", "token"]
        .iter()
        .any(|part| key.contains(part))
}

impl ClientSettings {
    /// All properties as librdkafka takes them.
    pub(super) fn librdkafka_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("group.id", DEFAULT_GROUP_ID);
        config.set("statistics.interval.ms", DEFAULT_STATISTICS_INTERVAL_MS);
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config.set("bootstrap.servers", self.bootstrap_servers.join(","));
        for (key, value) in FIXED_PROPERTIES {
            config.set(key, value);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::{super::client::Client, *};

    #[test]
    fn debug_shows_no_secret() {
        let settings = ClientSettings {
            bootstrap_servers: vec!["a:9092".to_owned()],
            properties: [("sasl.password", "hunter2"), ("sasl.username", "me")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            request_timeout: Duration::from_secs(1),
            oauthbearer: None,
        };
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("me"), "{shown}");
    }

    #[test]
    fn a_refused_property_is_named() {
        let settings = ClientSettings {
            bootstrap_servers: vec!["127.0.0.1:1".to_owned()],
            properties: [("no.such.property".to_owned(), "1".to_owned())].into(),
            request_timeout: Duration::from_secs(1),
            oauthbearer: None,
        };
        let error = Client::connect(&settings).expect_err("unknown property");
        assert!(error.to_string().contains("no.such.property"), "{error}");
    }
}
