//! One Kafka cluster, and all of them by name.

use std::{collections::BTreeMap, net::Ipv6Addr};

use crate::model::{ClusterName, TopicFilter};

use super::{GroupsConfig, IsolationConfig, SecurityConfig, properties, section::Section, topics};

const MAX_CLUSTERS: usize = 64;
const MAX_NAME_CHARS: usize = 63;
const MAX_BOOTSTRAP_SERVERS: usize = 64;
/// Longest name that DNS has.
pub(super) const MAX_HOST_CHARS: usize = 253;

/// `[clusters.NAME]`: one Kafka cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Brokers to start from, 1 to 64, each `host:port`. Required;
    /// `TIDEGAUGE_CLUSTERS__NAME__BOOTSTRAP_SERVERS`.
    pub bootstrap_servers: Vec<String>,
    /// Where a log ends: as consumers with this isolation level see it. Default
    /// `read_committed`; `TIDEGAUGE_CLUSTERS__NAME__ISOLATION_LEVEL`.
    pub isolation_level: IsolationConfig,
    /// How its connections are protected. Default: plain text.
    pub security: SecurityConfig,
    /// Which groups are watched whether or not KEDA asks. Default: none.
    pub groups: GroupsConfig,
    /// In which topics listed groups are watched. Default: all.
    pub topics: TopicFilter,
    /// More properties of librdkafka, by its names, at most 100. Those that
    /// Tidegauge sets itself, that hold secrets or that load foreign code are
    /// refused. Default: none;
    /// `TIDEGAUGE_CLUSTERS__NAME__PROPERTIES__SOCKET_TIMEOUT_MS` sets
    /// `socket.timeout.ms`.
    pub properties: BTreeMap<String, String>,
}

impl ClusterConfig {
    fn read(section: &mut Section<'_>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers(section),
            isolation_level: IsolationConfig::read(section),
            security: SecurityConfig::read(section),
            groups: section.table("groups", GroupsConfig::read),
            topics: section.table("topics", topics::read),
            properties: section.table("properties", properties::read),
        }
    }
}

impl ClusterConfig {
    /// Is the same configured? What files hold doesn't matter, only which they
    /// are: whoever reads them looks whether they change.
    pub fn is_same_as(&self, other: &Self) -> bool {
        // Patterns can be compared only as they print, and secrets don't print.
        self.security == other.security && format!("{self:?}") == format!("{other:?}")
    }
}

/// The clusters by name, at least `least`.
pub(super) fn read_all(
    section: &mut Section<'_>,
    least: usize,
) -> BTreeMap<ClusterName, ClusterConfig> {
    let items = section.items();
    if !(least..=MAX_CLUSTERS).contains(&items.len()) {
        let found = format!("{} clusters", items.len());
        section.refuse_whole(
            found,
            format!("{least} to {MAX_CLUSTERS} of [clusters.NAME]"),
        );
    }
    let mut clusters = BTreeMap::new();
    for item in items {
        if !is_cluster_name(&item.name) {
            let accepted = "a name of 1 to 63 of a-z, 0-9, - and _, a letter or digit first";
            section.refuse_item_unseen(&item, "not the name of a cluster", accepted);
        }
        let cluster = section.item_table(&item, ClusterConfig::read);
        clusters.insert(ClusterName::from(item.name), cluster);
    }
    clusters
}

pub(super) fn is_cluster_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= MAX_NAME_CHARS
        && name.bytes().next().is_some_and(is_plain)
        && name
            .bytes()
            .all(|byte| is_plain(byte) || b"-_".contains(&byte))
}

fn bootstrap_servers(section: &mut Section<'_>) -> Vec<String> {
    let (key, each) = ("bootstrap_servers", "\"host:port\"");
    section.require(
        key,
        format!("a list of 1 to {MAX_BOOTSTRAP_SERVERS}, each {each}"),
    );
    section.texts(key, 1..=MAX_BOOTSTRAP_SERVERS, each, is_host_and_port)
}

pub(super) fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        is_host(host) && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

pub(super) fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=MAX_HOST_CHARS).contains(&host.len()) && host.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_host_and_port() {
        for good in [
            "b:9092",
            "10.0.0.1:1",
            "broker-1.kafka.svc:65535",
            "[::1]:9092",
        ] {
            assert!(is_host_and_port(good), "{good}");
        }
        for bad in [
            "",
            ":",
            "b",
            "b:",
            ":9092",
            "b:0",
            "b:65536",
            "b:x",
            "::1:9092",
            "[b]:9092",
            "SSL://b:9092",
            "b c:9092",
            "a,b:9092",
            "b:+9092 ",
        ] {
            assert!(!is_host_and_port(bad), "{bad}");
        }
    }

    #[test]
    fn clusters_have_plain_names() {
        let longest = "a".repeat(63);
        for good in ["a", "0", "main", "my-cluster_2", &longest] {
            assert!(is_cluster_name(good), "{good}");
        }
        let too_long = "a".repeat(64);
        for bad in ["", "-a", "_a", "A", "a.b", "a b", "ä", &too_long] {
            assert!(!is_cluster_name(bad), "{bad}");
        }
    }
}
