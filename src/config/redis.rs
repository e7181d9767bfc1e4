//! Where the names of Azul's plugins are looked up.

use std::time::Duration;

use super::{
    ClientTlsConfig, DAY, HOUR, MINUTE, SECOND, Secret, cluster::is_host_and_port, section::Section,
};

/// Far above any number of sentinels, or of a cluster's nodes to start from.
const MAX_ADDRESSES: usize = 32;
const MAX_NAME_CHARS: usize = 255;
const MAX_KEY_CHARS: usize = 512;
/// Redis can be built for more than its 16, but not for more than this.
const MAX_DATABASE: usize = 65_535;
/// Azul's dispatcher writes there.
const DEFAULT_DATABASE: usize = 2;
const PLUGIN: &str = "{plugin}";
const DEFAULT_REFRESH: Duration = Duration::from_secs(30);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(50);
const ADDRESSES: &str = "a list of 1 to 32, each \"host:port\"";

/// `[azul.redis]`: where Azul's dispatcher publishes which consumer groups belong
/// to a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// The server; or all sentinels, or nodes of a cluster to start from, 1 to
    /// 32, each `host:port`. Required; `TIDEGAUGE_AZUL__REDIS__ADDRESSES`.
    pub addresses: Vec<String>,
    /// Are the addresses those of a Redis Cluster? Default false;
    /// `TIDEGAUGE_AZUL__REDIS__CLUSTER`.
    pub cluster: bool,
    /// The addresses are those of sentinels. Default: they are not.
    pub sentinel: Option<SentinelConfig>,
    /// The database, 0 to 65535; a cluster has only 0. Default 2, of a cluster 0;
    /// `TIDEGAUGE_AZUL__REDIS__DATABASE`.
    pub database: usize,
    /// The key of a plugin; `{plugin}` stands for its name. Default `{plugin}`;
    /// `TIDEGAUGE_AZUL__REDIS__KEY`.
    pub key: String,
    /// The user, together with a password. Default: Redis' own default user;
    /// `TIDEGAUGE_AZUL__REDIS__USER`.
    pub user: Option<String>,
    /// From `password_file`, read again for each connection, or
    /// `TIDEGAUGE_AZUL__REDIS__PASSWORD`, which wins. Default: none.
    pub password: Option<Secret>,
    /// `[azul.redis.tls]`: TLS, also to sentinels. Default: plain text.
    pub tls: Option<ClientTlsConfig>,
    /// How often the names of all watches are read again, 1 second to 1 hour.
    /// Default 30 seconds; `TIDEGAUGE_AZUL__REDIS__REFRESH`.
    pub refresh: Duration,
    /// How long an answer may take, 50 ms to 10 seconds; a new connection may
    /// take three times as long. Default 1 second;
    /// `TIDEGAUGE_AZUL__REDIS__TIMEOUT`.
    pub timeout: Duration,
    /// How long a name is used that can't be read again, 1 minute to 30 days.
    /// Default 24 hours; `TIDEGAUGE_AZUL__REDIS__MAX_STALENESS`.
    pub max_staleness: Duration,
}

/// `[azul.redis.sentinel]`: what the sentinels are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelConfig {
    /// What they call the master. Required;
    /// `TIDEGAUGE_AZUL__REDIS__SENTINEL__MASTER`.
    pub master: String,
    /// Their user, together with a password. Default: none;
    /// `TIDEGAUGE_AZUL__REDIS__SENTINEL__USER`.
    pub user: Option<String>,
    /// Theirs, from `password_file`, read again for each connection, or
    /// `TIDEGAUGE_AZUL__REDIS__SENTINEL__PASSWORD`, which wins. Default: none.
    pub password: Option<Secret>,
}

impl RedisConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        section.require("addresses", ADDRESSES);
        let (count, each) = (1..=MAX_ADDRESSES, "\"host:port\"");
        let addresses = section.texts("addresses", count, each, is_host_and_port);
        let cluster = section.boolean("cluster", false);
        let sentinel = section.optional_table("sentinel", SentinelConfig::read);
        refuse_other_kinds(section, addresses.len(), cluster, sentinel.is_some());
        let (user, password) = login(section);
        Self {
            addresses,
            cluster,
            sentinel,
            database: database(section, cluster),
            key: key(section),
            user,
            password,
            tls: section.optional_table("tls", ClientTlsConfig::read),
            refresh: section.duration("refresh", DEFAULT_REFRESH, SECOND..=HOUR),
            timeout: section.duration("timeout", SECOND, SHORTEST_TIMEOUT..=10 * SECOND),
            max_staleness: section.duration("max_staleness", DAY, MINUTE..=30 * DAY),
        }
    }
}

fn refuse_other_kinds(section: &mut Section<'_>, addresses: usize, cluster: bool, sentinel: bool) {
    if cluster && sentinel {
        section.refuse("cluster", "false, since there is a [azul.redis.sentinel]");
    }
    if addresses > 1 && !cluster && !sentinel {
        let why = format!("{addresses} in it");
        let accepted = "one address, unless [azul.redis.sentinel] is there or cluster is true";
        section.refuse_because("addresses", why, accepted);
    }
}

fn database(section: &mut Section<'_>, cluster: bool) -> usize {
    let default = if cluster { 0 } else { DEFAULT_DATABASE };
    let database = section.number("database", default, 0..=MAX_DATABASE);
    if cluster && database != 0 {
        section.refuse("database", "0, the only one that a cluster has");
    }
    database
}

fn key(section: &mut Section<'_>) -> String {
    let Some(key) = section.text("key", 1..=MAX_KEY_CHARS) else {
        return PLUGIN.to_owned();
    };
    if !key.contains(PLUGIN) {
        section.refuse("key", "text that contains {plugin}");
    }
    key
}

fn login(section: &mut Section<'_>) -> (Option<String>, Option<Secret>) {
    let user = section.text("user", 1..=MAX_NAME_CHARS);
    let password = section.secret("password", "password_file");
    if user.is_some() {
        section.require_secret("password", "password_file");
    }
    (user, password)
}

impl SentinelConfig {
    fn read(section: &mut Section<'_>) -> Self {
        section.require("master", "what the sentinels call the master");
        let master = section.text("master", 1..=MAX_NAME_CHARS);
        let (user, password) = login(section);
        Self {
            master: master.unwrap_or_default(),
            user,
            password,
        }
    }
}
