//! Which brokers can be asked for what any broker knows.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use super::client::DescribedTopic;

/// The brokers that are known, by id.
#[derive(Debug, Default)]
pub(super) struct KnownBrokers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    all: BTreeSet<i32>,
    best: Option<i32>,
}

impl KnownBrokers {
    /// All brokers, the one that answered last first; none if none is known.
    pub(super) fn best_first(&self) -> Vec<i32> {
        self.with(|known| {
            let others = known.all.iter().filter(|id| Some(**id) != known.best);
            let best_first = known.best.iter().chain(others);
            best_first.copied().collect()
        })
    }

    /// These are up.
    pub(super) fn learn(&self, brokers: Vec<i32>) {
        self.with(|known| known.all = brokers.into_iter().collect());
    }

    /// `broker` answered; the leaders that it names are brokers too.
    pub(super) fn answered(&self, broker: i32, found: &[DescribedTopic]) {
        let topics = found.iter().filter_map(|(_, topic)| topic.as_ref().ok());
        let leaders = topics.flat_map(|topic| &topic.leaders);
        self.with(|known| {
            known.best = Some(broker);
            known.all.insert(broker);
            known.all.extend(leaders.flatten());
        });
    }

    /// None is known any more.
    pub(super) fn forget(&self) {
        self.with(|known| *known = Known::default());
    }

    fn with<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
