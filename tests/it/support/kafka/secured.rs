//! A broker behind TLS, logins and ACLs, and what one needs to get in.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::{Broker, Distribution, Setup};
use crate::support::certificates::{Authority, Identity};

const ACLS: &str = "org.apache.kafka.tools.AclCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const ADDRESS: &str = "127.0.0.1";

/// Users, each with a mechanism and a password of its own.
pub(crate) const SCRAM_512: Login = Login {
    mechanism: "SCRAM-SHA-512",
    user: "gauge-512",
    password: "hush-512",
};
pub(crate) const SCRAM_256: Login = Login {
    mechanism: "SCRAM-SHA-256",
    user: "gauge-256",
    password: "hush-256",
};
pub(crate) const PLAIN: Login = Login {
    mechanism: "PLAIN",
    user: "gauge-plain",
    password: "hush-plain",
};
/// The name in client certificates.
pub(crate) const CERTIFIED: &str = "gauge-certified";

/// How somebody logs in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Login {
    pub(crate) mechanism: &'static str,
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
}

/// A broker that lets nobody in unasked, but for Kafka's own tools at its plain
/// listener, and for nothing that no ACL allows.
pub(crate) struct SecuredBroker {
    pub(crate) broker: Broker,
    /// Who signed the certificates of the broker and of its clients.
    pub(crate) authority: Authority,
    /// `SASL_SSL`, with the three mechanisms.
    pub(crate) login: String,
    /// `SSL`, for clients with a certificate.
    pub(crate) client_certificate: String,
    /// `SSL`, with a certificate that has expired.
    pub(crate) expired: String,
    /// `SSL`, with a certificate for another host.
    pub(crate) elsewhere: String,
    folder: TempDir,
}

impl SecuredBroker {
    pub(crate) fn start(distribution: &Distribution) -> Self {
        let authority = Authority::new("Tests");
        let folder = TempDir::with_prefix("tidegauge-secrets-").unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let keystore = |name, identity: Identity| put(name, &keystore(&identity));
        let good = keystore("good.pem", authority.issue("broker", ADDRESS));
        let expired = keystore("expired.pem", authority.issue_expired("broker", ADDRESS));
        let elsewhere = keystore("elsewhere.pem", authority.issue("broker", "192.0.2.1"));
        let truststore = put("ca.pem", &authority.certificate_pem());

        let plain = format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_{}=\"{}\";",
            PLAIN.user, PLAIN.password
        );
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        let users = [SCRAM_512, SCRAM_256].map(|login| login.credential());
        let setup = Setup {
            listeners: &[
                ("LOGIN", "SASL_SSL"),
                ("CERTIFIED", "SSL"),
                ("EXPIRED", "SSL"),
                ("ELSEWHERE", "SSL"),
            ],
            properties: &[
                (
                    "authorizer.class.name",
                    "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                ),
                // Who comes through the plain listener: tools, and the broker itself.
                ("super.users", "User:ANONYMOUS"),
                ("ssl.keystore.type", "PEM"),
                ("ssl.keystore.location", &good),
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.location", &truststore),
                ("listener.name.certified.ssl.client.auth", "required"),
                ("listener.name.expired.ssl.keystore.location", &expired),
                ("listener.name.elsewhere.ssl.keystore.location", &elsewhere),
                (
                    "sasl.enabled.mechanisms",
                    "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
                ),
                ("listener.name.login.plain.sasl.jaas.config", &plain),
                ("listener.name.login.scram-sha-256.sasl.jaas.config", scram),
                ("listener.name.login.scram-sha-512.sasl.jaas.config", scram),
            ],
            scram_users: &users.each_ref().map(String::as_str),
        };
        let broker = Broker::start_as(distribution, setup);
        let [login, client_certificate, expired, elsewhere] = broker
            .listeners()
            .to_vec()
            .try_into()
            .expect("four listeners");
        Self {
            broker,
            authority,
            login,
            client_certificate,
            expired,
            elsewhere,
            folder,
        }
    }

    /// Writes a file that lives as long as the broker.
    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Lets a user see: `resource` in the tool's words, such as
    /// `["--topic", "orders"]`.
    pub(crate) fn allow_describe(&self, user: &str, resource: &[&str]) {
        let principal = format!("User:{user}");
        let mut args = vec!["--add", "--allow-principal", &principal];
        args.extend(["--operation", "Describe"]);
        args.extend(resource);
        self.broker.tool(ACLS, &args);
    }

    /// Gives a user of SCRAM another password.
    pub(crate) fn change_password(&self, login: Login) {
        let (mechanism, password) = (login.mechanism, login.password);
        let credential = format!("{mechanism}=[password={password}]");
        let mut args = vec!["--alter", "--entity-type", "users"];
        args.extend(["--entity-name", login.user, "--add-config", &credential]);
        self.broker.tool(CONFIGS, &args);
    }
}

impl Login {
    /// In the words of Kafka's storage tool.
    fn credential(self) -> String {
        let Self {
            mechanism,
            user,
            password,
        } = self;
        format!("{mechanism}=[name={user},password={password}]")
    }
}

/// As Kafka reads it: the key, and behind it the certificate.
fn keystore(identity: &Identity) -> String {
    identity.key_pem() + identity.certificate_pem().as_str()
}
