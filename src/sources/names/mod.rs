//! Azul's plugins: which consumer groups belong to each, as Redis says.
//!
//! It owns what is known of plugins, looks up what is not, and reads again what is
//! needed; it knows nothing of who asks, and nothing of groups. Its key invariants:
//! a known name is found without waiting; many who ask for one plugin share one
//! look; and that a plugin is not there is only said when Redis has said so.

mod asked;
mod book;
mod error;
mod follow;
mod value;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant as Moment,
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

use super::redis::Redis;
use asked::Asked;
use book::Book;

pub use error::NoName;
pub use follow::follow;

/// So many plugins are looked up at one time by those who wait for them.
const MAX_LOOKUPS: usize = 256;
/// Of a plugin that is longer there is no key.
const MAX_PLUGIN_CHARS: usize = 255;
const PLUGIN: &str = "{plugin}";

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

/// A name in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownName {
    /// Whose, what it is, and when it was read.
    pub name: PluginName,
    /// Could it not be read when that was last tried?
    pub is_stale: bool,
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

    /// What is known are these, as if they had been read a moment ago.
    #[cfg(test)]
    pub(crate) fn know(&self, names: &[(&str, &str)]) {
        let mut book = self.book.write();
        for (plugin, prefix) in names {
            book.found(plugin, (*prefix).to_owned(), TimestampMs::now());
        }
    }

    /// Nothing is known of `plugin` any more.
    #[cfg(test)]
    pub(crate) fn forget(&self, plugin: &str) {
        self.book.write().forget(plugin);
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

    /// All names in use, by plugin.
    pub fn known(&self) -> Vec<KnownName> {
        self.book.read().known()
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
