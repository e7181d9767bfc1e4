//! How far back readings are of the same counter.

use crate::model::Cell;

use super::sample::Sample;

/// A counter that is read back from its newest sample. It never falls, so one
/// that was higher before began anew in between: no difference means anything
/// across that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch {
    newer: i64,
}

impl Epoch {
    /// Before the newest sample is looked at.
    pub(super) const NEWEST: Self = Self { newer: i64::MAX };

    /// Is the next older sample one of the same counter? What was not read
    /// tells nothing against it.
    #[inline]
    pub(super) fn holds(&mut self, cell: Cell) -> bool {
        match cell.value() {
            Some(value) => {
                let holds = value <= self.newer;
                self.newer = value;
                holds
            }
            // Deleted, or its commits: what came before was another counter.
            None => cell == Cell::ABSENT,
        }
    }
}

/// A log that is read back: since it was last made anew, which shows in where
/// it begins or ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogEpoch {
    start: Epoch,
    end: Epoch,
}

impl LogEpoch {
    /// Before the newest sample is looked at.
    pub(super) const NEWEST: Self = Self {
        start: Epoch::NEWEST,
        end: Epoch::NEWEST,
    };

    /// Is the next older sample one of the same log?
    #[inline]
    pub(super) fn holds(&mut self, log_start: Cell, log_end: Cell) -> bool {
        self.start.holds(log_start) & self.end.holds(log_end)
    }
}

/// Which of the topics that had one name is read back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TopicEpoch {
    newest_id: Option<i64>,
}

impl TopicEpoch {
    /// Is the next older sample one of the same topic?
    pub(super) fn holds(&mut self, topic_id: Cell) -> bool {
        match topic_id.value() {
            Some(id) => *self.newest_id.get_or_insert(id) == id,
            None => true,
        }
    }
}

/// The samples, oldest first, since the topic was last made anew: it has another
/// id, or the log begins or ends further back than it did.
pub(super) fn samples_since_recreated(samples: &[Sample]) -> &[Sample] {
    let (mut topic, mut log) = (TopicEpoch::default(), LogEpoch::NEWEST);
    let newest_first = samples.iter().rev();
    let same = newest_first.take_while(|sample| {
        topic.holds(sample.topic_id) && log.holds(sample.log_start, sample.log_end)
    });
    &samples[samples.len() - same.count()..]
}
