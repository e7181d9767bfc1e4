//! The one connection, and how it is kept up.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tracing::{info, warn};

use super::{
    Away,
    connect::{Connection, Connector},
};

/// Between two attempts to connect, each twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The connection as it is at present.
#[derive(Debug, Clone)]
pub(super) struct Link {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone)]
enum State {
    /// It is being made, the first one or after one that broke.
    Opening,
    Up(Linked),
    /// The newest attempt failed; the next ones are made after pauses.
    Down(Away),
}

/// A connection, and the how-manieth it is.
#[derive(Debug, Clone)]
pub(super) struct Linked {
    pub(super) connection: Connection,
    pub(super) number: u64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::Opening)),
        }
    }
}

impl Link {
    /// The connection, or why there is none; waits while that is not known.
    pub(super) async fn settled(&self) -> Result<Linked, Away> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Opening));
        let settled = settled.await.map(|state| state.clone());
        match settled {
            Ok(State::Up(linked)) => Ok(linked),
            Ok(State::Down(away)) => Err(away),
            // The sender is ours, and what is waited for is not `Opening`.
            Ok(State::Opening) | Err(_) => Err(Away("there is no connection".to_owned())),
        }
    }

    /// Why the newest attempt to connect failed.
    pub(super) fn trouble(&self) -> Option<Away> {
        match &*self.state.borrow() {
            State::Down(away) => Some(away.clone()),
            State::Opening | State::Up(_) => None,
        }
    }

    /// Waits for a connection of another number than `seen`, and tells its number.
    pub(super) async fn connection_after(&self, seen: Option<u64>) -> u64 {
        let mut state = self.state.subscribe();
        let is_new = |state: &State| matches!(state, State::Up(new) if Some(new.number) != seen);
        match state.wait_for(is_new).await.map(|state| state.clone()) {
            Ok(State::Up(linked)) => linked.number,
            // The sender is ours, and nothing else is waited for.
            _ => pending().await,
        }
    }

    /// The connection of that number is of no use any more.
    pub(super) fn broke(&self, number: u64) {
        self.state.send_if_modified(|state| {
            let is_same = matches!(state, State::Up(linked) if linked.number == number);
            if is_same {
                *state = State::Opening;
            }
            is_same
        });
    }

    /// Connects, and again whenever somebody says that the connection broke. One
    /// that did not last is followed by a pause, as is a failure.
    pub(super) async fn keep_up(self, connector: Connector) {
        let (mut pause, mut is_told) = (FIRST_PAUSE, false);
        for number in 0.. {
            match connector.connect().await {
                Ok(connection) => {
                    info!(redis = %connector.place(), "connected");
                    is_told = false;
                    let lasted = self.hold(Linked { connection, number }).await;
                    if lasted > LONGEST_PAUSE {
                        pause = FIRST_PAUSE;
                        continue;
                    }
                }
                Err(away) => {
                    if !is_told {
                        warn!(%away, "plugins can't be looked up");
                        is_told = true;
                    }
                    self.state.send_replace(State::Down(away));
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// How long the connection was of use.
    async fn hold(&self, linked: Linked) -> Duration {
        let since = Instant::now();
        self.state.send_replace(State::Up(linked));
        let mut state = self.state.subscribe();
        let broken = state.wait_for(|state| !matches!(state, State::Up(_)));
        // The sender is ours.
        broken.await.ok();
        since.elapsed()
    }
}
