//! From a cluster's configuration to librdkafka's properties.

use std::{collections::BTreeMap, path::Path, time::Duration};

use crate::config::{ClusterConfig, SaslConfig, TlsConfig};

use super::settings::ClientSettings;

impl ClientSettings {
    /// The settings that a configured cluster asks for. What we set ourselves
    /// wins over properties that are passed through.
    pub fn of(cluster: &ClusterConfig, request_timeout: Duration) -> Self {
        let mut properties = cluster.properties.clone();
        let security = &cluster.security;
        set(
            &mut properties,
            "security.protocol",
            security.protocol.as_str(),
        );
        if let Some(tls) = &security.tls {
            set_tls(&mut properties, tls);
        }
        if let Some(sasl) = &security.sasl {
            set_sasl(&mut properties, sasl);
        }
        Self {
            bootstrap_servers: cluster.bootstrap_servers.clone(),
            properties,
            request_timeout,
        }
    }
}

fn set_tls(properties: &mut BTreeMap<String, String>, tls: &TlsConfig) {
    set_path(properties, "ssl.ca.location", tls.ca_file.as_deref());
    set_path(
        properties,
        "ssl.certificate.location",
        tls.certificate_file.as_deref(),
    );
    set_path(properties, "ssl.key.location", tls.key_file.as_deref());
    if let Some(password) = &tls.key_password {
        set(properties, "ssl.key.password", password.expose());
    }
}

fn set_sasl(properties: &mut BTreeMap<String, String>, sasl: &SaslConfig) {
    set(properties, "sasl.mechanism", sasl.mechanism.as_str());
    set(properties, "sasl.username", &sasl.username);
    set(properties, "sasl.password", sasl.password.expose());
}

fn set_path(properties: &mut BTreeMap<String, String>, key: &str, path: Option<&Path>) {
    if let Some(path) = path {
        set(properties, key, &path.to_string_lossy());
    }
}

fn set(properties: &mut BTreeMap<String, String>, key: &str, value: &str) {
    properties.insert(key.to_owned(), value.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn login_and_trust_reach_librdkafka_and_the_password_no_log() {
        let ca = tempfile::NamedTempFile::new().expect("a temporary file");
        let text = format!(
            r#"
[clusters.main]
bootstrap_servers = ["broker:9093"]
security_protocol = "SASL_SSL"
[clusters.main.tls]
ca_file = {:?}
[clusters.main.sasl]
mechanism = "SCRAM-SHA-512"
username = "tidegauge"
[clusters.main.properties]
"socket.keepalive.enable" = "true"
"#,
            ca.path()
        );
        let password = (
            "TIDEGAUGE_CLUSTERS__MAIN__SASL__PASSWORD".to_owned(),
            "opensesame".to_owned(),
        );
        let config = Config::parse("test", &text, [password]).expect("valid");
        let cluster = config.clusters.values().next().expect("one cluster");
        let settings = ClientSettings::of(cluster, Duration::from_secs(5));
        for (key, value) in [
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", ca.path().to_str().expect("plain path")),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "tidegauge"),
            ("sasl.password", "opensesame"),
            ("socket.keepalive.enable", "true"),
        ] {
            assert_eq!(
                settings.properties.get(key).map(String::as_str),
                Some(value),
                "{key}"
            );
        }
        for shown in [format!("{settings:?}"), format!("{config:?}")] {
            assert!(!shown.contains("opensesame"), "{shown}");
        }
    }
}
