//! Which parts of the configuration are not what they were.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use crate::model::Fingerprint;

use super::{ClusterConfig, Config};

impl Config {
    /// A number for each section, such as `poll` or `clusters.main`: another
    /// one if something else is configured there. Nothing secret is in it, not
    /// even as a number that could be guessed from: neither secrets nor the
    /// values of a cluster's `properties`, some of which may be.
    ///
    /// A release that has more keys has other numbers too.
    pub fn fingerprints(&self) -> BTreeMap<String, u64> {
        let sections: [(&str, &dyn Debug); 12] = [
            ("store", &self.store),
            ("grpc", &self.grpc),
            ("http", &self.http),
            ("poll", &self.poll),
            ("estimator", &self.estimator),
            ("watches", &self.watches),
            ("azul", &self.azul),
            ("access", &self.access),
            ("log", &self.log),
            ("otlp", &self.otlp),
            ("lakerunner", &self.lakerunner),
            ("services", &self.services),
        ];
        let of_process = sections
            .into_iter()
            .map(|(name, section)| (name.to_owned(), fingerprint(section)));
        let of_clusters = self.clusters.iter().map(|(name, cluster)| {
            let cluster = without_property_values(cluster);
            (format!("clusters.{name}"), fingerprint(&cluster))
        });
        let of_queues = self.queues.iter();
        let of_queues =
            of_queues.map(|(name, queue)| (format!("queues.{name}"), fingerprint(queue)));
        of_process.chain(of_clusters).chain(of_queues).collect()
    }
}

/// The sections that one has and the other has not, or has otherwise.
pub fn changed_sections(
    before: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
) -> Vec<String> {
    let sections: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let changed = sections
        .into_iter()
        .filter(|section| before.get(*section) != now.get(*section));
    changed.cloned().collect()
}

/// Secrets print as `***`.
fn fingerprint(section: &dyn Debug) -> u64 {
    let mut fingerprint = Fingerprint::default();
    fingerprint.take(format!("{section:?}").as_bytes());
    fingerprint.finish()
}

fn without_property_values(cluster: &ClusterConfig) -> ClusterConfig {
    let mut cluster = cluster.clone();
    for value in cluster.properties.values_mut() {
        value.clear();
    }
    cluster
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: &str = "security_protocol = 'SASL_PLAINTEXT'\n\
                         sasl = {mechanism = 'PLAIN', username = 'u'}\n";

    fn fingerprints(password: &str, rest: &str) -> BTreeMap<String, u64> {
        let text = format!("[clusters.main]\nbootstrap_servers = ['b:9092']\n{LOGIN}{rest}");
        let password = ("TIDEGAUGE_CLUSTERS__MAIN__SASL__PASSWORD", password);
        let environment = [password].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::parse("test.toml", &text, environment);
        config.expect("a valid configuration").fingerprints()
    }

    fn changed(password: &str, rest: &str) -> Vec<String> {
        let before = fingerprints("one", "properties = {'socket.keepalive.enable' = 'true'}\n");
        let now = fingerprints(password, rest);
        assert_eq!(before.len(), now.len());
        changed_sections(&before, &now)
    }

    #[test]
    fn what_is_configured_otherwise_is_named_and_no_secret_counts() {
        let same = "properties = {'socket.keepalive.enable' = 'true'}\n";
        assert_eq!(changed("one", same), [""; 0]);
        assert_eq!(changed("two", same), [""; 0]);
        let other_value = "properties = {'socket.keepalive.enable' = 'false'}\n";
        assert_eq!(changed("one", other_value), [""; 0]);
        assert_eq!(changed("one", ""), ["clusters.main"]);
        let poll = format!("{same}[poll]\ninterval = '7s'\n");
        assert!(changed("one", &poll).contains(&"poll".to_owned()));
    }
}
