//! How another configuration is asked for, and how that went.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info};

use crate::{
    config::{Config, ConfigError},
    model::TimestampMs,
    reloads::ReloadStatus,
};

use super::live::Request;

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The sections that are not what they were, such as `poll` or
    /// `clusters.main`; none if it was the configuration in force.
    pub sections: Vec<String>,
}

/// Why a configuration is not taken up. The one in force stays as a whole.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// It is wrong, or needs a restart.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// A part of taking it up panicked.
    #[error("it could not be taken up: {0}")]
    BrokeDown(String),
    /// The process ends.
    #[error("the process is ending")]
    Ending,
}

/// Asks for another configuration. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reloader {
    requests: mpsc::Sender<Request>,
    status: Arc<ReloadStatus>,
}

impl Reloader {
    pub(super) fn new(requests: mpsc::Sender<Request>, status: Arc<ReloadStatus>) -> Self {
        Self { requests, status }
    }

    /// Takes up `config`, or refuses it as a whole; either is logged, counted
    /// and told in `/readyz`. When it returns, it is in force: the recorder goes
    /// by it from the next tick on.
    pub async fn reload(&self, config: Config) -> Result<Changed, Refused> {
        let outcome = self.attempt(Ok(config)).await;
        self.note(&outcome);
        outcome
    }

    /// The same, and nothing is logged and counted yet; for a configuration
    /// that could not be read, that is the outcome.
    pub(super) async fn attempt(
        &self,
        config: Result<Config, ConfigError>,
    ) -> Result<Changed, Refused> {
        let (answer, outcome) = oneshot::channel();
        let request = Request {
            config: config?,
            answer,
        };
        let asked = self.requests.send(request).await;
        asked.map_err(|_| Refused::Ending)?;
        outcome.await.map_err(|_| Refused::Ending)?
    }

    /// Has the newest configuration been refused for this very reason?
    pub(super) fn knows(&self, refused: &Refused) -> bool {
        let known = self.status.refusal();
        known.is_some_and(|known| known.cause == refused.to_string())
    }

    pub(super) fn note(&self, outcome: &Result<Changed, Refused>) {
        let now = TimestampMs::now();
        match outcome {
            Ok(Changed { sections }) if sections.is_empty() => {
                info!("the configuration is the one in force");
                self.status.unchanged(now);
            }
            Ok(Changed { sections }) => {
                info!(?sections, "another configuration is in force");
                self.status.taken_up(now);
            }
            Err(refused) => {
                log_refusal(refused);
                self.status.refused(now, refused.to_string());
            }
        }
    }
}

fn log_refusal(refused: &Refused) {
    let Refused::Invalid(cause) = refused else {
        return error!(%refused, "the configuration stays as it was");
    };
    for mistake in cause.mistakes() {
        let (place, key) = (&mistake.place, &mistake.key);
        let (found, accepted) = (&mistake.found, &mistake.accepted);
        error!(place, key, found, accepted, "the configuration is refused");
    }
    let mistakes = cause.mistakes().len();
    error!(mistakes, "the configuration stays as it was");
}
