//! The bound on brokers that run at one time in one test process.

use std::sync::{Condvar, Mutex, PoisonError};

/// Tests run in parallel, on few cores.
const MAX_BROKERS: usize = 2;

static BROKERS: Mutex<usize> = Mutex::new(0);
static BROKER_ENDED: Condvar = Condvar::new();

/// The right to run one broker, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot(());

impl Slot {
    pub(super) fn take() -> Slot {
        let brokers = BROKERS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut brokers = BROKER_ENDED
            .wait_while(brokers, |brokers| *brokers >= MAX_BROKERS)
            .unwrap_or_else(PoisonError::into_inner);
        *brokers += 1;
        Slot(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *BROKERS.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        BROKER_ENDED.notify_one();
    }
}
