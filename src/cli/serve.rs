//! `tidegauge serve`: the product itself.

use std::path::Path;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::{
    app::{App, Follower},
    config::{Config, Contents, Source, process_environment},
    logging::{self, LogFilter, LogRepeats},
};

/// Runs until SIGTERM or SIGINT, or until something fails. SIGHUP, or a change
/// of the file, takes up another configuration.
pub fn run(file: Option<&Path>) -> anyhow::Result<()> {
    let source = Source::new(file, process_environment());
    let contents = source.read();
    let config = source.parse(&contents)?;
    let log = logging::init(&config.log)?;
    tokio::runtime::Runtime::new()
        .context("no event loop")?
        .block_on(serve(config, source, contents, log))
}

async fn serve(
    config: Config,
    source: Source,
    contents: Contents,
    (log, repeats): (LogFilter, LogRepeats),
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("no handler for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no handler for SIGINT")?;
    let hangup = signal(SignalKind::hangup()).context("no handler for SIGHUP")?;
    let app = App::start(config).await?;
    let follower = Follower::new(source, contents, app.reloader(), log);
    app.run_until(async {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: ending"),
            _ = interrupt.recv() => info!("SIGINT: ending"),
            () = follower.follow(hangup) => {}
            () = repeats.tell() => {}
        }
    })
    .await
}
