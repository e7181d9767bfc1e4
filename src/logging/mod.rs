//! Where log lines go, and in which form.
//!
//! Which lines are wanted is the configuration's; which of them say what was
//! said just before, `repeats` knows.

mod repeats;

use std::{
    error::Error,
    io::{IsTerminal as _, Stderr},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::time::{MissedTickBehavior, interval};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::{self, FormatEvent, FormatFields},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use crate::config::{LogConfig, LogFormat};

use repeats::{Repeats, Thinned};

/// How often is looked for lines that were held back and are due to be told.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What spans and events go to.
pub type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;
/// One beside the other.
pub type Layers = Vec<BoxedLayer>;

/// What is logged, which can be changed.
#[derive(Debug)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

/// Lines that were held back, since the same was logged just before.
#[derive(Debug)]
pub struct LogRepeats(Arc<Repeats>);

/// Sends log lines to standard error from now on.
/// Spans go to `others`, too.
pub fn init(config: &LogConfig, others: Layers) -> anyhow::Result<(LogFilter, LogRepeats)> {
    let (filter, handle) = reload::Layer::new(filter(config)?);
    let repeats = Arc::new(Repeats::default());
    let lines = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr as fn() -> Stderr);
    let lines = match config.format {
        LogFormat::Text => thinned(lines, &repeats),
        LogFormat::Json => thinned(lines.json(), &repeats),
    };
    let mut layers = others;
    layers.push(lines.with_filter(filter).boxed());
    tracing_subscriber::registry()
        .with(layers)
        .try_init()
        .map_err(|cause| anyhow::anyhow!("no log: {cause}"))?;
    Ok((LogFilter(handle), LogRepeats(repeats)))
}

/// Without what repeats itself.
fn thinned<N, F>(
    lines: fmt::Layer<Registry, N, F, fn() -> Stderr>,
    repeats: &Arc<Repeats>,
) -> BoxedLayer
where
    N: for<'a> FormatFields<'a> + Send + Sync + 'static,
    F: FormatEvent<Registry, N> + Send + Sync + 'static,
{
    let repeats = Arc::clone(repeats);
    let thinned = lines.map_event_format(|lines| Thinned { lines, repeats });
    thinned.boxed()
}

impl LogFilter {
    /// Logs what `config` says from now on.
    pub fn set(&self, config: &LogConfig) -> anyhow::Result<()> {
        Ok(self.0.reload(filter(config)?)?)
    }
}

impl LogRepeats {
    /// Tells how often lines were held back, for as long as it is polled.
    pub async fn tell(&self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            self.0.tell(Instant::now());
        }
    }
}

impl Drop for LogRepeats {
    /// The process ends: what was held back is told.
    fn drop(&mut self) {
        self.0.tell_all();
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
