//! Reads offsets from Kafka: librdkafka alone.
//!
//! It owns the client's handle and what is known of a cluster's topics and
//! groups, and turns them into [`Tick`](crate::model::Tick)s. It knows nothing
//! of storage, of KEDA or of HTTP. Its key invariants: no type of rdkafka
//! leaves it, and only `native` is unsafe.

mod broker_requests;
mod brokers;
mod client;
mod embedded;
mod error;
mod log;
mod native;
mod oauth;
mod poller;
mod rotation;
mod security;
mod settings;
mod stats;
#[cfg(test)]
mod tests;
mod trouble;

pub use broker_requests::BrokerRequests;
pub use client::{
    Client, DescribedTopic, GroupList, GroupMembers, IsolationLevel, ListedGroup, OffsetSpec,
    TopicCommits, TopicDescription,
};
pub use embedded::{
    Consumer, EmbeddedCluster, EmbeddedError, InjectedError, Producer,
    RequestKind as EmbeddedRequest,
};
pub use error::{ConnectError, ErrorCode, RequestError};
pub use poller::{DiscoverySettings, Poller, PollerSettings};
pub use rotation::Rotation;
pub use settings::ClientSettings;
pub use stats::{RequestCounts, RequestKind, RequestStats};
