//! How long a cycle may take, and how it asks again within that time.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use super::super::error::RequestError;

/// How much later than the deadline an answer may come: librdkafka's own timeout
/// tells more than that there was none.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// Pause before the first repetition; doubled for each one after.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// When a cycle ends, finished or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// This or `duration` from now, whichever comes first.
    pub(super) fn within(self, duration: Duration) -> Self {
        self.min(Self::after(duration))
    }

    pub(super) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Makes a request, and again with growing pauses while it fails in a way
    /// that may pass. `ask` is told how long it has.
    pub(super) async fn ask<T, F>(
        self,
        mut ask: impl FnMut(Duration) -> F,
    ) -> Result<T, RequestError>
    where
        F: Future<Output = Result<T, RequestError>>,
    {
        let mut pause = FIRST_PAUSE;
        let mut last = None;
        loop {
            let left = self.left();
            if left.is_zero() {
                return Err(last.unwrap_or(RequestError::TimedOut));
            }
            let answer = tokio::time::timeout_at(self.0 + GRACE, ask(left)).await;
            let error = match (answer.unwrap_or(Err(RequestError::TimedOut)), last) {
                (Err(error), _) if error.is_retriable() => error,
                // That there was no time for another attempt tells less than
                // why there had to be one.
                (Err(error), Some(before)) if error.word() == "timed_out" => return Err(before),
                (done, _) => return done,
            };
            let wait = jittered(pause);
            if wait >= self.left() {
                return Err(error);
            }
            last = Some(error);
            tokio::time::sleep(wait).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}

/// Half of the pause to all of it, so that hundreds of groups that lost one
/// coordinator don't ask the next one at the same moment.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() as u32;
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::kafka::error::ErrorCode;

    fn refused(code: i32) -> RequestError {
        RequestError::Refused {
            code: ErrorCode(code),
            message: String::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_asked_again_until_the_deadline() {
        let asked = Cell::new(0);
        let answer: Result<(), _> = Deadline::after(Duration::from_secs(5))
            .ask(|_| {
                asked.set(asked.get() + 1);
                async { Err(refused(15)) }
            })
            .await;
        assert_eq!(answer, Err(refused(15)));
        assert!((7..20).contains(&asked.get()), "{}", asked.get());
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_is_asked_once() {
        let asked = Cell::new(0);
        let answer: Result<(), _> = Deadline::after(Duration::from_secs(5))
            .ask(|_| {
                asked.set(asked.get() + 1);
                async { Err(refused(30)) }
            })
            .await;
        assert_eq!(answer, Err(refused(30)));
        assert_eq!(asked.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_attempt_that_had_no_time_is_not_the_reason() {
        let asked = Cell::new(0);
        let answer: Result<(), _> = Deadline::after(Duration::from_secs(3))
            .ask(|_| {
                asked.set(asked.get() + 1);
                let first = asked.get() == 1;
                async move {
                    match first {
                        true => Err(refused(15)),
                        false => std::future::pending().await,
                    }
                }
            })
            .await;
        assert_eq!(answer, Err(refused(15)));
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_ends_at_the_deadline() {
        let start = Instant::now();
        let answer: Result<(), _> = Deadline::after(Duration::from_secs(3))
            .ask(|_| std::future::pending())
            .await;
        assert_eq!(answer, Err(RequestError::TimedOut));
        assert_eq!(start.elapsed(), Duration::from_secs(3) + GRACE);
    }
}
