//! A queue's history, without a database.

use std::{path::Path, time::Duration};

use tidegauge::{
    model::{
        Commit, GroupReading, GroupTopicReading, PartitionReading, QueueReading, Tick, TimestampMs,
        TopicReading, TopicState,
    },
    store,
};

/// Three minutes, up to now, of a task of which 1 item/s comes and 2.5 go; 145
/// wait at the end, the oldest for 42 s. The queue has no counters.
pub(crate) fn record_task(data_dir: &Path, queue: &str, task: &str) {
    let (mut writer, _store) = store::open(data_dir).unwrap();
    let begin = TimestampMs::now().minus(Duration::from_secs(175));
    for n in 0..18_i64 {
        let at = begin.plus(Duration::from_secs(10 * n.unsigned_abs()));
        let tick = tick(queue, task, at, (400 + 10 * n, 25 * n));
        let placed = writer.place(&tick);
        writer.record(&placed, &[]).unwrap();
    }
}

/// The configuration of a queue whose database is not there.
pub(crate) fn unreachable(queue: &str) -> String {
    format!(
        "[queues.{queue}]\nhost = \"127.0.0.1\"\nport = 1\ndatabase = \"d\"\nuser = \"u\"\ntls = \"off\"\n"
    )
}

fn tick(queue: &str, task: &str, at: TimestampMs, (come, gone): (i64, i64)) -> Tick {
    let log = PartitionReading {
        log_start_offset: Some(0),
        log_end_offset: Some(come),
    };
    Tick {
        cluster: queue.into(),
        at,
        topics: vec![TopicReading {
            topic: task.into(),
            id: None,
            state: TopicState::Present(vec![log]),
        }],
        groups: vec![GroupReading {
            group: task.into(),
            membership: None,
            topics: vec![GroupTopicReading {
                topic: task.into(),
                commits: vec![Commit::At(gone)],
            }],
            queue: Some(QueueReading {
                oldest_age_ms: Some(42_000),
                added: None,
                done: None,
            }),
        }],
        gaps: Vec::new(),
    }
}
