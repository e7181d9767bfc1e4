//! The counts of all tasks of a queue, from reading to reading.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    estimator::Window,
    model::{
        Commit, Frame, GroupId, GroupReading, GroupTopicReading, PartitionReading, QueueReading,
        SeriesIndex, TimestampMs, TopicName, TopicReading, TopicState,
    },
};

use super::{MAX_TASKS, Task, counts::Counts};

/// A task that nobody asks for is read for so long after its last row: a queue is
/// emptied every night, and its tasks come back the next day.
const REMEMBERED_FOR: Duration = Duration::from_hours(24);

/// The counts of all tasks of a queue.
#[derive(Debug, Clone, Default)]
pub struct Ledger(BTreeMap<GroupId, Entry>);

#[derive(Debug, Clone, Copy)]
struct Entry {
    counts: Counts,
    /// When the query last had a row for it.
    row_at: TimestampMs,
}

impl Ledger {
    /// The counts as they were last recorded, as far as the window reaches.
    pub fn recorded(window: &Window) -> Self {
        let groups = window.index().groups().keys();
        let entry = |task: &GroupId| Some((task.clone(), newest(window, task)?));
        Self(groups.filter_map(entry).collect())
    }

    /// Takes in what a query said at `at`: a task without a row has depth 0, if it is
    /// one of the `watched` or was there lately.
    pub(super) fn take(
        &mut self,
        tasks: &[Task],
        watched: impl IntoIterator<Item = GroupId>,
        at: TimestampMs,
    ) {
        let mut before = std::mem::take(&mut self.0);
        for task in tasks {
            let counts = before.remove(&task.name);
            self.enter(task, counts.map(|entry| entry.counts), at);
        }
        for name in watched {
            if !self.0.contains_key(&name) {
                let entry = before.remove(&name);
                self.enter_empty(name, entry, at);
            }
        }
        let mut lately: Vec<_> = before.into_iter().collect();
        let forgotten = at.minus(REMEMBERED_FOR);
        lately.retain(|(_, entry)| entry.row_at > forgotten);
        // Names that never come back must not fill the memory.
        lately.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.row_at));
        lately.truncate(MAX_TASKS.saturating_sub(self.0.len()));
        for (name, entry) in lately {
            self.enter_empty(name, Some(entry), at);
        }
    }

    /// The counts as a tick has them, sorted by name.
    pub(super) fn readings(&self) -> (Vec<TopicReading>, Vec<GroupReading>) {
        let readings = self.0.iter().map(|(task, entry)| {
            let topic = TopicName::from(task.as_str());
            (
                topic_reading(topic.clone(), entry.counts),
                group_reading(task.clone(), topic, entry.counts),
            )
        });
        readings.unzip()
    }

    fn enter(&mut self, task: &Task, before: Option<Counts>, row_at: TimestampMs) {
        let counts = before.map_or_else(|| Counts::first(task), |before| before.next(task));
        let entry = Entry { counts, row_at };
        self.0.insert(task.name.clone(), entry);
    }

    fn enter_empty(&mut self, name: GroupId, before: Option<Entry>, at: TimestampMs) {
        let empty = Task {
            name,
            depth: 0,
            reading: QueueReading::default(),
        };
        let row_at = before.map_or(at, |entry| entry.row_at);
        self.enter(&empty, before.map(|entry| entry.counts), row_at);
    }
}

/// Where a task stands in the frames of its queue.
struct Columns {
    end: u32,
    committed: u32,
    oldest_age: Option<u32>,
    added: Option<u32>,
    done: Option<u32>,
}

impl Columns {
    /// `None`: it is no task, or was never read.
    fn of(index: &SeriesIndex, task: &GroupId) -> Option<Self> {
        let series = index.groups().get(task).filter(|series| series.is_task())?;
        Some(Self {
            end: index.topics().get(task.as_str())?.log_end.single()?,
            committed: series.topics.get(task.as_str())?.single()?,
            oldest_age: series.oldest_age(),
            added: series.added(),
            done: series.done(),
        })
    }

    /// What one recorded tick says; `None` if the task could not be read then.
    fn entry(&self, frame: &Frame) -> Option<Entry> {
        let of = |column| frame.optional_cell(column).value();
        let reading = QueueReading {
            oldest_age_ms: of(self.oldest_age),
            added: of(self.added),
            done: of(self.done),
        };
        let (end, committed) = (of(Some(self.end))?, of(Some(self.committed))?);
        Some(Entry {
            counts: Counts::at(end, committed, reading),
            row_at: frame.at,
        })
    }
}

/// What the window says last of a task, and of its counters.
fn newest(window: &Window, task: &GroupId) -> Option<Entry> {
    let columns = Columns::of(window.index(), task)?;
    let frames = window.frames().rev();
    let mut entries = frames.filter_map(|frame| columns.entry(frame));
    let newest = entries.next()?;
    if newest.counts.has_counters() {
        return Some(newest);
    }
    let told = entries.find(|entry| entry.counts.has_counters());
    Some(told.map_or(newest, |told| Entry {
        counts: newest.counts.after(&told.counts),
        ..newest
    }))
}

fn topic_reading(topic: TopicName, counts: Counts) -> TopicReading {
    TopicReading {
        topic,
        id: None,
        state: TopicState::Present(vec![PartitionReading {
            log_start_offset: Some(0),
            log_end_offset: Some(counts.end),
        }]),
    }
}

fn group_reading(group: GroupId, topic: TopicName, counts: Counts) -> GroupReading {
    GroupReading {
        group,
        membership: None,
        topics: vec![GroupTopicReading {
            topic,
            commits: vec![Commit::At(counts.committed)],
        }],
        queue: Some(counts.reading),
    }
}
