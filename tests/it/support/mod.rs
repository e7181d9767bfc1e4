//! What the stories stand on: a scaler process, and brokers.

pub(crate) mod audit;
pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod cgroup;
pub(crate) mod collector;
pub(crate) mod confined;
pub(crate) mod crowd;
pub(crate) mod demo;
pub(crate) mod disk;
pub(crate) mod grpc_client;
pub(crate) mod helm;
pub(crate) mod history;
pub(crate) mod hosts;
pub(crate) mod kafka;
pub(crate) mod keda;
pub(crate) mod plugins;
pub(crate) mod postgres;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod queue;
pub(crate) mod redis;
pub(crate) mod scaler;
pub(crate) mod secured;
pub(crate) mod tls;
pub(crate) mod token_server;
pub(crate) mod volume;
pub(crate) mod wait;

use std::time::{Duration, Instant};

/// How long a story waits for anything before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer; fails with `what` after
/// [`PATIENCE`].
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask).await
}

/// The same for what may take longer.
pub(crate) async fn within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
