//! When a token is fetched: whenever librdkafka wants one, and, if that fails,
//! again and again until it works.

use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;

use super::{Token, TokenError};
use crate::kafka::poller::jittered;

/// The pause after the first failure; it doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: a secret that was put right is found within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// However short its tokens live, a server is asked once in this time.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// Where tokens come from: a token endpoint, or in tests something that fails
/// to order.
pub(super) trait TokenSource {
    /// A new token.
    fn fetch(&self) -> impl Future<Output = Result<Token, TokenError>> + Send;
}

/// Fetches a token whenever one is `wanted`, and hands it over, or the reason
/// why there is none. Never ends.
pub(super) async fn refresh(
    wanted: &Notify,
    source: &impl TokenSource,
    hand_over: impl Fn(Result<&Token, &TokenError>) -> Result<(), TokenError>,
) {
    loop {
        wanted.notified().await;
        let mut pause = FIRST_PAUSE;
        while let Err(error) = fetch(wanted, source, &hand_over).await {
            // Nothing can be done about a failure to tell of a failure.
            let _ = hand_over(Err(&error));
            tokio::time::sleep(jittered(pause)).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
        tokio::time::sleep(LEAST_PAUSE).await;
    }
}

async fn fetch(
    wanted: &Notify,
    source: &impl TokenSource,
    hand_over: &impl Fn(Result<&Token, &TokenError>) -> Result<(), TokenError>,
) -> Result<(), TokenError> {
    let token = source.fetch().await?;
    // Whoever asked until now gets this one. Before it is handed over: from
    // then on, who asks wants the next.
    wanted.notified().now_or_never();
    hand_over(Ok(&token))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, AtomicU32, Ordering},
        },
        time::SystemTime,
    };

    use tokio::time::Instant;

    use super::*;
    use crate::config::Secret;

    #[derive(Default)]
    struct Fake {
        fails: AtomicBool,
        asked: AtomicU32,
    }

    impl TokenSource for Arc<Fake> {
        async fn fetch(&self) -> Result<Token, TokenError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            match self.fails.load(Ordering::Relaxed) {
                true => Err(TokenError::Status(503)),
                false => Ok(Token {
                    value: Secret::new("t"),
                    expires: SystemTime::now(),
                }),
            }
        }
    }

    struct Running {
        wanted: Arc<Notify>,
        source: Arc<Fake>,
        handed: Arc<Mutex<Vec<(Instant, bool)>>>,
        _task: tokio_util::task::AbortOnDropHandle<()>,
    }

    fn run() -> Running {
        let (wanted, source) = <(Arc<Notify>, Arc<Fake>)>::default();
        let handed = <Arc<Mutex<Vec<(Instant, bool)>>>>::default();
        let (asks, tokens, log) = (
            Arc::clone(&wanted),
            Arc::clone(&source),
            Arc::clone(&handed),
        );
        let task = tokio::spawn(async move {
            let hand_over = |token: Result<&Token, &TokenError>| {
                let note = (Instant::now(), token.is_ok());
                log.lock().expect("lock").push(note);
                Ok(())
            };
            refresh(&asks, &tokens, hand_over).await;
        });
        Running {
            wanted,
            source,
            handed,
            _task: tokio_util::task::AbortOnDropHandle::new(task),
        }
    }

    impl Running {
        async fn for_s(&self, seconds: u64) -> usize {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            self.handed.lock().expect("lock").len()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_fetched_when_one_is_wanted() {
        let running = run();
        assert_eq!(running.for_s(60).await, 0);
        running.wanted.notify_one();
        assert_eq!(running.for_s(60).await, 1);
        running.wanted.notify_one();
        assert_eq!(running.for_s(60).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_asked_once_a_second_however_often_one_is_wanted() {
        let running = run();
        for _ in 0..100 {
            running.wanted.notify_one();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let asked = running.source.asked.load(Ordering::Relaxed);
        assert!((9..=11).contains(&asked), "{asked}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_and_tried_again_with_longer_and_longer_pauses() {
        let running = run();
        running.source.fails.store(true, Ordering::Relaxed);
        running.wanted.notify_one();
        running.for_s(600).await;
        let handed = running.handed.lock().expect("lock").clone();
        assert!(handed.iter().all(|(_, is_token)| !is_token));
        let pauses: Vec<Duration> = handed.windows(2).map(|two| two[1].0 - two[0].0).collect();
        assert!(pauses[0] <= FIRST_PAUSE, "{pauses:?}");
        assert!(
            pauses.iter().all(|pause| *pause <= LONGEST_PAUSE),
            "{pauses:?}"
        );
        assert!((12..40).contains(&handed.len()), "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_one_token_serves_all_who_asked_meanwhile() {
        let running = run();
        running.source.fails.store(true, Ordering::Relaxed);
        running.wanted.notify_one();
        running.for_s(30).await;
        // As librdkafka does it, 10 seconds after it was told of a failure.
        running.wanted.notify_one();
        running.for_s(30).await;
        running.source.fails.store(false, Ordering::Relaxed);
        running.for_s(300).await;
        let handed = running.handed.lock().expect("lock").clone();
        let tokens = handed.iter().filter(|(_, is_token)| *is_token).count();
        assert_eq!(tokens, 1);
    }
}
