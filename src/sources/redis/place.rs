//! Which Redis it is, in words.

use std::fmt;

use crate::config::RedisConfig;

/// Which Redis it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) struct Place {
    words: String,
    database: usize,
}

impl Place {
    pub(super) fn of(config: &RedisConfig) -> Self {
        let addresses = config.addresses.join(", ");
        let words = match &config.sentinel {
            Some(sentinel) => format!(
                "Redis master {:?} of the sentinels at {addresses}",
                sentinel.master
            ),
            None if config.cluster => format!("Redis Cluster at {addresses}"),
            None => format!("Redis at {addresses}"),
        };
        Self {
            words,
            database: config.database,
        }
    }

    /// The database in it.
    pub(in crate::sources) fn database(&self) -> usize {
        self.database
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
