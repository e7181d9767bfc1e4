//! `tidegauge serve`: the product itself.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    app::{App, Follower, Signals, run_to_its_end},
    config::{Config, Contents, Source, process_environment},
    logging::{self, LogFilter},
};

/// Runs until SIGTERM or SIGINT, or until something fails; a second one does not
/// wait for the end in order. SIGHUP, or a change of the file, takes up another
/// configuration.
pub fn run(file: Option<&Path>) -> anyhow::Result<()> {
    let source = Source::new(file, process_environment());
    let contents = source.read();
    let config = source.parse(&contents)?;
    let log = logging::init(&config.log)?;
    run_to_its_end(async {
        let (asked, at_once) = (CancellationToken::new(), CancellationToken::new());
        let signals = Signals::take()?;
        tokio::spawn(signals.follow(asked.clone(), at_once.clone()));
        let serving = serve(config, source, contents, log, asked);
        let ended = at_once.run_until_cancelled(serving).await;
        ended.unwrap_or_else(|| Err(anyhow!("asked twice to end: not all parts had ended")))
    })
}

async fn serve(
    config: Config,
    source: Source,
    contents: Contents,
    log: LogFilter,
    asked: CancellationToken,
) -> anyhow::Result<()> {
    let hangup = signal(SignalKind::hangup()).context("no handler for SIGHUP")?;
    let Some(app) = asked.run_until_cancelled(App::start(config)).await else {
        info!("ended before it had started");
        return Ok(());
    };
    let app = app?;
    let follower = Follower::new(source, contents, app.reloader(), log);
    app.run_until(async {
        tokio::select! {
            () = asked.cancelled() => {}
            () = follower.follow(hangup) => {}
        }
    })
    .await
}
