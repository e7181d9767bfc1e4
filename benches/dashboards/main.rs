//! What many readers of dashboards leave to ticks and to KEDA.
//!
//! A cluster of 100,000 series is recorded for some hours; then it goes on, a tick a
//! second, ten times as fast as in life. All groups have a ScaledObject, which
//! KEDA asks about in turn, fifty a second. First nobody reads; then 200 readers
//! do, each with a dashboard of its own that is read anew each 10 s, all its panels
//! at once, by each of the interfaces, and the page open beside it, which listens
//! to what changes. All of it runs in this process, the readers too, so what they take to
//! ask and to read is in the figures.
//!
//! `cargo bench --bench dashboards`, with `DASHBOARDS_HOURS` (6) and
//! `DASHBOARDS_READERS` (200). Prints `name=value` lines.

#[path = "../env.rs"]
mod env;
mod keda;
mod overview;
#[path = "../pages.rs"]
mod pages;
mod panels;
mod readers;
mod recording;
#[path = "../settings.rs"]
mod settings;
/// Shared with other benches, which use more of it.
#[path = "../traffic/mod.rs"]
#[allow(dead_code)]
mod traffic;

use std::{collections::BTreeMap, env::current_exe, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tidegauge::{
    estimator::Parameters,
    http::router,
    scaler::{ScalerService, Watches},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use keda::Keda;
use pages::Recorded;
use readers::Readers;
use recording::Recording;
use settings::settings;

/// Ticks with the clock running, in each part.
const TICKS: usize = 30;
const TICK_INTERVAL: Duration = Duration::from_secs(1);

const PARAMETERS: Parameters = Parameters {
    window: Duration::from_secs(300),
    // Ticks come from some minutes ago, since they come faster than time goes.
    fresh_for: Duration::from_secs(3_600),
    max_staleness: Duration::from_secs(3_600),
};

#[tokio::main]
async fn main() -> Result<()> {
    let hours = env::setting("DASHBOARDS_HOURS", 6)?;
    let count = env::setting("DASHBOARDS_READERS", 200)?;
    // On the disk, where a temporary folder may be in memory.
    let target = current_exe()?;
    let dir = tempfile::tempdir_in(target.parent().context("a bench is in a folder")?)?;
    let mut recording = Recording::begin(dir.path(), 2 * TICKS + 2, hours).await?;

    let groups = recording.groups();
    let limits = Arc::new(settings(PARAMETERS, groups.len()));
    let watches = Watches::new(limits, BTreeMap::new(), mpsc::channel(1).0);
    let watches = Arc::new(watches);
    let shutdown = CancellationToken::new();
    let service = ScalerService::new(
        recording.board(),
        Arc::clone(&watches),
        shutdown.child_token(),
    );
    let keda = Keda::connect(service, &groups).await?;
    let recorded = Recorded {
        store: recording.store(),
        board: recording.board(),
        status: recording.status(),
    };
    let state = recorded.pages(dir.path(), PARAMETERS, Arc::clone(&watches));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let states = watch::channel(Arc::new(state)).1;
    tokio::spawn(axum::serve(listener, router(states)).into_future());
    println!("groups={} readers={count}", groups.len());

    recording.tick(&watches).await?;
    keda.ask_each().await?;
    recording.tick(&watches).await?;
    overview::report(address).await?;
    let alone = part(&mut recording, &watches, &keda).await?;
    alone.report("alone");
    let readers = Readers::start(address, groups, count)?;
    let beside = part(&mut recording, &watches, &keda).await?;
    beside.report("beside");
    readers.end().await?;
    println!(
        "tick_p50_ratio={:.2}",
        beside.tick_ms(50) / alone.tick_ms(50)
    );
    println!(
        "getmetrics_p99_ratio={:.2}",
        beside.call_ms(99) / alone.call_ms(99)
    );
    Ok(())
}

/// What ticks and calls took.
struct Times {
    ticks: Vec<f64>,
    calls: Vec<f64>,
}

async fn part(recording: &mut Recording, watches: &Arc<Watches>, keda: &Keda) -> Result<Times> {
    let stop = CancellationToken::new();
    let calling = tokio::spawn(keda.ask_until(stop.clone()));
    let mut due = interval(TICK_INTERVAL);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = Vec::with_capacity(TICKS);
    for _ in 0..TICKS {
        due.tick().await;
        ticks.push(recording.tick(watches).await?);
    }
    stop.cancel();
    Ok(Times {
        ticks,
        calls: calling.await??,
    })
}

impl Times {
    fn tick_ms(&self, percent: usize) -> f64 {
        percentile(&self.ticks, percent)
    }

    fn call_ms(&self, percent: usize) -> f64 {
        percentile(&self.calls, percent)
    }

    fn report(&self, name: &str) {
        println!(
            "{name}_tick_p50_ms={:.1} {name}_tick_max_ms={:.1}",
            self.tick_ms(50),
            self.tick_ms(100)
        );
        println!(
            "{name}_getmetrics_p50_ms={:.2} {name}_getmetrics_p99_ms={:.2} {name}_getmetrics_max_ms={:.2} {name}_getmetrics_calls={}",
            self.call_ms(50),
            self.call_ms(99),
            self.call_ms(100),
            self.calls.len()
        );
    }
}

/// The value below which are `percent` of all.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}
