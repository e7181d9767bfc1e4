//! Prepares all answers after each tick, so that none is made while KEDA waits.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::board::BoardReader;

use super::watches::Watches;

/// Judges all watches after each tick, until `cancel` is cancelled or nobody
/// publishes ticks any more. An error: judging broke down.
pub async fn judge_until_cancelled(
    watches: Arc<Watches>,
    mut board: BoardReader,
    cancel: CancellationToken,
) -> Result<(), tokio::task::JoinError> {
    loop {
        let (newest, judged) = (board.borrow_and_update().clone(), Arc::clone(&watches));
        // On a thread of its own: thousands of watches take milliseconds, for
        // which no call should wait.
        spawn_blocking(move || judged.judge(&newest)).await?;
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            changed = board.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}
