//! Where log lines go, and in which form.

use std::{error::Error, io::IsTerminal as _};

use anyhow::Context as _;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, fmt, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

use crate::config::{LogConfig, LogFormat};

/// What is logged, which can be changed.
#[derive(Debug)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

/// Sends log lines to standard error from now on.
pub fn init(config: &LogConfig) -> anyhow::Result<LogFilter> {
    let (filter, handle) = reload::Layer::new(filter(config)?);
    let lines = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match config.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|cause| anyhow::anyhow!("no log: {cause}"))?;
    Ok(LogFilter(handle))
}

impl LogFilter {
    /// Logs what `config` says from now on.
    pub fn set(&self, config: &LogConfig) -> anyhow::Result<()> {
        Ok(self.0.reload(filter(config)?)?)
    }
}

fn filter(config: &LogConfig) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(&config.filter).with_context(|| format!("log.filter is {:?}", config.filter))
}

/// An error with those beneath it, of which the last says most.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(error) = beneath {
        text = format!("{text}: {error}");
        beneath = error.source();
    }
    text
}
