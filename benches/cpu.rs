//! CPU time, by Linux's account.

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds of CPU that `clock`, the process's or the thread's, tells so far.
pub(crate) fn ms(clock: ClockId) -> f64 {
    let used = clock_gettime(clock);
    used.tv_sec as f64 * 1e3 + used.tv_nsec as f64 / 1e6
}
