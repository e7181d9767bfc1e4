//! What is done by the clock: the cron schedule.

mod status;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task,
    time::sleep,
};
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use crate::{
    backups::Backups,
    config::StoreConfig,
    logging::in_full,
    model::TimestampMs,
    store::{Limits, Sealer, Store},
};

pub use status::{StoreState, StoreStatus};

/// When sealing is looked after: a chunk is due every two hours, and the
/// segments of the last minutes are to be packed.
const SEAL_SCHEDULE: &str = "30 * * * * *";
/// Between two slices of a seal, each some tens of milliseconds of work: one
/// core does not notice.
const SLICE_PAUSE: Duration = Duration::from_millis(100);

/// Runs the schedule until `cancel`, and keeps `status`.
pub async fn run(
    config: StoreConfig,
    store: Store,
    backups: Arc<Backups>,
    status: Arc<StoreStatus>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let mut scheduler = JobScheduler::new().await.context("no job scheduler")?;
    let upkeep = Upkeep {
        sealer: Arc::new(Mutex::new(store.sealer())),
        store,
        limits: limits(&config),
        status,
        cancel: cancel.clone(),
    };
    let sealing = upkeep.clone();
    let seal = Job::new_async(SEAL_SCHEDULE, move |_, _| {
        let sealing = sealing.clone();
        Box::pin(async move { sealing.seal().await })
    })
    .context("sealing has no schedule")?;
    let retain = Job::new_async(config.retention_schedule.as_str(), move |_, _| {
        let upkeep = upkeep.clone();
        Box::pin(async move { upkeep.retain().await })
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

/// Sealing and retention take turns: each has the sealer while it runs.
#[derive(Debug, Clone)]
struct Upkeep {
    sealer: Arc<Mutex<Sealer>>,
    store: Store,
    limits: Limits,
    status: Arc<StoreStatus>,
    cancel: CancellationToken,
}

type HeldSealer = OwnedMutexGuard<Sealer>;

impl Upkeep {
    /// Seals what is due, unless something else is going on.
    async fn seal(self) {
        if let Ok(sealer) = Arc::clone(&self.sealer).try_lock_owned() {
            self.seal_until_cancelled(sealer).await;
        }
    }

    /// Cuts history to its limits. What is due is sealed first, or it would go
    /// before it has become minutes and hours.
    async fn retain(self) {
        let sealer = Arc::clone(&self.sealer).lock_owned().await;
        self.seal_until_cancelled(sealer).await;
        if self.cancel.is_cancelled() {
            return;
        }
        let sealer = Arc::clone(&self.sealer).lock_owned().await;
        let (store, limits, now) = (self.store, self.limits, TimestampMs::now());
        let outcome = task::spawn_blocking(move || store.retain(&limits, now)).await;
        drop(sealer);
        let outcome = match outcome {
            Ok(outcome) => outcome.map_err(|cause| in_full(&cause)),
            Err(cause) => Err(cause.to_string()),
        };
        self.status.note_retained(now, outcome);
    }

    async fn seal_until_cancelled(&self, sealer: HeldSealer) {
        let sealing = seal(sealer, &self.status);
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
    async fn the_schedule_seals_what_is_due_before_it_goes() {
        let data_dir = tempfile::tempdir().expect("a folder");
        let (mut writer, history) = store::open(data_dir.path()).expect("the store opens");
        let now = TimestampMs::now();
        let long_ago = now.minus(20 * DAY);
        // More than one segment, since the newest one is never sealed.
        let old = (0..200).map(|n| long_ago.plus(Duration::from_secs(10 * n)));
        for at in old.chain([now]) {
            let placed = writer.place(&tick(at));
            writer.record(&placed, &[]).expect("recorded");
        }
        let config = StoreConfig {
            data_dir: data_dir.path().to_owned(),
            retention: DAY,
            retention_minutes: DAY,
            retention_hours: 400 * DAY,
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
        let status = Arc::new(StoreStatus::default());
        let jobs = run(
            config,
            history.clone(),
            Arc::clone(&backups),
            Arc::clone(&status),
            cancel.clone(),
        );
        let jobs = tokio::spawn(jobs);

        let deadline = Instant::now() + Duration::from_secs(20);
        while status.state().retained_at.is_none() || backups.newest().is_none() {
            assert!(Instant::now() < deadline, "it does not run");
            sleep(Duration::from_millis(50)).await;
        }
        let [raw, minutes, hours] = history.level_sizes().expect("sizes");
        assert_eq!((raw.chunks, minutes.chunks), (0, 0), "too old");
        assert!(hours.chunks > 0, "made of them before they went");
        let frames = history.frames(&"main".into(), now, now).expect("frames");
        assert_eq!(frames.count(), 1, "what is young stays");
        let state = status.state();
        assert_eq!((state.sealing_failure, state.unsealed), (None, None));
        assert!(state.expired_chunks[0] > 0);
        cancel.cancel();
        jobs.await.expect("no panic").expect("ends well");
    }
}
