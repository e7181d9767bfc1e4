//! The requests that really went to brokers, as librdkafka counts them.
//!
//! Our own counts know what we asked for, but not what librdkafka asks of its
//! own accord, splits or repeats. Every [`statistics.interval.ms`] it tells all
//! it counts in one JSON text, of which only this is read.
//!
//! [`statistics.interval.ms`]: super::settings

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::Deserialize;

/// Requests sent to all brokers since the client was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRequests {
    age: Duration,
    // Names come from librdkafka's table of Kafka's requests, not from brokers.
    sent: BTreeMap<String, u64>,
}

impl BrokerRequests {
    /// How old the client was when they were counted.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// How many requests of each kind, by Kafka's name such as `OffsetFetch`;
    /// kinds that were never sent may be left out.
    pub fn by_name(&self) -> impl Iterator<Item = (&str, u64)> {
        self.sent.iter().map(|(name, sent)| (name.as_str(), *sent))
    }

    /// How many requests of this kind.
    pub fn of(&self, name: &str) -> u64 {
        self.sent.get(name).copied().unwrap_or_default()
    }

    fn parse(json: &str) -> serde_json::Result<Self> {
        let statistics: Statistics = serde_json::from_str(json)?;
        let mut sent = BTreeMap::new();
        for (name, requests) in statistics.brokers.into_values().flat_map(|it| it.req) {
            *sent.entry(name).or_default() += requests;
        }
        Ok(Self {
            age: Duration::from_micros(statistics.age),
            sent,
        })
    }
}

/// What is read of librdkafka's statistics.
#[derive(Deserialize)]
struct Statistics {
    /// Microseconds since the client was made.
    age: u64,
    brokers: BTreeMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    req: BTreeMap<String, u64>,
}

/// The newest counts; none before librdkafka has told any.
#[derive(Debug, Default)]
pub(super) struct NewestRequests(Mutex<Option<BrokerRequests>>);

impl NewestRequests {
    pub(super) fn get(&self) -> Option<BrokerRequests> {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.clone()
    }

    pub(super) fn set(&self, requests: Option<BrokerRequests>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = requests;
    }

    /// Reads librdkafka's statistics.
    pub(super) fn learn(&self, json: &str) {
        match BrokerRequests::parse(json) {
            Ok(requests) => self.set(Some(requests)),
            Err(error) => tracing::debug!(%error, "librdkafka's statistics are not readable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_summed_over_brokers() {
        let newest = NewestRequests::default();
        assert_eq!(newest.get(), None);
        newest.learn(
            r#"{ "name": "rdkafka#consumer-1", "age": 1500000, "brokers": {
                "a:9092/bootstrap": { "nodeid": -1, "req": { "ApiVersion": 1, "Fetch": 0 } },
                "a:9092/1": { "nodeid": 1, "req": { "ApiVersion": 1, "OffsetFetch": 40 } }
            }, "topics": {} }"#,
        );
        let requests = newest.get().expect("counts");
        assert_eq!(requests.age(), Duration::from_millis(1_500));
        let by_name: Vec<_> = requests.by_name().collect();
        assert_eq!(
            by_name,
            [("ApiVersion", 2), ("Fetch", 0), ("OffsetFetch", 40)]
        );
        assert_eq!(requests.of("OffsetFetch"), 40);
        assert_eq!(requests.of("ListOffsets"), 0);
    }

    #[test]
    fn what_cannot_be_read_changes_nothing() {
        let newest = NewestRequests::default();
        newest.learn(r#"{"age": 1, "brokers": {}}"#);
        let before = newest.get();
        assert!(before.is_some());
        for garbled in ["", "{", r#"{"age": -1, "brokers": {}}"#, r#"{"age": 1}"#] {
            newest.learn(garbled);
            assert_eq!(newest.get(), before, "{garbled:?}");
        }
    }
}
