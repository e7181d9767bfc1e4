//! Azul's plugins: which consumer groups belong to each, as Redis says.
//!
//! It owns what is known of plugins, looks up what is not, and reads again what is
//! needed; it knows nothing of who asks, and nothing of groups. Its key invariants:
//! a known name is found without waiting; many who ask for one plugin share one
//! look; and that a plugin is not there is only said when Redis has said so.

mod book;
mod follow;
mod value;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant as Moment},
};

use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

use crate::{
    config::RedisConfig,
    model::{PluginName, TimestampMs},
};

use super::redis::{Away, Redis, Value};
use book::{Book, MAX_NAMES};

pub use follow::follow;

/// So many plugins are looked up at one time by those who wait for them.
const MAX_LOOKUPS: usize = 256;
/// Of a plugin that is longer there is no key.
const MAX_PLUGIN_CHARS: usize = 255;
const PLUGIN: &str = "{plugin}";

/// Why there is no name for a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoName {
    /// Redis has no such key.
    #[error("{place} has no key {key:?} in database {database}")]
    Unknown {
        /// Which Redis.
        place: String,
        /// The key.
        key: String,
        /// In this database.
        database: usize,
    },
    /// What it has is of no use.
    #[error(
        "the value of key {key:?} in database {database} of {place} {why}, accepted is JSON with \
         kafka_prefix, a text of 1 to 255 characters"
    )]
    Unusable {
        /// Which Redis.
        place: String,
        /// The key.
        key: String,
        /// In this database.
        database: usize,
        /// What is wrong with its value.
        why: String,
    },
    /// Redis can't be asked, and nothing is known from before.
    #[error("key {key:?} in database {database} can't be read: {why}")]
    Away {
        /// The key.
        key: String,
        /// In this database.
        database: usize,
        /// Which Redis, and why.
        why: String,
    },
    /// There is no answer yet.
    #[error("no answer within the deadline from {place}")]
    TooLate {
        /// Which Redis.
        place: String,
    },
    /// Its name is too long.
    #[error("at most {MAX_PLUGIN_CHARS} characters are accepted")]
    TooLong,
    /// Too many look up others at this time.
    #[error("{MAX_LOOKUPS} plugins are looked up already")]
    TooManyLookups,
    /// There is no room.
    #[error("{MAX_NAMES} plugins are in use already")]
    TooManyNames,
}

/// How it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamesState {
    /// Names in use that were read when that was last tried.
    pub fresh: usize,
    /// Names in use that could not be read then, or not yet since the start.
    pub stale: usize,
    /// When the one in use was read that was read longest ago.
    pub oldest_read_at: Option<TimestampMs>,
    /// How often Redis was asked for a name, by result: `found`, `unknown`,
    /// `unusable`, `away`.
    pub lookups: [(&'static str, u64); 4],
    /// Why Redis can't be asked.
    pub away: Option<String>,
}

/// What is known of plugins, and where others are looked up.
#[derive(Debug, Default)]
pub struct PluginNames {
    book: RwLock<Book>,
    /// `None`: plugins are not looked up.
    source: RwLock<Option<Arc<Source>>>,
    pending: Mutex<HashMap<String, Answer>>,
    /// There is something to be kept.
    news: Notify,
    counts: Counts,
    away: Mutex<Option<(TimestampMs, String)>>,
}

type Answer = watch::Receiver<Option<Result<(), NoName>>>;

/// Where plugins are looked up.
#[derive(Debug)]
struct Source {
    config: RedisConfig,
    redis: Redis,
}

#[derive(Debug, Default)]
struct Counts {
    found: AtomicU64,
    unknown: AtomicU64,
    unusable: AtomicU64,
    away: AtomicU64,
}

/// Makes room for the next look, however this one ends.
struct Looking {
    names: Arc<PluginNames>,
    plugin: String,
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.names.pending.lock().remove(&self.plugin);
    }
}

impl PluginNames {
    /// Nothing is known yet. Connects to Redis from now on, if there is one.
    pub fn new(config: Option<&RedisConfig>) -> Self {
        let names = Self::default();
        names.look_in(config);
        names
    }

    /// Takes in what the store has kept, which is stale until it is read again.
    pub fn restore(&self, kept: Vec<PluginName>, now: TimestampMs) {
        if let Some(source) = self.source() {
            let usable = source.config.max_staleness;
            self.book.write().restore(kept, now, usable);
        }
    }

    /// What a plugin's groups contain, if that is known.
    pub fn prefix_of(&self, plugin: &str) -> Option<Arc<str>> {
        self.book.read().prefix_of(plugin)
    }

