//! The one place where tests sleep: between two looks at a condition.

use std::thread;
use std::time::{Duration, Instant};

/// Short against everything that tests wait for, long against a busy loop.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until `look` finds something; `None` when `limit` has passed.
///
/// The last look starts no later than `limit`, so a slow `look` can take longer.
pub(crate) fn wait_until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(PAUSE);
    }
}
