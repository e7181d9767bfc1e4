//! Pollers that are made, and have not begun.

use std::time::Duration;

use crate::{
    config::{ClusterConfig, Config, IsolationConfig, PollConfig},
    kafka::{
        Client, ClientSettings, ConnectError, DiscoverySettings, IsolationLevel, Poller,
        PollerSettings, Rotation, Schedule,
    },
    model::{ClusterName, GroupMatcher, Interest},
};

/// The poller of one cluster, as it is configured.
pub(super) struct NewPoller {
    pub(super) cluster: ClusterName,
    pub(super) poller: Poller,
    pub(super) schedule: Schedule,
    /// What the configuration asks for.
    pub(super) interest: Interest,
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
    /// Reads certificates and secrets, and talks to no broker yet.
    pub(super) fn of(
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
            poller,
            schedule: Schedule {
                interval: config.poll.interval,
            },
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

/// A cycle ends before the next is to begin, whatever the brokers do; but a
/// single request must have its time.
fn cycle_limit(poll: &PollConfig) -> Duration {
    let margin = poll.interval / 20;
    (poll.interval - margin).max(poll.request_timeout + Duration::from_secs(1))
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
