//! Names that are needed are read again and again.

use std::{collections::BTreeSet, future::pending, sync::Arc};

use futures::{StreamExt as _, stream};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    config::Config,
    model::{TimestampMs, WatchChange},
};

use super::{PluginNames, Source};

/// So many are read at one time: their answers come over one connection.
const READ_AT_ONCE: usize = 32;

/// Reads the names again that are `needed`, at each refresh and with each new
/// connection, and when `config` is another one, until cancelled. After each round
/// `changed` is told which plugins have another name or none; `keep` keeps and
/// forgets names, and is `false` while it has no room.
pub async fn follow(
    names: Arc<PluginNames>,
    mut config: watch::Receiver<Arc<Config>>,
    needed: impl Fn() -> BTreeSet<String>,
    changed: impl Fn(&BTreeSet<String>),
    keep: impl Fn(WatchChange) -> bool,
    cancel: CancellationToken,
) {
    let mut rounds = Rounds::begin();
    let mut kept = names.book.read().plugins();
    loop {
        let source = names.source();
        tokio::select! {
            () = cancel.cancelled() => return,
            // It may be another Redis.
            Ok(()) = config.changed() => rounds = Rounds::begin(),
            () = rounds.next(source.as_deref()) => {
                let needed = needed();
                let round = read_again(&names, &needed);
                let Some(others) = cancel.run_until_cancelled(round).await else {
                    return;
                };
                changed(&others);
            }
            () = names.news.notified() => {}
        }
        names.keep(&mut kept, &keep);
    }
}

/// When names are read again.
#[derive(Debug)]
struct Rounds {
    last: Instant,
    /// The connection that they were last read over.
    connection: Option<u64>,
}

impl Rounds {
    fn begin() -> Self {
        Self {
            last: Instant::now(),
            connection: None,
        }
    }

    async fn next(&mut self, source: Option<&Source>) {
        let Some(source) = source else {
            return pending().await;
        };
        tokio::select! {
            number = source.redis.connection_after(self.connection) => {
                self.connection = Some(number);
            }
            () = sleep_until(self.last + source.config.refresh) => {}
        }
        self.last = Instant::now();
    }
}

/// Reads these; tells those that have another name or none.
async fn read_again(names: &PluginNames, needed: &BTreeSet<String>) -> BTreeSet<String> {
    if let Some(source) = names.source() {
        let usable = source.config.max_staleness;
        let mut book = names.book.write();
        book.use_only(needed, TimestampMs::now(), usable);
        book.forget_old(TimestampMs::now());
    }
    let was_away = names.away.lock().is_some();
    let rounds = stream::iter(needed.clone()).map(|plugin| read_one(names, plugin));
    let changed = rounds.buffer_unordered(READ_AT_ONCE);
    let changed = changed.filter_map(|changed| async { changed }).collect();
    let changed = changed.await;
    tell_away(names, was_away);
    changed
}

/// The plugin, if it has another name than before or none.
async fn read_one(names: &PluginNames, plugin: String) -> Option<String> {
    let (before, was_stale) = (names.prefix_of(&plugin), names.is_stale(&plugin));
    let outcome = names.read(&plugin).await;
    let after = names.prefix_of(&plugin);
    match (&before, &after) {
        (Some(before), Some(after)) if before != after => {
            info!(plugin, %before, %after, "a plugin's groups have another prefix");
        }
        (_, None) => {
            let why = outcome.err().map(|why| why.to_string());
            warn!(plugin, why, "a plugin has no name any more");
        }
        _ if !was_stale && names.is_stale(&plugin) && names.away.lock().is_none() => {
            warn!(
                plugin,
                "a plugin's value is of no use; its last known name is used"
            );
        }
        _ => {}
    }
    (before != after).then_some(plugin)
}

/// Once, and not for each name.
fn tell_away(names: &PluginNames, was_away: bool) {
    let state = names.state();
    match state.away {
        Some(why) if !was_away => {
            let stale = state.stale;
            warn!(
                why,
                stale, "plugins' names can't be read; the last known ones are used"
            );
        }
        None if was_away => info!(names = state.fresh, "plugins' names are read again"),
        _ => {}
    }
}

impl PluginNames {
    /// Has kept what is new, and forgotten what has gone. `kept` are those of which
    /// the store has something.
    fn keep(&self, kept: &mut BTreeSet<String>, keep: impl Fn(WatchChange) -> bool) {
        let Some(source) = self.source() else { return };
        let unkept = self.book.read().unkept(source.config.max_staleness);
        let plugins = self.book.read().plugins();
        let gone: Vec<_> = kept.difference(&plugins).cloned().collect();
        if !gone.is_empty() && keep(WatchChange::RemoveNames(gone.clone())) {
            kept.retain(|plugin| plugins.contains(plugin));
        }
        if !unkept.is_empty() && keep(WatchChange::PutNames(unkept.clone())) {
            self.book.write().are_kept(&unkept);
            kept.extend(unkept.into_iter().map(|name| name.plugin));
        }
    }
}
