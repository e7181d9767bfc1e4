//! What is done by the clock: the cron schedule.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{sync::Mutex, task, time::sleep};
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    backups::Backups,
    config::StoreConfig,
    logging::in_full,
    model::TimestampMs,
    store::{Limits, Retained, Sealer, Store},
};

/// When sealing is looked after: a chunk is due every two hours, and the
/// segments of the last minutes are to be packed.
const SEAL_SCHEDULE: &str = "30 * * * * *";
/// Between two slices of a seal, each some tens of milliseconds of work: one
/// core does not notice.
const SLICE_PAUSE: Duration = Duration::from_millis(100);

/// Runs the schedule until `cancel`.
pub async fn run(
    config: StoreConfig,
    store: Store,
    backups: Arc<Backups>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let mut scheduler = JobScheduler::new().await.context("no job scheduler")?;
    let limits = limits(&config);
    let sealer = Arc::new(Mutex::new(store.sealer()));
    let sealing = cancel.clone();
    let seal = Job::new_async(SEAL_SCHEDULE, move |_, _| {
        let (sealer, cancel) = (Arc::clone(&sealer), sealing.clone());
        Box::pin(async move {
            cancel.run_until_cancelled(seal(sealer)).await;
        })
    })
    .context("sealing has no schedule")?;
    let retain = Job::new_async(config.retention_schedule.as_str(), move |_, _| {
        let store = store.clone();
        Box::pin(async move { retain(store, limits).await })
    })
    .with_context(|| {
        format!(
            "store.retention_schedule is {:?}",
            config.retention_schedule
        )
    })?;
    let backup = config
        .backup
        .schedule
        .as_ref()
        .map(|schedule| backup_job(schedule, backups))
        .transpose()?;
    for job in [seal, retain].into_iter().chain(backup) {
        scheduler
            .add(job)
            .await
            .context("a job can't be scheduled")?;
    }
    scheduler
        .start()
        .await
        .context("the schedule can't start")?;
    cancel.cancelled().await;
    scheduler.shutdown().await.context("the schedule can't end")
}

/// A failure is told by [`Backups`].
fn backup_job(schedule: &str, backups: Arc<Backups>) -> anyhow::Result<Job> {
    Job::new_async(schedule, move |_, _| {
        let backups = Arc::clone(&backups);
        Box::pin(async move {
            backups.make().await.ok();
        })
    })
    .with_context(|| format!("store.backup.schedule is {schedule:?}"))
}

fn limits(config: &StoreConfig) -> Limits {
    Limits {
        raw: config.retention,
        minutes: config.retention_minutes,
        hours: config.retention_hours,
        max_bytes: config.max_size_mib.map(|mib| (mib as u64) << 20),
    }
}

/// Seals what is due, slice by slice, unless that is already going on.
async fn seal(sealer: Arc<Mutex<Sealer>>) {
    let Ok(mut sealer) = sealer.try_lock_owned() else {
        return;
    };
    loop {
        let step = move || {
            let more = sealer.step(TimestampMs::now());
            (sealer, more)
        };
        let more;
        (sealer, more) = match task::spawn_blocking(step).await {
            Ok(done) => done,
            Err(cause) => return error!(%cause, "sealing did not end"),
        };
        match more {
            Ok(true) => sleep(SLICE_PAUSE).await,
            Ok(false) => return,
            Err(cause) => {
                let cause = in_full(&cause);
                return error!(cause, "history is not sealed; it is tried again");
            }
        }
    }
}

/// Cuts history to `limits`.
async fn retain(store: Store, limits: Limits) {
    let now = TimestampMs::now();
    let outcome = task::spawn_blocking(move || store.retain(&limits, now)).await;
    match outcome {
        Ok(Ok(retained)) => note(&retained),
        Ok(Err(cause)) => {
            let cause = in_full(&cause);
            error!(cause, "history that is too old stays");
        }
        Err(cause) => error!(%cause, "retention did not end"),
    }
}

fn note(retained: &Retained) {
    if retained.crowded_out_chunks != [0; 3] {
        let [raw, minutes, hours] = retained.crowded_out_chunks;
        warn!(
            raw,
            minutes, hours, "the oldest history had to go: store.max_size_mib is reached"
        );
    }
    info!(?retained, "history cut to its limits");
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::{
        config::{BackupConfig, WhenDamaged},
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
            retention_minutes: DAY,
            retention_hours: DAY,
            max_size_mib: None,
            retention_schedule: "* * * * * *".to_owned(),
            when_damaged: WhenDamaged::Refuse,
            backup: BackupConfig {
                dir: data_dir.path().join("backups"),
                schedule: Some("* * * * * *".to_owned()),
                keep: 1,
            },
        };
        let backups = Arc::new(Backups::new(
            history.clone(),
            &config.backup,
            CancellationToken::new(),
        ));
        let cancel = CancellationToken::new();
        let jobs = tokio::spawn(run(
            config,
            history.clone(),
            Arc::clone(&backups),
            cancel.clone(),
        ));

        let oldest = || {
            history
                .span(&"main".into())
                .expect("readable")
                .expect("ticks")
                .0
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while oldest() == long_ago || backups.newest().is_none() {
            assert!(
                Instant::now() < deadline,
                "nothing was removed or backed up"
            );
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
