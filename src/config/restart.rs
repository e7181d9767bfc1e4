//! What another configuration can't change while the process runs.

use std::path::Path;

use super::{BasicConfig, Config, ConfigError, Mistake, Secret, mistake::cut};

/// A key, and what it says, in words.
type Value = (&'static str, fn(&Config) -> String);

/// Files are judged when they are opened, and listeners are what they were when
/// they began; what the files of certificates and secrets hold is followed.
const VALUES: [Value; 14] = [
    ("store.data_dir", |config| {
        config.store.data_dir.display().to_string()
    }),
    ("store.when_damaged", |config| {
        config.store.when_damaged.word().to_owned()
    }),
    ("grpc.listen", |config| config.grpc.listen.to_string()),
    ("grpc.tls.certificate_file", |config| {
        path(config.grpc.tls.as_ref().map(|tls| &*tls.certificate_file))
    }),
    ("grpc.tls.key_file", |config| {
        path(config.grpc.tls.as_ref().map(|tls| &*tls.key_file))
    }),
    ("grpc.tls.client_ca_file", |config| {
        let tls = config.grpc.tls.as_ref();
        path(tls.and_then(|tls| tls.client_ca_file.as_deref()))
    }),
    ("http.listen", |config| config.http.listen.to_string()),
    ("http.tls.certificate_file", |config| {
        path(config.http.tls.as_ref().map(|tls| &*tls.certificate_file))
    }),
    ("http.tls.key_file", |config| {
        path(config.http.tls.as_ref().map(|tls| &*tls.key_file))
    }),
    ("http.auth.bearer_token_file", |config| {
        let auth = config.http.auth.as_ref();
        place(auth.and_then(|auth| auth.bearer_token.as_ref()))
    }),
    ("http.auth.user", |config| {
        basic(config).map_or_else(absent, |basic| basic.user.clone())
    }),
    ("http.auth.password_file", |config| {
        place(basic(config).map(|basic| &basic.password))
    }),
    ("log.format", |config| config.log.format.word().to_owned()),
    ("otlp", |config| {
        let otlp = config.otlp.as_ref();
        otlp.map_or_else(absent, |otlp| format!("{otlp:?}"))
    }),
];

fn basic(config: &Config) -> Option<&BasicConfig> {
    config.http.auth.as_ref()?.basic.as_ref()
}

fn place(secret: Option<&Secret>) -> String {
    match secret {
        Some(secret) if secret.file().is_none() => "a variable".to_owned(),
        secret => path(secret.and_then(Secret::file)),
    }
}

fn path(path: Option<&Path>) -> String {
    path.map_or_else(absent, |path| path.display().to_string())
}

fn absent() -> String {
    "none".to_owned()
}

impl Config {
    /// Why this can't take the place of `in_force`: each key whose value only a
    /// restart can change. `None`: it can.
    pub fn needs_restart(&self, in_force: &Self) -> Option<ConfigError> {
        let mut keys = Keys {
            origin: &self.origin,
            mistakes: Vec::new(),
        };
        for (key, value) in VALUES {
            keys.compare(key, value(self), value(in_force));
        }
        (!keys.mistakes.is_empty()).then(|| ConfigError::new(keys.mistakes))
    }
}

struct Keys<'a> {
    origin: &'a str,
    mistakes: Vec<Mistake>,
}

impl Keys<'_> {
    fn compare(&mut self, key: &str, wanted: String, in_force: String) {
        if wanted != in_force {
            let in_force = cut(&in_force);
            self.mistakes.push(Mistake {
                place: self.origin.to_owned(),
                key: key.to_owned(),
                found: format!("found {:?}", cut(&wanted)),
                accepted: format!("{in_force:?}, which is in force; another needs a restart"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rest: &str) -> Config {
        let text = format!("{rest}\n[clusters.main]\nbootstrap_servers = ['b:9092']\n");
        Config::parse("new.toml", &text, []).expect("a valid configuration")
    }

    #[test]
    fn each_key_that_needs_a_restart_is_named_with_both_values() {
        let in_force = config("");
        for (rest, key, found, accepted) in [
            (
                "[store]\ndata_dir = '/d'",
                "store.data_dir",
                "/d",
                "/var/lib/tidegauge",
            ),
            (
                "[store]\nwhen_damaged = 'refuse'",
                "store.when_damaged",
                "refuse",
                "set_aside",
            ),
            (
                "[grpc]\nlisten = '[::]:1'",
                "grpc.listen",
                "[::]:1",
                "0.0.0.0:9090",
            ),
            (
                "[http]\nlisten = '[::]:1'",
                "http.listen",
                "[::]:1",
                "127.0.0.1:8080",
            ),
            ("[log]\nformat = 'json'", "log.format", "json", "text"),
        ] {
            let error = config(rest).needs_restart(&in_force).expect(key);
            let [mistake] = error.mistakes() else {
                panic!("{error}");
            };
            assert_eq!(
                (mistake.place.as_str(), mistake.key.as_str()),
                ("new.toml", key)
            );
            assert_eq!(mistake.found, format!("found {found:?}"));
            let accepted = format!("{accepted:?}, which is in force; another needs a restart");
            assert_eq!(mistake.accepted, accepted);
        }
    }

    #[test]
    fn what_listeners_were_begun_with_needs_a_restart() {
        let files = "certificate_file = '/dev/null'\nkey_file = '/dev/null'\n";
        let ca = "client_ca_file = '/dev/null'\n";
        let token = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(token.path(), "sixteen--letters").expect("written");
        let auth = format!(
            "[http.auth]\nbearer_token_file = {0:?}\nuser = 'u'\npassword_file = {0:?}",
            token.path()
        );
        for (rest, keys) in [
            (
                format!("[grpc.tls]\n{files}{ca}"),
                &[
                    "grpc.tls.certificate_file",
                    "grpc.tls.key_file",
                    "grpc.tls.client_ca_file",
                ][..],
            ),
            (
                format!("[http.tls]\n{files}"),
                &["http.tls.certificate_file", "http.tls.key_file"],
            ),
            (
                auth,
                &[
                    "http.auth.bearer_token_file",
                    "http.auth.user",
                    "http.auth.password_file",
                ],
            ),
        ] {
            let (plain, protected) = (config(""), config(&rest));
            for (wanted, in_force) in [(&plain, &protected), (&protected, &plain)] {
                let error = wanted.needs_restart(in_force).expect("refused");
                let found = error.mistakes().iter().map(|mistake| &*mistake.key);
                assert_eq!(found.collect::<Vec<_>>(), keys);
            }
            assert!(protected.needs_restart(&protected).is_none());
        }
        let access = config("[access]\nnamespaces = ['a']");
        assert!(access.needs_restart(&config("")).is_none());
    }

    #[test]
    fn all_of_them_are_told_at_once_and_others_need_none() {
        let in_force = config("");
        let both = config("[grpc]\nlisten = '[::]:1'\n[http]\nlisten = '[::]:1'");
        let error = both.needs_restart(&in_force).expect("refused");
        assert_eq!(error.mistakes().len(), 2);
        let others = config("[store]\nretention = '9d'\n[grpc]\nshutdown_grace = '1s'");
        assert!(others.needs_restart(&in_force).is_none());
    }
}
