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
    /// When it last said how many were added or done: a task without a row says
    /// nothing, and what came meanwhile is told by the counters afterwards.
    anchor: Anchor,
}

/// The counts at a reading that had counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Anchor {
    end: i64,
    committed: i64,
    added: Option<i64>,
    done: Option<i64>,
}

impl Counts {
    /// Those of a task of which nothing is known yet.
    pub(super) fn first(task: &Task) -> Self {
        Self::at(task.depth, 0, task.reading)
    }

    /// Those that were recorded with this reading.
    pub(super) fn at(end: i64, committed: i64, reading: QueueReading) -> Self {
        Self {
            end,
            committed,
            reading,
            anchor: Anchor {
                end,
                committed,
                added: reading.added,
                done: reading.done,
            },
        }
    }

    /// The same, where the newest reading with counters is the one of `before`.
    pub(super) fn after(self, before: &Self) -> Self {
        let anchor = match self.has_counters() {
            true => self.anchor,
            false => before.anchor,
        };
        Self { anchor, ..self }
    }

    /// Did the reading have a counter?
    pub(super) fn has_counters(&self) -> bool {
        self.reading.added.or(self.reading.done).is_some()
    }

    /// Those after the next reading, which never fall; begun anew where they
    /// would become too large for a number.
    ///
    /// What has come is told by `added`, else by `done` and the depth, else at
    /// least the rise of the depth. Where more has come back than that, as
    /// retries do, it is the rise that has come.
    pub(super) fn next(&self, task: &Task) -> Self {
        self.advanced(task).unwrap_or_else(|| Self::first(task))
    }

    fn advanced(&self, task: &Task) -> Option<Self> {
        let rise = task.depth.checked_sub(self.depth())?;
        let least = self.end.checked_add(rise.max(0))?;
        let end = self.counted(task)?.map_or(least, |end| end.max(least));
        let next = Self::at(end, end - task.depth, task.reading);
        Some(next.after(self))
    }

    /// The end as the counters tell it, since they last did; `None` within: they
    /// don't, or went back.
    fn counted(&self, task: &Task) -> Option<Option<i64>> {
        let (before, now) = (&self.anchor, &task.reading);
        let growths = (
            growth(before.added, now.added),
            growth(before.done, now.done),
        );
        Some(match growths {
            (Some(added), _) => Some(before.end.checked_add(added)?),
            (None, Some(done)) => {
                let committed = before.committed.checked_add(done)?;
                Some(committed.checked_add(task.depth)?)
            }
            (None, None) => None,
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
