//! `tidegauge serve`: the product itself.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::{
    app::{App, Follower},
    config::{Config, Contents, Source, process_environment},
    http::of_process,
    logging::{self, LogFilter, LogRepeats},
    telemetry::Telemetry,
};

/// How long what is left may be sent at the end, within `grpc.shutdown_grace`.
const LAST_SENT_WITHIN: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT, or until something fails. SIGHUP, or a change
/// of the file, takes up another configuration.
pub fn run(file: Option<&Path>) -> anyhow::Result<()> {
    let source = Source::new(file, process_environment());
    let contents = source.read();
    let config = source.parse(&contents)?;
    let runtime = tokio::runtime::Runtime::new().context("no event loop")?;
    let telemetry = {
        let _entered = runtime.enter();
        Telemetry::new(config.otlp.as_ref())?
    };
    let log = logging::init(&config.log, telemetry.layers())?;
    runtime.block_on(serve(config, source, contents, log, telemetry))
}

async fn serve(
    config: Config,
    source: Source,
    contents: Contents,
    (log, repeats): (LogFilter, LogRepeats),
    telemetry: Telemetry,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("no handler for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no handler for SIGINT")?;
    let hangup = signal(SignalKind::hangup()).context("no handler for SIGHUP")?;
    let app = App::start(config, telemetry.stats()).await?;
    let follower = Follower::new(source, contents, app.reloader(), log);
    let (pages, grace) = (app.pages(), app.shutdown_grace());
    let metrics = || of_process(pages.borrow().clone());
    let mut asked = Instant::now();
    let outcome = app
        .run_until(async {
            tokio::select! {
                _ = terminate.recv() => info!("SIGTERM: ending"),
                _ = interrupt.recv() => info!("SIGINT: ending"),
                () = follower.follow(hangup) => {}
                () = repeats.tell() => {}
                () = telemetry.send(metrics) => {}
            }
            asked = Instant::now();
        })
        .await;
    let left = grace.saturating_sub(asked.elapsed());
    telemetry.end(left.min(LAST_SENT_WITHIN), metrics).await;
    outcome
}
