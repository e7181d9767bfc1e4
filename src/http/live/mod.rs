//! `/api/v1/live`: what changes, told as it happens, by server-sent events.
//!
//! It knows nothing but overviews. After each new one a listener that had the
//! one before is told what changed (`tick`), and any other which is the newest
//! (`version`): who has another asks `/api/v1/overview` again. So a listener
//! needs no memory here, be it slow, new or back after a while, and one that
//! does not read costs nothing but its place.

mod event;

#[cfg(test)]
mod tests;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderName, Uri, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::board::BoardReader;

use super::{
    HttpState, Pages, cluster,
    error::ApiError,
    openapi::{parameters::accepts, responses::QueryRefusals},
    overview::{Overview, PAUSE},
    query::Parameters,
};
use event::Filter;

const PARAMETERS: [&str; 2] = ["cluster", "group"];

/// Each open page is one. A listener costs a connection and what is sent on it,
/// up to some 150 kB a tick in an installation of thousands of groups.
const MAX_LISTENERS: usize = 256;

/// After so long without anything to tell, a comment goes out, so that a
/// connection that is gone is noticed and no proxy closes one that is not.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const NOTHING_NEW: Bytes = Bytes::from_static(b": nothing new\n\n");

/// A proxy that gathers answers must not gather this one.
const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

/// The places for listeners.
#[derive(Debug)]
pub(super) struct Listeners(Arc<Semaphore>);

impl Default for Listeners {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LISTENERS)))
    }
}

impl Listeners {
    fn enter(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let place = Arc::clone(&self.0).try_acquire_owned();
        place.map_err(|_| ApiError::Busy {
            limit: MAX_LISTENERS,
        })
    }
}

/// One who listens.
struct Listener {
    pages: Arc<Pages>,
    board: BoardReader,
    shutdown: CancellationToken,
    filter: Filter,
    /// What it was told last.
    told: Option<Arc<Overview>>,
    _place: OwnedSemaphorePermit,
}

accepts!(PARAMETERS);

/// What changes in the overview, as server-sent events: `version` tells which is
/// the newest, `tick` what changed since the one before. It goes on until the
/// caller leaves.
#[utoipa::path(
    get,
    path = "/api/v1/live",
    params(Accepted),
    responses((status = 200, body = String, content_type = "text/event-stream"), QueryRefusals),
)]
pub(super) async fn live(State(pages): State<Arc<Pages>>, uri: Uri) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &PARAMETERS)?;
    let state = pages.state();
    let filter = filter(&parameters, &state)?;
    let listener = Listener {
        _place: pages.listeners.enter()?,
        board: state.board.clone(),
        shutdown: state.shutdown.clone(),
        filter,
        told: None,
        pages,
    };
    let events = stream::unfold(listener, Listener::next);
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), UNBUFFERED];
    Ok((headers, Body::from_stream(events)).into_response())
}

fn filter(parameters: &Parameters, state: &HttpState) -> Result<Filter, ApiError> {
    let cluster = parameters.text("cluster");
    let cluster = cluster.map(|name| cluster::configured(state, name).cloned());
    Ok(Filter {
        cluster: cluster.transpose()?,
        group: parameters.text("group").map(Into::into),
    })
}

impl Listener {
    /// Ends with the process.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let shutdown = self.shutdown.clone();
        let event = tokio::select! {
            () = shutdown.cancelled() => return None,
            event = self.event() => event?,
        };
        Some((Ok(event), self))
    }

    /// `None` when no board will come any more.
    async fn event(&mut self) -> Option<Bytes> {
        if let Some(told) = &self.told {
            if let Ok(changed) = timeout(KEEP_ALIVE, self.board.changed()).await {
                changed.ok()?;
            }
            sleep_until(told.made + PAUSE).await;
        }
        self.board.mark_unchanged();
        match self.pages.overviews.newest(&self.pages).await {
            Ok(newest) => Some(self.tell(newest)),
            Err(_) => Some(self.not_now().await),
        }
    }

    /// It could not be made, since others keep the queries busy, say.
    async fn not_now(&mut self) -> Bytes {
        self.board.mark_changed();
        sleep(PAUSE).await;
        NOTHING_NEW
    }

    fn tell(&mut self, newest: Arc<Overview>) -> Bytes {
        let told = self.told.as_ref().map(|told| told.version);
        let event = if told == Some(newest.version) {
            NOTHING_NEW
        } else if told.is_some() && told == newest.changes.since {
            self.filter.tick(&newest)
        } else {
            event::version(&newest)
        };
        self.told = Some(newest);
        event
    }
}
