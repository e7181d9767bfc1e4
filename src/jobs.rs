//! What is done by the clock: the cron schedule.

mod status;
mod upkeep;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use crate::{
    backups::Backups,
    config::{Config, StoreConfig},
    store::Store,
};

pub use status::{StoreState, StoreStatus};
use upkeep::Upkeep;

/// When sealing is looked after: a chunk is due every two hours, and the
/// segments of the last minutes are to be packed.
const SEAL_SCHEDULE: &str = "30 * * * * *";

/// Runs the schedule of the newest `config` until `cancel`, and keeps `status`.
pub async fn run(
    mut config: watch::Receiver<Arc<Config>>,
    store: Store,
    backups: Arc<Backups>,
    status: Arc<StoreStatus>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let upkeep = Upkeep::new(config.clone(), store, status, cancel.clone());
    let mut scheduler = JobScheduler::new().await.context("no job scheduler")?;
    let sealing = upkeep.clone();
    let seal = Job::new_async(SEAL_SCHEDULE, move |_, _| {
        let sealing = sealing.clone();
        Box::pin(async move { sealing.seal().await })
    })
    .context("sealing has no schedule")?;
    let store = config.borrow_and_update().store.clone();
    let mut configured = Configured::of(&store, &upkeep, &backups)?;
    add(&scheduler, vec![seal]).await?;
    add(&scheduler, configured.jobs.clone()).await?;
    scheduler
        .start()
        .await
        .context("the schedule can't start")?;
    while let Some(Ok(())) = cancel.run_until_cancelled(config.changed()).await {
        let store = config.borrow_and_update().store.clone();
        if !configured.is_of(&store) {
            remove(&scheduler, &configured.jobs).await?;
            configured = Configured::of(&store, &upkeep, &backups)?;
            add(&scheduler, configured.jobs.clone()).await?;
        }
    }
    cancel.cancelled().await;
    scheduler.shutdown().await.context("the schedule can't end")
}

/// The jobs whose times are configured.
struct Configured {
    jobs: Vec<Job>,
    retention: String,
    backup: Option<String>,
}

impl Configured {
    fn of(config: &StoreConfig, upkeep: &Upkeep, backups: &Arc<Backups>) -> anyhow::Result<Self> {
        let (retention, backup) = (&config.retention_schedule, &config.backup.schedule);
        let mut jobs = vec![retention_job(retention, upkeep.clone())?];
        if let Some(schedule) = backup {
            jobs.push(backup_job(schedule, Arc::clone(backups))?);
        }
        Ok(Self {
            jobs,
            retention: retention.clone(),
            backup: backup.clone(),
        })
    }

    fn is_of(&self, config: &StoreConfig) -> bool {
        self.retention == config.retention_schedule && self.backup == config.backup.schedule
    }
}

async fn add(scheduler: &JobScheduler, jobs: Vec<Job>) -> anyhow::Result<()> {
    for job in jobs {
        let added = scheduler.add(job).await;
        added.context("a job can't be scheduled")?;
    }
    Ok(())
}

async fn remove(scheduler: &JobScheduler, jobs: &[Job]) -> anyhow::Result<()> {
    for job in jobs {
        let removed = scheduler.remove(&job.guid()).await;
        removed.context("a job can't be taken off the schedule")?;
    }
    Ok(())
}

fn retention_job(schedule: &str, upkeep: Upkeep) -> anyhow::Result<Job> {
    Job::new_async(schedule, move |_, _| {
        let upkeep = upkeep.clone();
        Box::pin(async move { upkeep.retain().await })
    })
    .with_context(|| format!("store.retention_schedule is {schedule:?}"))
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

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{
        model::{GroupReading, GroupState, Members, Membership, Tick, TimestampMs},
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
                queue: None,
            }],
            gaps: Vec::new(),
        }
    }

    fn config(data_dir: &Path, store: &str) -> Arc<Config> {
        let text = format!(
            "[store]\ndata_dir = {data_dir:?}\n{store}\
             [clusters.main]\nbootstrap_servers = ['b:9092']\n"
        );
        Arc::new(Config::parse("test.toml", &text, []).expect("a valid configuration"))
    }

    fn backups(store: &Store, config: &watch::Receiver<Arc<Config>>) -> Arc<Backups> {
        let config = config.borrow().store.backup.clone();
        Arc::new(Backups::new(
            store.clone(),
            &config,
            CancellationToken::new(),
        ))
    }

    async fn until(what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_so() {
            assert!(Instant::now() < deadline, "not within 20 s: {what}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test]
    async fn another_schedule_takes_the_place_of_the_one_before() {
        let data_dir = tempfile::tempdir().expect("a folder");
        let (_writer, store) = store::open(data_dir.path()).expect("the store opens");
        let seldom = "retention_schedule = '0 0 0 1 1 *'\n";
        let often = "retention_schedule = '* * * * * *'\n";
        let backed_up = format!("{seldom}backup.schedule = '* * * * * *'\n");
        let (configs, reader) = watch::channel(config(data_dir.path(), seldom));
        let backups = backups(&store, &reader);
        let status = Arc::new(StoreStatus::default());
        let cancel = CancellationToken::new();
        let jobs = tokio::spawn(run(
            reader,
            store,
            Arc::clone(&backups),
            Arc::clone(&status),
            cancel.clone(),
        ));

        configs.send_replace(config(data_dir.path(), &backed_up));
        until("a backup is made", || backups.made() > 0).await;
        assert_eq!(status.state().retained_at, None);
        configs.send_replace(config(data_dir.path(), often));
        until("history is cut", || status.state().retained_at.is_some()).await;
        let (made, cut_at) = (backups.made(), status.state().retained_at);
        until("it is cut again", || status.state().retained_at > cut_at).await;
        assert!(backups.made() <= made + 1, "one may have been under way");
        cancel.cancel();
        jobs.await.expect("no panic").expect("ends well");
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
        let (_configs, config) = watch::channel(config(
            data_dir.path(),
            "retention = '1d'\nretention_minutes = '2d'\n\
             retention_schedule = '* * * * * *'\nbackup.schedule = '* * * * * *'\n",
        ));
        let backups = backups(&history, &config);
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

        let is_done = || status.state().retained_at.is_some() && backups.newest().is_some();
        until("it runs", is_done).await;
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
