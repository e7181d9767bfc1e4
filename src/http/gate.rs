//! How much blocking work requests may cause.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::{
    error::ApiError,
    outlet::{Head, Outlet, PIECES, body},
};

/// Lets a few pieces of blocking work run at one time, and a few more wait.
#[derive(Debug)]
pub(super) struct Gate {
    running: Arc<Semaphore>,
    /// One for each that runs or waits.
    places: Arc<Semaphore>,
    limit: usize,
    time_limit: Duration,
    shutdown: CancellationToken,
}

/// How long a piece of blocking work may go on: until its time is up, its
/// caller has gone or the process ends.
#[derive(Debug)]
pub(super) struct Allowance {
    pub(super) stop: CancellationToken,
    pub(super) deadline: Instant,
    pub(super) limit: Duration,
}

impl Gate {
    pub(super) fn new(
        running: usize,
        waiting: usize,
        time_limit: Duration,
        shutdown: CancellationToken,
    ) -> Self {
        let limit = running + waiting;
        Self {
            running: Arc::new(Semaphore::new(running)),
            places: Arc::new(Semaphore::new(limit)),
            limit,
            time_limit,
            shutdown,
        }
    }

    /// Runs `work` on a thread where it may block. The work is to ask
    /// [`Allowance::check`] often: when the returned future is dropped, since
    /// the caller has gone, the thread learns it there.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Allowance) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let allowance = self.allowance();
        let _stop_when_dropped = allowance.stop.clone().drop_guard();
        let permits = self.enter(allowance.deadline).await?;
        let span = Span::current();
        let work = move || {
            let outcome = span.in_scope(|| work(&allowance));
            drop(permits);
            outcome
        };
        tokio::task::spawn_blocking(work).await?
    }

    /// The same for work that hands its answer over piece by piece, under a head
    /// that it tells before. What fails before the first piece is an error;
    /// later the body breaks off.
    ///
    /// It has a place until all is handed over, but not longer than any other
    /// work: who reads too slowly loses the rest.
    pub(super) async fn stream(
        &self,
        work: impl FnOnce(&Allowance, Outlet) -> Result<(), ApiError> + Send + 'static,
    ) -> Result<(Head, Body), ApiError> {
        let allowance = self.allowance();
        let stop_when_dropped = allowance.stop.clone().drop_guard();
        let permits = self.enter(allowance.deadline).await?;
        let (sender, mut pieces) = mpsc::channel(PIECES);
        let (span, runtime) = (Span::current(), Handle::current());
        let work = tokio::task::spawn_blocking(move || {
            let outlet = Outlet::new(sender, runtime, &allowance);
            let outcome = span.in_scope(|| work(&allowance, outlet));
            drop(permits);
            outcome
        });
        match pieces.recv().await {
            Some(first) => Ok(body(first, pieces, work, stop_when_dropped)),
            None => match work.await? {
                Err(why) => Err(why),
                Ok(()) => unreachable!("work that ends well hands over a last piece"),
            },
        }
    }

    fn allowance(&self) -> Allowance {
        Allowance {
            stop: self.shutdown.child_token(),
            deadline: Instant::now() + self.time_limit,
            limit: self.time_limit,
        }
    }

    async fn enter(
        &self,
        deadline: Instant,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), ApiError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| ApiError::Busy { limit: self.limit })?;
        let running = Arc::clone(&self.running).acquire_owned();
        match timeout_at(deadline, running).await {
            Ok(Ok(running)) => Ok((place, running)),
            Ok(Err(_)) => Err(ApiError::Interrupted),
            Err(_) => Err(ApiError::TimedOut {
                limit: self.time_limit,
            }),
        }
    }
}

impl Allowance {
    /// An error when the work is to stop.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        if self.stop.is_cancelled() {
            return Err(ApiError::Interrupted);
        }
        if Instant::now() >= self.deadline {
            return Err(ApiError::TimedOut { limit: self.limit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures::future::join;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn gate(waiting: usize, time_limit: Duration) -> Gate {
        Gate::new(1, waiting, time_limit, CancellationToken::new())
    }

    #[tokio::test]
    async fn who_finds_no_place_to_wait_is_sent_away() {
        let gate = gate(0, MINUTE);
        let (release, held) = mpsc::channel::<()>();
        let first = gate.run(move |_| {
            held.recv().ok();
            Ok(())
        });
        let second = async {
            let outcome = gate.run(|_| Ok(())).await;
            release.send(()).expect("the first still runs");
            outcome
        };
        let (first, second) = join(first, second).await;
        assert!(first.is_ok());
        assert!(
            matches!(second, Err(ApiError::Busy { limit: 1 })),
            "{second:?}"
        );
        assert!(
            gate.run(|_| Ok(())).await.is_ok(),
            "the place is free again"
        );
    }

    #[tokio::test]
    async fn work_whose_caller_has_gone_is_told_to_stop() {
        let gate = gate(0, MINUTE);
        let (report, outcome) = mpsc::channel();
        let (started, has_started) = tokio::sync::oneshot::channel();
        let work = gate.run(move |allowance| {
            started.send(()).ok();
            while allowance.check().is_ok() {
                std::thread::yield_now();
            }
            report.send(allowance.check()).ok();
            Ok(())
        });
        tokio::select! {
            _ = work => panic!("the work does not end by itself"),
            _ = has_started => {}
        }
        let outcome = tokio::task::spawn_blocking(move || outcome.recv())
            .await
            .expect("no panic");
        assert!(matches!(outcome, Ok(Err(ApiError::Interrupted))));
    }

    #[tokio::test]
    async fn work_ends_at_its_time_limit() {
        let outcome: Result<(), _> = gate(0, Duration::ZERO)
            .run(|allowance| allowance.check())
            .await;
        assert!(
            matches!(outcome, Err(ApiError::TimedOut { .. })),
            "{outcome:?}"
        );
    }
}
