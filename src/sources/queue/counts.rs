//! What has come to a task and what has gone, of which a database tells only the
//! difference.

use crate::model::QueueReading;

use super::Task;

/// One task's counts as of its newest reading, both since recording began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// What has come: the log's end.
    pub(super) end: i64,
    /// What has gone: the commit.
    pub(super) committed: i64,
    /// What the database said beside.
    pub(super) reading: QueueReading,
}

impl Counts {
    /// Those of a task of which nothing is known yet.
    pub(super) fn first(task: &Task) -> Self {
        Self {
            end: task.depth,
            committed: 0,
            reading: task.reading,
        }
    }

    /// Those after the next reading, which never fall; begun anew where they
    /// would become too large for a number.
    ///
    /// What has come is told by `added`, else by `done` and the rise of the depth,
    /// else at least the rise itself. Where more has come back than that, as
    /// retries do, it is the rise that has come.
    pub(super) fn next(&self, task: &Task) -> Self {
        self.advanced(task).unwrap_or_else(|| Self::first(task))
    }

    fn advanced(&self, task: &Task) -> Option<Self> {
        let rise = task.depth.checked_sub(self.depth())?;
        let (before, now) = (&self.reading, &task.reading);
        let come = match (
            growth(before.added, now.added),
            growth(before.done, now.done),
        ) {
            (Some(added), _) => added,
            (None, Some(done)) => done.checked_add(rise)?,
            (None, None) => rise,
        };
        let come = come.max(rise).max(0);
        Some(Self {
            end: self.end.checked_add(come)?,
            committed: self.committed.checked_add(come.checked_sub(rise)?)?,
            reading: task.reading,
        })
    }

    pub(super) fn depth(&self) -> i64 {
        self.end - self.committed
    }
}

/// How far a counter has grown; `None` where it is not known, or went back.
fn growth(before: Option<i64>, now: Option<i64>) -> Option<i64> {
    let growth = now?.checked_sub(before?)?;
    (growth >= 0).then_some(growth)
}
