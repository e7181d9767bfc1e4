//! From a cluster's configuration to librdkafka's properties.

use std::{collections::BTreeMap, path::Path, time::Duration};

use crate::config::{
    ClusterConfig, GssapiConfig, PasswordConfig, SaslConfig, SaslLogin, TlsConfig,
};

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
        let mut oauthbearer = None;
        if let Some(SaslConfig { mechanism, login }) = &security.sasl {
            set(&mut properties, "sasl.mechanism", mechanism.as_str());
            match login {
                SaslLogin::Password(user) => set_password(&mut properties, user),
                SaslLogin::OAuthBearer(tokens) => oauthbearer = Some(tokens.clone()),
                SaslLogin::Gssapi(kerberos) => set_gssapi(&mut properties, kerberos),
            }
        }
        Self {
            bootstrap_servers: cluster.bootstrap_servers.clone(),
            properties,
            request_timeout,
            oauthbearer,
        }
    }
}

fn set_tls(properties: &mut BTreeMap<String, String>, tls: &TlsConfig) {
    let pem = &tls.pem;
    set_path(properties, "ssl.ca.location", pem.ca_file.as_deref());
    let identity = pem.identity.as_ref();
    let (certificate, key) = identity
        .map(|(certificate, key)| (&**certificate, &**key))
        .unzip();
    set_path(properties, "ssl.certificate.location", certificate);
    set_path(properties, "ssl.key.location", key);
    if let Some(password) = &tls.key_password {
        set(properties, "ssl.key.password", password.expose());
    }
}

fn set_password(properties: &mut BTreeMap<String, String>, user: &PasswordConfig) {
    set(properties, "sasl.username", &user.username);
    set(properties, "sasl.password", user.password.expose());
}

fn set_gssapi(properties: &mut BTreeMap<String, String>, kerberos: &GssapiConfig) {
    set(
        properties,
        "sasl.kerberos.service.name",
        &kerberos.service_name,
    );
    set(properties, "sasl.kerberos.principal", &kerberos.principal);
    set_path(
        properties,
        "sasl.kerberos.keytab",
        Some(&kerberos.keytab_file),
    );
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
    use crate::config::{Config, OAuthBearerConfig, SaslMechanism, Secret, SecurityProtocol};

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

    /// What a cluster with this login asks for.
    fn with_login(mechanism: SaslMechanism, login: SaslLogin) -> ClientSettings {
        let text = "clusters.main.bootstrap_servers = ['broker:9093']";
        let config = Config::parse("test", text, []).expect("valid");
        let mut cluster = config.clusters["main"].clone();
        cluster.security.protocol = SecurityProtocol::SaslSsl;
        cluster.security.sasl = Some(SaslConfig { mechanism, login });
        ClientSettings::of(&cluster, Duration::from_secs(5))
    }

    #[test]
    fn kerberos_reaches_librdkafka() {
        let settings = with_login(
            SaslMechanism::Gssapi,
            SaslLogin::Gssapi(GssapiConfig {
                service_name: "broker".to_owned(),
                principal: "tidegauge@EXAMPLE.COM".to_owned(),
                keytab_file: "/etc/tidegauge.keytab".into(),
            }),
        );
        let expected = [
            ("sasl.kerberos.keytab", "/etc/tidegauge.keytab"),
            ("sasl.kerberos.principal", "tidegauge@EXAMPLE.COM"),
            ("sasl.kerberos.service.name", "broker"),
            ("sasl.mechanism", "GSSAPI"),
            ("security.protocol", "SASL_SSL"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(settings.properties, expected.into());
        assert!(settings.oauthbearer.is_none());
    }

    #[test]
    fn the_client_secret_never_reaches_librdkafka() {
        let settings = with_login(
            SaslMechanism::OAuthBearer,
            SaslLogin::OAuthBearer(OAuthBearerConfig {
                token_endpoint: "https://login.example/".parse().expect("a URL"),
                client_id: "tidegauge".to_owned(),
                client_secret: Secret::new("opensesame"),
                scope: None,
                token_ca_file: None,
                extensions: BTreeMap::new(),
            }),
        );
        let expected = [
            ("sasl.mechanism", "OAUTHBEARER"),
            ("security.protocol", "SASL_SSL"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(settings.properties, expected.into());
        let tokens = settings
            .oauthbearer
            .as_ref()
            .expect("where tokens come from");
        assert_eq!(tokens.client_id, "tidegauge");
        let shown = format!("{settings:?}");
        assert!(!shown.contains("opensesame"), "{shown}");
    }
}
