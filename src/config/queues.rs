//! Queues in PostgreSQL, by name.

use std::{collections::BTreeMap, path::Path, time::Duration};

use crate::model::ClusterName;

use super::{
    ClientTlsConfig, ClusterConfig, MINUTE, Secret, client_tls,
    cluster::{MAX_HOST_CHARS, is_cluster_name, is_host},
    section::Section,
};

const MAX_QUEUES: usize = 64;
/// Longer names PostgreSQL cuts, which then are others' names.
const MAX_IDENTIFIER_BYTES: usize = 63;
const MAX_QUERY_CHARS: usize = 16 * 1024;
const DEFAULT_PORT: usize = 5432;
const SHORTEST: Duration = Duration::from_millis(10);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);
/// Lakerunner's work queue: a row is claimable until a worker claims it, and
/// deleted when it is done; a task has several priorities.
const LAKERUNNER: &str = "\
SELECT task_name AS name,
       count(*) AS depth,
       extract(epoch FROM now() - min(created_at)) AS oldest_age
  FROM work_queue
 WHERE claimed_by = -1 AND failed = false
 GROUP BY task_name";

/// `[queues.NAME]`: a queue in PostgreSQL, whose tasks one query counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// The server's name or address. Required; `TIDEGAUGE_QUEUES__NAME__HOST`.
    pub host: String,
    /// Its port. Default 5432; `TIDEGAUGE_QUEUES__NAME__PORT`.
    pub port: u16,
    /// The database. Required; `TIDEGAUGE_QUEUES__NAME__DATABASE`.
    pub database: String,
    /// Who logs in; it need only be able to read. Required;
    /// `TIDEGAUGE_QUEUES__NAME__USER`.
    pub user: String,
    /// From `password_file`, which is read again when it changes, or
    /// `TIDEGAUGE_QUEUES__NAME__PASSWORD`, which wins. Default: none.
    pub password: Option<Secret>,
    /// How the connection is protected; `None`: not at all. Default: TLS with
    /// the system's authorities; `TIDEGAUGE_QUEUES__NAME__TLS`, and the files by
    /// the names of their keys.
    pub tls: Option<ClientTlsConfig>,
    /// One statement that returns a row a task: `name`, `depth` and, where it
    /// can, `oldest_age`, `added` and `done`. Default: Lakerunner's;
    /// `TIDEGAUGE_QUEUES__NAME__QUERY`.
    pub query: String,
    /// How long the server may work on it, 10 ms to 5 minutes, less than
    /// `poll.interval`. Default 3 seconds, at most half of the interval;
    /// `TIDEGAUGE_QUEUES__NAME__STATEMENT_TIMEOUT`.
    pub statement_timeout: Duration,
    /// How long connecting and logging in may take, 10 ms to 5 minutes. Default
    /// 3 seconds; `TIDEGAUGE_QUEUES__NAME__CONNECT_TIMEOUT`.
    pub connect_timeout: Duration,
}

impl QueueConfig {
    /// `None`: the mistakes say why.
    fn read(section: &mut Section<'_>, interval: Duration) -> Option<Self> {
        let host = host(section);
        let port = section.number("port", DEFAULT_PORT, 1..=usize::from(u16::MAX));
        let database = identifier(section, "database");
        let user = identifier(section, "user");
        let password = section.secret("password", "password_file");
        let tls = tls(section);
        let query = section.text("query", 1..=MAX_QUERY_CHARS);
        let timeouts = SHORTEST..=5 * MINUTE;
        let default = DEFAULT_TIMEOUT.min(interval / 2);
        let statement_timeout = section.duration("statement_timeout", default, timeouts.clone());
        if statement_timeout >= interval {
            let why = format!("poll.interval is {}", humantime::format_duration(interval));
            section.refuse_because("statement_timeout", why, "less than poll.interval");
        }
        Some(Self {
            host: host?,
            port: u16::try_from(port).ok()?,
            database: database?,
            user: user?,
            password,
            tls,
            query: query.unwrap_or_else(|| LAKERUNNER.to_owned()),
            statement_timeout,
            connect_timeout: section.duration("connect_timeout", DEFAULT_TIMEOUT, timeouts),
        })
    }

    /// The files that it is made of, which may change.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let password = self.password.as_ref().and_then(Secret::file);
        let pem = self.tls.iter().flat_map(ClientTlsConfig::files);
        password.into_iter().chain(pem)
    }
}

/// The queues by name, which no cluster has.
pub(super) fn read_all(
    section: &mut Section<'_>,
    clusters: &BTreeMap<ClusterName, ClusterConfig>,
    interval: Duration,
) -> BTreeMap<ClusterName, QueueConfig> {
    let items = section.items();
    if items.len() > MAX_QUEUES {
        let found = format!("{} queues", items.len());
        section.refuse_whole(found, format!("at most {MAX_QUEUES} of [queues.NAME]"));
    }
    let mut queues = BTreeMap::new();
    for item in items {
        if !is_cluster_name(&item.name) {
            let accepted = "a name of 1 to 63 of a-z, 0-9, - and _, a letter or digit first";
            section.refuse_item_unseen(&item, "not the name of a queue", accepted);
        } else if clusters.contains_key(item.name.as_str()) {
            let accepted = "a name of its own: history tells of both under their names";
            section.refuse_item_unseen(&item, "there is a cluster of this name", accepted);
        }
        let queue = section.item_table(&item, |section| QueueConfig::read(section, interval));
        if let Some(queue) = queue {
            queues.insert(ClusterName::from(item.name), queue);
        }
    }
    queues
}

fn host(section: &mut Section<'_>) -> Option<String> {
    let accepted = "the name or address of a server, without a port";
    section.require("host", accepted);
    let host = section.text("host", 1..=MAX_HOST_CHARS)?;
    if is_host(&host) {
        return Some(host.trim_matches(['[', ']']).to_owned());
    }
    section.refuse("host", accepted);
    None
}

fn identifier(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    let accepted = format!("1 to {MAX_IDENTIFIER_BYTES} bytes, no control characters");
    section.require(key, &accepted);
    let text = section.text(key, 1..=MAX_IDENTIFIER_BYTES)?;
    if text.len() <= MAX_IDENTIFIER_BYTES && !text.chars().any(char::is_control) {
        return Some(text);
    }
    section.refuse(key, accepted);
    None
}

fn tls(section: &mut Section<'_>) -> Option<ClientTlsConfig> {
    let is_required = section.choice("tls", &[("required", true), ("off", false)]);
    let files = ClientTlsConfig::read(section);
    if is_required.unwrap_or(true) {
        return Some(files);
    }
    for file in client_tls::KEYS {
        section.refuse_because(file, "tls is off", "no such key, or tls = \"required\"");
    }
    None
}