    /// Could what is known of it not be read when that was last tried?
    pub fn is_stale(&self, plugin: &str) -> bool {
        self.book.read().is_stale(plugin)
    }

    /// How it goes.
    pub fn state(&self) -> NamesState {
        let in_use = self.book.read().in_use();
        NamesState {
            fresh: in_use.fresh,
            stale: in_use.stale,
            oldest_read_at: in_use.oldest,
            lookups: self.counts.by_result(),
            away: self.away_since().or_else(|| self.source()?.redis.trouble()),
        }
    }

    fn away_since(&self) -> Option<String> {
        let away = self.away.lock();
        let (since, why) = away.as_ref()?;
        Some(format!("{why} (since {since})"))
    }

    /// Are plugins looked up?
    pub fn are_looked_up(&self) -> bool {
        self.source.read().is_some()
    }

    /// Looks a plugin up that is not known; it is when this returns `Ok`. Who asks
    /// for the same shares the look, which goes on beyond the deadline.
    pub async fn look_up(self: &Arc<Self>, plugin: &str, deadline: Instant) -> Result<(), NoName> {
        let mut answer = self.begin(plugin)?;
        let answered = timeout_at(deadline, answer.wait_for(Option::is_some)).await;
        match answered {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Err(NoName::TooManyLookups)),
            // The look broke down, or has no time left.
            Ok(Err(_)) | Err(_) => Err(self.too_late()),
        }
    }

    fn begin(self: &Arc<Self>, plugin: &str) -> Result<Answer, NoName> {
        if plugin.chars().count() > MAX_PLUGIN_CHARS {
            return Err(NoName::TooLong);
        }
        if let Some(refusal) = self.book.read().refusal(plugin, Moment::now()) {
            return Err(refusal);
        }
        let mut pending = self.pending.lock();
        if let Some(answer) = pending.get(plugin) {
            return Ok(answer.clone());
        }
        if pending.len() >= MAX_LOOKUPS {
            return Err(NoName::TooManyLookups);
        }
        let (answer, answered) = watch::channel(None);
        pending.insert(plugin.to_owned(), answered.clone());
        let looking = Looking {
            names: Arc::clone(self),
            plugin: plugin.to_owned(),
        };
        // It ends by itself: each step has its time.
        tokio::spawn(async move {
            let outcome = looking.names.read(&looking.plugin).await;
            drop(looking);
            answer.send_replace(Some(outcome));
        });
        Ok(answered)
    }

    fn too_late(&self) -> NoName {
        let place = self.source().map(|source| source.redis.place().to_string());
        NoName::TooLate {
            place: place.unwrap_or_default(),
        }
    }

    /// Plugins are looked up there from now on, if not already; what is known
    /// stays, stale until it is read there.
    pub fn look_in(&self, config: Option<&RedisConfig>) {
        let mut source = self.source.write();
        if source.as_ref().map(|source| &source.config) == config {
            return;
        }
        *self.away.lock() = None;
        *source = config.map(|config| {
            Arc::new(Source {
                config: config.clone(),
                redis: Redis::begin(config),
            })
        });
    }

    fn source(&self) -> Option<Arc<Source>> {
        self.source.read().clone()
    }

    /// Asks Redis, and takes in what it says. `Ok`: there is a name, if only from
    /// before.
    async fn read(&self, plugin: &str) -> Result<(), NoName> {
        let Some(source) = self.source() else {
            return Err(self.too_late());
        };
        let key = source.config.key.replace(PLUGIN, plugin);
        let read = source.redis.read(&key).await;
        let asked = Asked {
            names: self,
            source: &source,
            plugin,
            key,
        };
        match read {
            Ok(value) => {
                *self.away.lock() = None;
                asked.answered(value)
            }
            Err(away) => asked.unanswered(&away),
        }
    }
}

/// One question that was put to Redis.
struct Asked<'a> {
    names: &'a PluginNames,
    source: &'a Source,
    plugin: &'a str,
    key: String,
}

impl Asked<'_> {
    fn answered(self, value: Value) -> Result<(), NoName> {
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
        book.refuse(self.plugin, why.clone(), Moment::now());
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
        book.refuse(self.plugin, why.clone(), Moment::now());
        Err(why)
    }

    fn unanswered(self, away: &Away) -> Result<(), NoName> {
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

impl Counts {
    fn by_result(&self) -> [(&'static str, u64); 4] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("found", of(&self.found)),
            ("unknown", of(&self.unknown)),
            ("unusable", of(&self.unusable)),
            ("away", of(&self.away)),
        ]
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
