//! `tidegauge serve`: the product itself.

use std::path::Path;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::{
    app::App,
    config::{Config, process_environment},
    logging,
};

/// Runs until SIGTERM or SIGINT, or until something fails.
pub fn run(file: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::load(file, process_environment())?;
    logging::init(&config.log)?;
    tokio::runtime::Runtime::new()
        .context("no event loop")?
        .block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("no handler for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no handler for SIGINT")?;
    let app = App::start(config).await?;
    app.run_until(async {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: ending"),
            _ = interrupt.recv() => info!("SIGINT: ending"),
        }
    })
    .await
}
