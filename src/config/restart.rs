//! What another configuration can't change while the process runs.

use super::{Config, ConfigError, Mistake, mistake::cut};

impl Config {
    /// Why this can't take the place of `in_force`: each key whose value only a
    /// restart can change. `None`: it can.
    pub fn needs_restart(&self, in_force: &Self) -> Option<ConfigError> {
        let mut keys = Keys {
            origin: &self.origin,
            mistakes: Vec::new(),
        };
        let dir = |config: &Self| config.store.data_dir.display().to_string();
        keys.compare("store.data_dir", dir(self), dir(in_force));
        // Files are judged when they are opened.
        let when_damaged = |config: &Self| config.store.when_damaged.word().to_owned();
        keys.compare(
            "store.when_damaged",
            when_damaged(self),
            when_damaged(in_force),
        );
        let listen = |config: &Self| config.grpc.listen.to_string();
        keys.compare("grpc.listen", listen(self), listen(in_force));
        let listen = |config: &Self| config.http.listen.to_string();
        keys.compare("http.listen", listen(self), listen(in_force));
        let format = |config: &Self| config.log.format.word().to_owned();
        keys.compare("log.format", format(self), format(in_force));
        let otlp = |config: &Self| match &config.otlp {
            Some(otlp) => format!("{otlp:?}"),
            None => "nothing".to_owned(),
        };
        keys.compare("otlp", otlp(self), otlp(in_force));
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
    fn all_of_them_are_told_at_once_and_others_need_none() {
        let in_force = config("");
        let both = config("[grpc]\nlisten = '[::]:1'\n[http]\nlisten = '[::]:1'");
        let error = both.needs_restart(&in_force).expect("refused");
        assert_eq!(error.mistakes().len(), 2);
        let others = config("[store]\nretention = '9d'\n[grpc]\nshutdown_grace = '1s'");
        assert!(others.needs_restart(&in_force).is_none());
    }
}
