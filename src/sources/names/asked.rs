//! What Redis says of one plugin, taken in.

use std::time::{Duration, Instant};

use crate::model::TimestampMs;

use super::{
    super::redis::{Away, Value},
    NoName, PluginNames, Source, count, value,
};

/// One question that was put to Redis.
pub(super) struct Asked<'a> {
    pub(super) names: &'a PluginNames,
    pub(super) source: &'a Source,
    pub(super) plugin: &'a str,
    pub(super) key: String,
}

impl Asked<'_> {
    /// Takes in what it has said.
    pub(super) fn answered(self, value: Value) -> Result<(), NoName> {
        let bytes = match value {
            Value::Bytes(bytes) => bytes,
            Value::Nothing => return self.unknown(),
            Value::OtherType => return self.unusable("is no string".to_owned()),
            Value::TooLarge => return self.unusable("is larger than 64 KiB".to_owned()),
        };
        let prefix = match value::kafka_prefix(&bytes) {
            Ok(prefix) => prefix,
            Err(why) => return self.unusable(why),
        };
        count(&self.names.counts.found);
        let mut book = self.names.book.write();
        if !book.found(self.plugin, prefix, TimestampMs::now()) {
            return Err(NoName::TooManyNames);
        }
        drop(book);
        self.names.news.notify_one();
        Ok(())
    }

    fn unknown(self) -> Result<(), NoName> {
        count(&self.names.counts.unknown);
        let why = NoName::Unknown {
            place: self.source.redis.place().to_string(),
            database: self.database(),
            key: self.key,
        };
        let mut book = self.names.book.write();
        book.forget(self.plugin);
        book.refuse(self.plugin, why.clone(), Instant::now());
        drop(book);
        self.names.news.notify_one();
        Err(why)
    }

    fn unusable(self, why: String) -> Result<(), NoName> {
        count(&self.names.counts.unusable);
        let mut book = self.names.book.write();
        if book.unread(self.plugin, TimestampMs::now(), self.usable()) {
            return Ok(());
        }
        let why = NoName::Unusable {
            place: self.source.redis.place().to_string(),
            database: self.database(),
            key: self.key,
            why,
        };
        book.refuse(self.plugin, why.clone(), Instant::now());
        Err(why)
    }

    /// Takes in that it has said nothing.
    pub(super) fn unanswered(self, away: &Away) -> Result<(), NoName> {
        count(&self.names.counts.away);
        let now = TimestampMs::now();
        let mut known = self.names.away.lock();
        let since = known.as_ref().map_or(now, |(since, _)| *since);
        *known = Some((since, away.to_string()));
        drop(known);
        let mut book = self.names.book.write();
        if book.unread(self.plugin, now, self.usable()) {
            return Ok(());
        }
        Err(NoName::Away {
            database: self.database(),
            key: self.key,
            why: away.to_string(),
        })
    }

    fn database(&self) -> usize {
        self.source.redis.place().database()
    }

    fn usable(&self) -> Duration {
        self.source.config.max_staleness
    }
}
