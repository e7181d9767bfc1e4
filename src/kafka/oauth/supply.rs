//! Keeps one client in tokens.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::SystemTime,
};

use tokio::runtime::Handle as Runtime;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use super::{Token, TokenError, endpoint::TokenEndpoint, refresh::refresh};
use crate::{
    config::OAuthBearerConfig,
    kafka::{error::ConnectError, native::Handle},
};

/// Keeps one client in tokens for as long as it is there itself.
#[derive(Debug)]
pub(in super::super) struct TokenSupply {
    state: Arc<Mutex<State>>,
    _task: AbortOnDropHandle<()>,
}

/// How it stands with tokens.
#[derive(Debug, Default)]
struct State {
    /// When the last token that was had ends.
    expires: Option<SystemTime>,
    /// Why there is none after it.
    failure: Option<String>,
}

impl TokenSupply {
    /// Serves this handle, in the runtime that it is called in.
    pub(in super::super) fn start(
        handle: &Arc<Handle>,
        config: &OAuthBearerConfig,
    ) -> Result<Self, ConnectError> {
        let runtime = Runtime::try_current().map_err(|_| ConnectError::Runtime)?;
        let state = Arc::<Mutex<State>>::default();
        let taker = Taker {
            handle: Arc::downgrade(handle),
            config: config.clone(),
            state: Arc::clone(&state),
        };
        let wanted = handle.token_wanted();
        let endpoint = TokenEndpoint::new(config.clone());
        let task = runtime.spawn(async move {
            refresh(&wanted, &endpoint, |token| taker.take(token)).await;
        });
        Ok(Self {
            state,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Why no connection can be made: the last token has ended, or there never
    /// was one, and the next one can't be had.
    pub(in super::super) fn lack(&self) -> Option<String> {
        let state = lock(&self.state);
        let lives = state.expires.is_some_and(|end| end > SystemTime::now());
        state.failure.clone().filter(|_| !lives)
    }
}

/// Hands tokens to librdkafka, and remembers how it went.
struct Taker {
    // Weak: the last one that lets go of a handle waits until it has ended,
    // which a task must not.
    handle: Weak<Handle>,
    config: OAuthBearerConfig,
    state: Arc<Mutex<State>>,
}

impl Taker {
    fn take(&self, token: Result<&Token, &TokenError>) -> Result<(), TokenError> {
        let Some(handle) = self.handle.upgrade() else {
            return Ok(());
        };
        match token {
            Ok(token) => self.take_token(&handle, token),
            Err(error) => {
                self.take_failure(&handle, error);
                Ok(())
            }
        }
    }

    fn take_token(&self, handle: &Handle, token: &Token) -> Result<(), TokenError> {
        let (principal, extensions) = (&self.config.client_id, &self.config.extensions);
        handle
            .set_token(token.value.expose(), token.expires, principal, extensions)
            .map_err(TokenError::NotTaken)?;
        let mut state = lock(&self.state);
        state.expires = Some(token.expires);
        let endpoint = self.config.token_endpoint.as_str();
        match state.failure.take() {
            Some(_) => info!(endpoint, "there is a token again"),
            None => debug!(endpoint, "there is a new token"),
        }
        Ok(())
    }

    fn take_failure(&self, handle: &Handle, error: &TokenError) {
        let failure = error.to_string();
        handle.set_token_failure(&failure);
        let mut state = lock(&self.state);
        if state.failure.as_ref() != Some(&failure) {
            let endpoint = self.config.token_endpoint.as_str();
            warn!(endpoint, "no token: {failure}");
            state.failure = Some(failure);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Neither field depends on the other: nothing is left half changed.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
