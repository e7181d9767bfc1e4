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

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{
        model::{GroupReading, GroupState, Members, Membership, Tick},
        store,
    };

    const DAY: Duration = Duration::from_hours(24);

    fn tick(at: TimestampMs) -> Tick {
        Tick {
            cluster: "main".into(),
            at,
            topics: Vec::new(),
            groups: vec![GroupReading {
                group: "g".into(),
                membership: Some(Membership {
                    state: GroupState::Stable,
                    members: Some(Members::none()),
                }),
                topics: Vec::new(),
            }],
            gaps: Vec::new(),
        }
    }

    #[tokio::test]
    async fn the_schedule_removes_what_is_older_than_the_retention() {
        let data_dir = tempfile::tempdir().expect("a folder");
        let (mut writer, history) = store::open(data_dir.path()).expect("the store opens");
        let now = TimestampMs::now();
        let long_ago = now.minus(3 * DAY);
        // More than one segment, since history is cut at keyframes only.
        let old = (0..200).map(|n| long_ago.plus(Duration::from_secs(10 * n)));
        for at in old.chain([now]) {
            let placed = writer.place(&tick(at));
            writer.record(&placed, &[]).expect("recorded");
        }
        let config = StoreConfig {
            data_dir: data_dir.path().to_owned(),
            retention: DAY,
            retention_schedule: "* * * * * *".to_owned(),
        };
        let cancel = CancellationToken::new();
        let jobs = tokio::spawn(run(config, history.clone(), cancel.clone()));

        let oldest = || {
            history
                .span(&"main".into())
                .expect("readable")
                .expect("ticks")
                .0
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while oldest() == long_ago {
            assert!(Instant::now() < deadline, "nothing was removed");
            sleep(Duration::from_millis(50)).await;
        }
        let newest = history
            .span(&"main".into())
            .expect("readable")
            .expect("ticks")
            .1;
        assert_eq!(newest, now, "what is young stays");
        cancel.cancel();
        jobs.await.expect("no panic").expect("ends well");
    }
}
