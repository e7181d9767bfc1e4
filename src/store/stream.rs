//! Whose ticks a stream has.

use std::fmt;

use crate::model::ClusterName;

/// One source of ticks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamName {
    /// What was read of a cluster.
    Cluster(ClusterName),
    /// What KEDA was told, of all clusters.
    Told,
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(cluster) => write!(f, "cluster {cluster:?}"),
            Self::Told => f.write_str("what KEDA was told"),
        }
    }
}
