//! The commits that samples show.

use crate::model::{Cell, TimestampMs, lag_records};

use super::super::{epoch::samples_since_recreated, sample::Sample};

/// So many commits are judged, the newest. As many as Burrow keeps.
pub const MAX_COMMITS: usize = 10;

/// A change of the committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Offset of the next record to read.
    pub offset: i64,
    /// The reading before it, when it was not made yet. `None`: it was there in
    /// the oldest reading, and was made at any time before.
    pub made_after: Option<TimestampMs>,
    /// The first reading that showed it; the latest that it can have been made.
    pub observed_at: TimestampMs,
    /// Lag in that reading, in records. `None`: the log end was not read then;
    /// or the commit may be much older than the reading, which hides how much
    /// of the lag has come since.
    pub lag: Option<u64>,
}

/// What is known of the commits in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Commits {
    /// The newest [`MAX_COMMITS`], oldest first; offsets of neighbours differ.
    pub(super) list: Vec<Commit>,
    /// When the committed offset was read last.
    pub(super) read_at: Option<TimestampMs>,
    /// How many readings in a row, up to the last, showed the newest commit.
    pub(super) readings_of_last: usize,
    /// The newest log end offsets, as many as commits, newest first.
    pub(super) log_ends: Vec<i64>,
}

impl Commits {
    /// Of samples of one partition, oldest first. A topic that is made anew, or
    /// commits that are deleted, begin another list; a commit that goes back
    /// does not, for that is what a rewind is.
    pub(super) fn of(samples: &[Sample]) -> Self {
        let samples = samples_since_recreated(samples);
        let mut commits = Self::default();
        let mut log_start = Cell::ABSENT;
        for sample in samples {
            if sample.log_start != Cell::ABSENT {
                log_start = sample.log_start;
            }
            commits.take_in(sample, log_start);
        }
        let older = commits.list.len().saturating_sub(MAX_COMMITS);
        commits.list.drain(..older);
        let newest_first = samples.iter().rev();
        let log_ends = newest_first.filter_map(|sample| sample.log_end.value());
        commits.log_ends = log_ends.take(MAX_COMMITS).collect();
        commits
    }

    fn take_in(&mut self, sample: &Sample, log_start: Cell) {
        match sample.committed {
            Cell::ABSENT => return,
            Cell::NO_COMMIT | Cell::GONE => {
                self.list.clear();
                self.readings_of_last = 0;
            }
            committed => self.read(committed.value(), sample, log_start),
        }
        self.read_at = Some(sample.at);
    }

    fn read(&mut self, offset: Option<i64>, sample: &Sample, log_start: Cell) {
        let Some(offset) = offset else { return };
        if self.list.last().is_some_and(|last| last.offset == offset) {
            self.readings_of_last += 1;
            return;
        }
        let lag = lag(offset, log_start, sample.log_end);
        self.readings_of_last = 1;
        self.list.push(Commit {
            offset,
            made_after: self.read_at,
            observed_at: sample.at,
            // A lag of 0 was 0 when it was made, too: the log only grows.
            lag: lag.filter(|lag| self.read_at.is_some() || *lag == 0),
        });
    }
}

fn lag(committed: i64, log_start: Cell, log_end: Cell) -> Option<u64> {
    Some(lag_records(committed, log_start.value()?, log_end.value()?))
}
