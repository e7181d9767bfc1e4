//! The configuration: `tidegauge.toml`, and the environment laid over it.
//!
//! It owns what may be configured, with defaults and limits, and knows nothing
//! of what is done with it. Key invariants: every mistake is reported at once,
//! each with its place and what is accepted; a key that nobody reads is refused;
//! a secret is never printed, and never read from the file itself.
//!
//! `source` says where it is written, `tree` and `environment` hold what is,
//! `section` and `values` read it key by key, and each struct says which keys it
//! has. `restart` says which can't be taken over while the process runs.

mod access;
mod auth;
mod azul;
mod backup;
mod client_tls;
mod cluster;
mod endpoint;
mod environment;
mod estimator;
mod file;
mod fingerprint;
mod groups;
mod grpc;
mod gssapi;
mod http;
mod isolation;
mod lakerunner;
mod log;
mod mistake;
mod names;
mod oauthbearer;
mod otlp;
mod patterns;
mod poll;
mod properties;
mod queues;
mod redis;
mod restart;
mod sasl;
mod schedule;
mod secret;
mod section;
mod security;
mod server_tls;
mod services;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod tls;
mod topics;
mod tree;
mod values;
mod watches;

use std::{collections::BTreeMap, ops::RangeInclusive, path::Path, time::Duration};

pub use access::{AccessConfig, AccessRuleConfig};
pub use auth::{AuthConfig, BadSecret, BasicConfig};
pub use azul::AzulConfig;
pub use backup::BackupConfig;
pub use client_tls::ClientTlsConfig;
pub use cluster::ClusterConfig;
pub use environment::process_environment;
pub use estimator::EstimatorConfig;
pub(crate) use estimator::FRESH_INTERVALS;
pub(crate) use file::read_text;
pub use fingerprint::changed_sections;
pub use groups::GroupsConfig;
pub use grpc::GrpcConfig;
pub use gssapi::GssapiConfig;
pub use http::HttpConfig;
pub use isolation::IsolationConfig;
pub use lakerunner::LakerunnerConfig;
pub use log::{LogConfig, LogFormat};
pub(crate) use mistake::cut_at;
pub use mistake::{ConfigError, Mistake};
pub use oauthbearer::OAuthBearerConfig;
pub use otlp::OtlpConfig;
pub use poll::PollConfig;
pub use queues::QueueConfig;
pub use redis::{RedisConfig, SentinelConfig};
pub use sasl::{PasswordConfig, SaslConfig, SaslLogin, SaslMechanism};
pub use secret::Secret;
pub use security::{SecurityConfig, SecurityProtocol};
pub use server_tls::ServerTlsConfig;
pub use services::ServiceConfig;
pub use source::{Contents, Source};
pub use store::{StoreConfig, WhenDamaged};
pub use tls::TlsConfig;
pub use watches::WatchesConfig;

use crate::model::ClusterName;
use names::Names;
use section::Section;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Longest `group.id` that is taken; Kafka has no limit of its own.
const GROUP_CHARS: RangeInclusive<usize> = 1..=255;

/// All that is configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// The path of its file, or `environment` if there is none.
    pub origin: String,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[grpc]`.
    pub grpc: GrpcConfig,
    /// `[http]`.
    pub http: HttpConfig,
    /// `[poll]`.
    pub poll: PollConfig,
    /// `[estimator]`.
    pub estimator: EstimatorConfig,
    /// `[watches]`.
    pub watches: WatchesConfig,
    /// `[azul]`.
    pub azul: AzulConfig,
    /// `[log]`.
    pub log: LogConfig,
    /// `[otlp]`; without it nothing is sent.
    pub otlp: Option<OtlpConfig>,
    /// `[access]`.
    pub access: AccessConfig,
    /// `[clusters.NAME]`, at most 64, and at least one unless there are queues. A
    /// name is 1 to 63 of a-z, 0-9, `-` and `_`, a letter or digit first.
    pub clusters: BTreeMap<ClusterName, ClusterConfig>,
    /// `[queues.NAME]`, at most 64; no name of a cluster's.
    pub queues: BTreeMap<ClusterName, QueueConfig>,
    /// `[lakerunner]`.
    pub lakerunner: LakerunnerConfig,
    /// `[services.NAME]`, at most 1,000, and Lakerunner's own.
    pub services: BTreeMap<String, ServiceConfig>,
}

impl Config {
    /// Reads `file`, if there is one, and lays `environment` over it. The error
    /// holds every mistake; if the file can't be read or is no TOML, only that.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let source = Source::new(file, environment);
        source.parse(&source.read())
    }

    /// The same from `text`; `origin` names it in messages.
    pub fn parse(
        origin: &str,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = tree::parse(origin, text).map_err(ConfigError::new)?;
        let mut mistakes = Vec::new();
        environment::overlay(&mut table, environment, &mut mistakes);
        let config = Section::read(String::new(), origin, &table, &mut mistakes, |root| {
            Self::read(origin, root)
        });
        if mistakes.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::new(mistakes))
        }
    }

    /// The queue whose tasks Lakerunner's workers do, if it is known which.
    pub fn worker_queue(&self) -> Option<&ClusterName> {
        let only = self.queues.keys().next();
        let only = only.filter(|_| self.queues.len() == 1);
        self.lakerunner.queue.as_ref().or(only)
    }

    /// The names of all that is polled, clusters first.
    pub fn streams(&self) -> impl Iterator<Item = &ClusterName> {
        self.clusters.keys().chain(self.queues.keys())
    }

    fn read(origin: &str, root: &mut Section<'_>) -> Self {
        let poll = root.table("poll", PollConfig::read);
        let estimator = |section: &mut Section<'_>| EstimatorConfig::read(section, poll.interval);
        let least_clusters = usize::from(!root.has("queues"));
        let clusters = |section: &mut Section<'_>| cluster::read_all(section, least_clusters);
        let mut config = Self {
            origin: origin.to_owned(),
            store: root.table("store", StoreConfig::read),
            grpc: root.table("grpc", GrpcConfig::read),
            http: root.table("http", HttpConfig::read),
            estimator: root.table("estimator", estimator),
            watches: root.table("watches", WatchesConfig::read),
            azul: root.table("azul", AzulConfig::read),
            log: root.table("log", LogConfig::read),
            otlp: root.optional_table("otlp", OtlpConfig::read).flatten(),
            access: AccessConfig::default(),
            clusters: root.table("clusters", clusters),
            queues: BTreeMap::new(),
            lakerunner: LakerunnerConfig::default(),
            services: BTreeMap::new(),
            poll,
        };
        config.queues = root.table("queues", |section| {
            queues::read_all(section, &config.clusters, config.poll.interval)
        });
        config.read_naming(root)
    }

    /// What names clusters and queues.
    fn read_naming(self, root: &mut Section<'_>) -> Self {
        let streams: Vec<_> = self.streams().collect();
        let (of_clusters, of_queues) = streams.split_at(self.clusters.len());
        let names = |key, table, known| Names { key, table, known };
        let clusters = names("cluster", "clusters", of_clusters);
        let queues = names("queue", "queues", of_queues);
        let access = root.table("access", |section| AccessConfig::read(section, &streams));
        let lakerunner = root.table("lakerunner", |section| {
            LakerunnerConfig::read(section, clusters, queues)
        });
        let known = services::Known {
            clusters,
            queues,
            lakerunner: &lakerunner,
        };
        let services = root.table("services", |section| services::read_all(section, &known));
        Self {
            access,
            lakerunner,
            services,
            ..self
        }
    }
}
