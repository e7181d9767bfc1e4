//! `tidegauge serve`: the product itself.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    app::{App, Follower, Signals, run_to_its_end},
    config::{Config, Contents, Source, process_environment},
    http::of_process,
    logging::{self, LogFilter, LogRepeats},
    telemetry::Telemetry,
};

/// How long what is left may be sent at the end, within `grpc.shutdown_grace`.
const LAST_SENT_WITHIN: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT, or until something fails; a second one does not
/// wait for the end in order. SIGHUP, or a change of the file, takes up another
/// configuration.
pub fn run(file: Option<&Path>) -> anyhow::Result<()> {
    let source = Source::new(file, process_environment());
    let contents = source.read();
    let config = source.parse(&contents)?;
    run_to_its_end(async {
        // What sends to a collector needs the threads to be there.
        let telemetry = Telemetry::new(config.otlp.as_ref())?;
        let log = logging::init(&config.log, telemetry.layers())?;
        let (asked, at_once) = (CancellationToken::new(), CancellationToken::new());
        let signals = Signals::take()?;
        tokio::spawn(signals.follow(asked.clone(), at_once.clone()));
        let serving = serve(config, source, contents, log, telemetry, asked);
        let ended = at_once.run_until_cancelled(serving).await;
        ended.unwrap_or_else(|| Err(anyhow!("asked twice to end: not all parts had ended")))
    })
}

async fn serve(
    config: Config,
    source: Source,
    contents: Contents,
    (log, repeats): (LogFilter, LogRepeats),
    telemetry: Telemetry,
    asked: CancellationToken,
) -> anyhow::Result<()> {
    let hangup = signal(SignalKind::hangup()).context("no handler for SIGHUP")?;
    let starting = App::start(config, telemetry.stats());
    let Some(app) = asked.run_until_cancelled(starting).await else {
        info!("ended before it had started");
        return Ok(());
    };
    let app = app?;
    let follower = Follower::new(source, contents, app.reloader(), log);
    let (pages, grace) = (app.pages(), app.shutdown_grace());
    let metrics = || of_process(pages.borrow().clone());
    let mut ending = Instant::now();
    let outcome = app
        .run_until(async {
            tokio::select! {
                () = asked.cancelled() => {}
                () = follower.follow(hangup) => {}
                () = repeats.tell() => {}
                () = telemetry.send(metrics) => {}
            }
            ending = Instant::now();
        })
        .await;
    let left = grace.saturating_sub(ending.elapsed());
    telemetry.end(left.min(LAST_SENT_WITHIN), metrics).await;
    outcome
}
