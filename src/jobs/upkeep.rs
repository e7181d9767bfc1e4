//! Sealing and retention.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, OwnedMutexGuard, watch},
    task,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    config::{Config, StoreConfig},
    logging::in_full,
    model::TimestampMs,
    store::{Limits, Sealer, Store},
    telemetry::spans,
};

use super::status::StoreStatus;

/// Between two slices of a seal, each some tens of milliseconds of work: one
/// core does not notice.
const SLICE_PAUSE: Duration = Duration::from_millis(100);

fn limits(config: &StoreConfig) -> Limits {
    Limits {
        raw: config.retention,
        minutes: config.retention_minutes,
        hours: config.retention_hours,
        max_bytes: config.max_size_mib.map(|mib| (mib as u64) << 20),
    }
}

/// Sealing and retention take turns: each has the sealer while it runs.
#[derive(Debug, Clone)]
pub(super) struct Upkeep {
    sealer: Arc<Mutex<Sealer>>,
    store: Store,
    config: watch::Receiver<Arc<Config>>,
    status: Arc<StoreStatus>,
    cancel: CancellationToken,
}

type HeldSealer = OwnedMutexGuard<Sealer>;

impl Upkeep {
    pub(super) fn new(
        config: watch::Receiver<Arc<Config>>,
        store: Store,
        status: Arc<StoreStatus>,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            sealer: Arc::new(Mutex::new(store.sealer())),
            store,
            config,
            status,
            cancel,
        }
    }

    /// Seals what is due, unless something else is going on.
    pub(super) async fn seal(self) {
        if let Ok(sealer) = Arc::clone(&self.sealer).try_lock_owned() {
            self.seal_until_cancelled(sealer).await;
        }
    }

    /// Cuts history to its limits. What is due is sealed first, or it would go
    /// before it has become minutes and hours.
    pub(super) async fn retain(self) {
        let sealer = Arc::clone(&self.sealer).lock_owned().await;
        self.seal_until_cancelled(sealer).await;
        if self.cancel.is_cancelled() {
            return;
        }
        let sealer = Arc::clone(&self.sealer).lock_owned().await;
        let limits = limits(&self.config.borrow().store);
        let (store, now) = (self.store, TimestampMs::now());
        let outcome = task::spawn_blocking(move || store.retain(&limits, now)).await;
        drop(sealer);
        let outcome = match outcome {
            Ok(outcome) => outcome.map_err(|cause| in_full(&cause)),
            Err(cause) => Err(cause.to_string()),
        };
        self.status.note_retained(now, outcome);
    }

    async fn seal_until_cancelled(&self, sealer: HeldSealer) {
        let sealing = seal(sealer, &self.status).instrument(spans::seal());
        self.cancel.run_until_cancelled(sealing).await;
    }
}

/// Seals what is due, slice by slice.
async fn seal(mut sealer: HeldSealer, status: &StoreStatus) {
    loop {
        let step = move || {
            let now = TimestampMs::now();
            let more = sealer.step(now);
            let behind = match &more {
                Ok(false) => sealer.behind(now),
                _ => Ok(None),
            };
            (sealer, more.and_then(|more| Ok((more, behind?))))
        };
        let outcome;
        (sealer, outcome) = match task::spawn_blocking(step).await {
            Ok(done) => done,
            Err(cause) => return status.note_sealed(Err(cause.to_string())),
        };
        match outcome {
            Ok((true, _)) => sleep(SLICE_PAUSE).await,
            Ok((false, behind)) => return status.note_sealed(Ok(behind)),
            Err(cause) => return status.note_sealed(Err(in_full(&cause))),
        }
    }
}
