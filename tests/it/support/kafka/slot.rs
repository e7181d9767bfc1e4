//! The bound on brokers that run at one time in one test process.

use std::sync::{Condvar, Mutex, PoisonError};

/// Tests run in parallel, on few cores.
const MAX_BROKERS: usize = 2;

static BROKERS: Mutex<usize> = Mutex::new(0);
static BROKER_ENDED: Condvar = Condvar::new();

/// The right to run brokers, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    brokers: usize,
}

impl Slot {
    /// For a single broker.
    pub(super) fn one() -> Slot {
        Slot::take(1)
    }

    /// For a cluster, which is more than the bound, but alone.
    pub(super) fn all() -> Slot {
        Slot::take(MAX_BROKERS)
    }

    /// All at once or nothing yet: two clusters that each held a part, and
    /// waited for the rest, would wait for ever. Who waits for all keeps nobody
    /// from taking one, so that a test with a broker gets its second.
    fn take(wanted: usize) -> Slot {
        let brokers = BROKERS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut brokers = BROKER_ENDED
            .wait_while(brokers, |brokers| *brokers + wanted > MAX_BROKERS)
            .unwrap_or_else(PoisonError::into_inner);
        *brokers += wanted;
        Slot { brokers: wanted }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *BROKERS.lock().unwrap_or_else(PoisonError::into_inner) -= self.brokers;
        // The one that wakes first may want more than there is.
        BROKER_ENDED.notify_all();
    }
}
