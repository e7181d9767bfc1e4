//! Brokers that give no answer, and when they are asked again.
//!
//! A broker that is down or hangs costs each request its whole time. After the
//! first that did, the others are not sent; the broker is asked again after a
//! pause that grows while it stays silent.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    super::error::{ErrorCode, RequestError},
    deadline::{Deadline, jittered},
};

/// Pause after the first request without an answer: longer than the rest of a
/// cycle takes to find out, shorter than the next one is away.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause: a broker that comes back is noticed at the latest then.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A broker that had less time than this, at the end of a cycle, is not called
/// silent.
const SHORTEST_TURN: Duration = Duration::from_millis(400);

/// Brokers that give no answer. Requests run side by side and share it.
#[derive(Debug, Default)]
pub(super) struct Silence(Mutex<HashMap<i32, Silent>>);

#[derive(Debug)]
struct Silent {
    error: RequestError,
    pause: Duration,
    ask_again: Instant,
}

impl Silence {
    /// Makes a request to the broker, unless it has kept silent and its pause is
    /// not over.
    pub(super) async fn unless_silent<T>(
        &self,
        broker: i32,
        deadline: Deadline,
        request: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        if let Some(error) = self.of(broker) {
            return Err(error);
        }
        let (sent, time) = (Instant::now(), deadline.left());
        let answer = request.await;
        if answer.is_ok() || time >= SHORTEST_TURN {
            self.note(broker, sent, &answer);
        }
        answer
    }

    /// Why the broker is not to be asked now; `None`: ask it.
    pub(super) fn of(&self, broker: i32) -> Option<RequestError> {
        let now = Instant::now();
        self.with(|brokers| {
            let silent = brokers.get(&broker)?;
            (now < silent.ask_again).then(|| silent.error.clone())
        })
    }

    /// Takes note of what came of a request that was sent at `sent`.
    fn note<T>(&self, broker: i32, sent: Instant, answer: &Result<T, RequestError>) {
        match answer {
            Err(error) if error.is_silence() => self.with(|brokers| {
                // Requests that went out together are one attempt.
                let before = brokers.get(&broker);
                if before.is_some_and(|silent| sent < silent.ask_again) {
                    return;
                }
                let pause =
                    before.map_or(FIRST_PAUSE, |silent| LONGEST_PAUSE.min(2 * silent.pause));
                let silent = Silent {
                    error: error.clone(),
                    pause,
                    ask_again: Instant::now() + jittered(pause),
                };
                brokers.insert(broker, silent);
            }),
            _ => self.with(|brokers| {
                brokers.remove(&broker);
            }),
        }
    }

    /// Only these brokers stay remembered.
    pub(super) fn retain(&self, brokers: &[i32]) {
        self.with(|silent| silent.retain(|broker, _| brokers.contains(broker)));
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<i32, Silent>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Librdkafka tells of each part of a request that there was no answer. If
/// there was none to any part, it is the broker that is silent.
pub(super) fn silent_if_all<T>(
    answer: Result<Vec<T>, RequestError>,
    error: impl Fn(&T) -> Option<ErrorCode>,
) -> Result<Vec<T>, RequestError> {
    let parts = answer?;
    let silence = |part: &T| error(part).filter(|code| code.is_silence());
    match parts.first().and_then(silence) {
        Some(code) if parts.iter().all(|part| silence(part).is_some()) => Err(code.into()),
        _ => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_ANSWER: Result<(), RequestError> = Err(RequestError::TimedOut);

    /// How many attempts a broker that stays silent costs in `span`, when it
    /// could be asked each 100 ms.
    async fn attempts(silence: &Silence, span: Duration) -> u32 {
        let end = Instant::now() + span;
        let mut attempts = 0;
        while Instant::now() < end {
            if silence.of(1).is_none() {
                attempts += 1;
                silence.note(1, Instant::now(), &NO_ANSWER);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        attempts
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_a_bound() {
        let silence = Silence::default();
        let first = attempts(&silence, Duration::from_secs(60)).await;
        assert!((5..=9).contains(&first), "{first}");
        // From then on each 15 to 30 s.
        let later = attempts(&silence, Duration::from_secs(600)).await;
        assert!((20..=41).contains(&later), "{later}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_ends_it_and_other_brokers_are_not_touched() {
        let silence = Silence::default();
        silence.note(1, Instant::now(), &NO_ANSWER);
        assert_eq!(silence.of(1), Some(RequestError::TimedOut));
        assert_eq!(silence.of(2), None);
        // A refusal is an answer.
        let refused: Result<(), _> = Err(ErrorCode(30).into());
        silence.note(1, Instant::now(), &refused);
        assert_eq!(silence.of(1), None);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_went_out_together_are_one_attempt() {
        let silence = Silence::default();
        let sent = Instant::now();
        for _ in 0..100 {
            silence.note(1, sent, &NO_ANSWER);
        }
        tokio::time::sleep(FIRST_PAUSE).await;
        assert_eq!(
            silence.of(1),
            None,
            "the pause did not grow a hundred times"
        );
    }
}
