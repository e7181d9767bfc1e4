//! What is done by the clock: the cron schedule.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::task;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{config::StoreConfig, model::TimestampMs, store::Store};

/// Runs the schedule until `cancel`.
pub async fn run(
    config: StoreConfig,
    store: Store,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let mut scheduler = JobScheduler::new().await.context("no job scheduler")?;
    let retention = config.retention;
    let store = Arc::new(store);
    let job = Job::new_async(config.retention_schedule.as_str(), move |_, _| {
        let store = Arc::clone(&store);
        Box::pin(async move { retain(store, retention).await })
    })
    .with_context(|| {
        format!(
            "store.retention_schedule is {:?}",
            config.retention_schedule
        )
    })?;
    scheduler
        .add(job)
        .await
        .context("retention can't be scheduled")?;
    scheduler
        .start()
        .await
        .context("the schedule can't start")?;
    cancel.cancelled().await;
    scheduler.shutdown().await.context("the schedule can't end")
}

/// Cuts history that is older than `retention`.
async fn retain(store: Arc<Store>, retention: Duration) {
    let cutoff = TimestampMs::now().minus(retention);
    let outcome = task::spawn_blocking(move || store.retain_since(cutoff)).await;
    match outcome {
        Ok(Ok(retained)) => info!(%cutoff, ?retained, "history before the cutoff removed"),
        Ok(Err(cause)) => error!(%cutoff, %cause, "history before the cutoff stays"),
        Err(cause) => error!(%cause, "retention did not end"),
    }
}
