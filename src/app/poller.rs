//! Pollers that are made, and have not begun.

use std::time::Duration;

use crate::{
    config::{ClusterConfig, Config, IsolationConfig, PollConfig, QueueConfig},
    kafka::{
        Client, ClientSettings, ConnectError, DiscoverySettings, IsolationLevel, Poller,
        PollerSettings, Rotation,
    },
    model::{ClusterName, GroupMatcher, Interest},
    polling::Schedule,
    sources::{Ledger, QueuePoller},
};

/// The poller of one cluster or queue, as it is configured.
pub(super) struct NewPoller {
    pub(super) cluster: ClusterName,
    pub(super) source: Source,
    pub(super) schedule: Schedule,
    /// What the configuration asks for.
    pub(super) interest: Interest,
}

/// What is polled.
pub(super) enum Source {
    /// A cluster of Kafka's.
    Kafka(Box<Poller>),
    /// A queue in a database, which goes on from the counts of before.
    Queue(Box<QueuePoller>),
}

/// Why a configured cluster can't be polled.
#[derive(Debug, thiserror::Error)]
#[error("cluster {cluster:?} cannot be polled")]
pub(super) struct Unpollable {
    pub(super) cluster: ClusterName,
    #[source]
    pub(super) cause: ConnectError,
}

impl NewPoller {
    /// The poller of a cluster or queue that is configured. Reads certificates and
    /// secrets of Kafka's, and talks to no server yet.
    pub(super) fn of(name: &ClusterName, config: &Config) -> Result<Self, Unpollable> {
        match config.queues.get(name) {
            Some(queue) => Ok(Self::of_queue(name, queue, &config.poll)),
            None => Self::of_cluster(name, &config.clusters[name], config),
        }
    }

    /// A queue's counts go on from these.
    pub(super) fn go_on_from(&mut self, recorded: Ledger) {
        if let Source::Queue(poller) = &mut self.source {
            poller.go_on_from(recorded);
        }
    }

    fn of_queue(name: &ClusterName, queue: &QueueConfig, poll: &PollConfig) -> Self {
        let limit = limit(poll).max(queue.connect_timeout + queue.statement_timeout);
        let poller = QueuePoller::new(name.clone(), queue.clone(), limit);
        Self {
            cluster: name.clone(),
            source: Source::Queue(Box::new(poller)),
            schedule: schedule(poll),
            interest: Interest::default(),
        }
    }

    fn of_cluster(
        name: &ClusterName,
        cluster: &ClusterConfig,
        config: &Config,
    ) -> Result<Self, Unpollable> {
        let poller = poller(name, cluster, &config.poll).map_err(|cause| Unpollable {
            cluster: name.clone(),
            cause,
        })?;
        Ok(Self {
            cluster: name.clone(),
            source: Source::Kafka(Box::new(poller)),
            schedule: schedule(&config.poll),
            interest: configured_interest(cluster),
        })
    }
}

fn poller(
    name: &ClusterName,
    cluster: &ClusterConfig,
    poll: &PollConfig,
) -> Result<Poller, ConnectError> {
    let rotation = Rotation::of(name.clone(), cluster.clone(), poll.request_timeout);
    let client = Client::connect(&ClientSettings::of(cluster, poll.request_timeout))?;
    let settings = PollerSettings {
        cluster: name.clone(),
        discovery: DiscoverySettings {
            enabled: cluster.groups.discover,
            interval: poll.discovery_interval,
            include_empty: cluster.groups.include_empty,
            silent_after: cluster.groups.silent_after,
        },
        metadata_interval: poll.metadata_interval,
        isolation: match cluster.isolation_level {
            IsolationConfig::ReadCommitted => IsolationLevel::ReadCommitted,
            IsolationConfig::ReadUncommitted => IsolationLevel::ReadUncommitted,
        },
        cycle_limit: cycle_limit(poll),
    };
    Ok(Poller::new(client, settings).rotating(rotation))
}

fn schedule(poll: &PollConfig) -> Schedule {
    Schedule {
        interval: poll.interval,
    }
}

/// A cycle ends before the next is to begin, whatever the brokers do; but a
/// single request must have its time.
fn cycle_limit(poll: &PollConfig) -> Duration {
    limit(poll).max(poll.request_timeout + Duration::from_secs(1))
}

fn limit(poll: &PollConfig) -> Duration {
    poll.interval - poll.interval / 20
}

fn configured_interest(cluster: &ClusterConfig) -> Interest {
    let groups = &cluster.groups;
    let mut interest = Interest {
        groups: groups.named.clone(),
        matchers: Vec::new(),
    };
    if !groups.include.is_empty() {
        interest.matchers.push(GroupMatcher::Patterns {
            include: groups.include.clone(),
            exclude: groups.exclude.clone(),
            topics: cluster.topics.clone(),
        });
    }
    interest
}
