//! Opening history at a start, as soon as no other process has it.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info, warn};

use crate::{
    board::BoardPublisher,
    config::Config,
    logging::in_full,
    model::{KeptWatches, PluginName, TimestampMs},
    recorder::Recorder,
    sources::PluginNames,
    start::{Doing, Progress},
    store::{self, OpenError, OpenSettings, Store, Writer},
};

use super::settings::{longest_look_back, reach, trigger_rules};

/// Between two looks whether the other process has ended. Each look itself waits
/// a moment.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// What the process knew before.
type Opened = (Recorder, Store, KeptWatches);

/// Opens the store and takes from it what the process knew before: windows,
/// which go to the board, watches, and the names of plugins, which go to `names`.
/// Dropped while another process has the files, it ends at once.
pub(super) async fn open_history(
    config: Arc<Config>,
    board: BoardPublisher,
    names: Arc<PluginNames>,
    progress: Progress,
) -> anyhow::Result<Opened> {
    let (writer, store) = open_when_free(&config, &progress).await?;
    let reading = spawn_blocking(move || read(&config, writer, store, board, &names));
    reading.await.context("reading history did not end")?
}

/// Waits for files that another process has open, but not longer than
/// `store.lock_timeout`.
async fn open_when_free(
    config: &Arc<Config>,
    progress: &Progress,
) -> anyhow::Result<(Writer, Store)> {
    let patience = config.store.lock_timeout;
    let mut waiting: Option<Instant> = None;
    let mut looks = interval(LOOK_PAUSE);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let look = Arc::clone(config);
        let opened = spawn_blocking(move || open(&look)).await;
        let locked = match opened.context("opening the store did not end")? {
            Err(OpenError::Locked { path }) => path,
            outcome => {
                if let Some(since) = waiting {
                    let waited = since.elapsed();
                    info!(?waited, "the other process has let go of the volume");
                    progress.is_at(Doing::OpeningHistory);
                }
                return Ok(outcome?);
            }
        };
        let since = *waiting.get_or_insert_with(|| {
            warn!(file = %locked.display(), ?patience, "another process has the volume; waiting for it");
            Instant::now()
        });
        if since.elapsed() >= patience {
            let locked = Err(OpenError::Locked { path: locked });
            return locked.with_context(|| format!("waited for it for {:?}", since.elapsed()));
        }
        progress.is_at(Doing::WaitingForVolume {
            file: locked,
            since,
            patience,
        });
    }
}

/// Blocks while the disk is read.
fn read(
    config: &Config,
    writer: Writer,
    store: Store,
    board: BoardPublisher,
    names: &Arc<PluginNames>,
) -> anyhow::Result<Opened> {
    names.restore(plugin_names(&store), TimestampMs::now());
    let watches = KeptWatches {
        records: store.watches()?,
        active: active_watches(&store),
    };
    let looks_back = longest_look_back(&watches.records, &trigger_rules(config, names));
    let mut recorder = Recorder::new(writer, board, reach(config, looks_back));
    recorder.restore(&store, config.streams())?;
    recorder.begin(&store, TimestampMs::now(), &config.fingerprints());
    Ok((recorder, store, watches))
}

fn open(config: &Config) -> Result<(Writer, Store), OpenError> {
    store::open_with(&OpenSettings {
        data_dir: config.store.data_dir.clone(),
        when_damaged: config.store.when_damaged,
        needed: reach(config, Duration::ZERO).span,
        now: TimestampMs::now(),
    })
}

/// Without them, they are looked up when they are asked for.
fn plugin_names(store: &Store) -> Vec<PluginName> {
    store.plugin_names().unwrap_or_else(|cause| {
        let cause = in_full(&cause);
        error!(cause, "the names of plugins can't be read");
        Vec::new()
    })
}

/// Without them, activity that hangs between two thresholds begins anew.
fn active_watches(store: &Store) -> BTreeSet<String> {
    store
        .active_watches(TimestampMs::now())
        .unwrap_or_else(|cause| {
            let cause = in_full(&cause);
            error!(cause, "what KEDA was told before the start can't be read");
            BTreeSet::new()
        })
}
