//! Ticks of many groups, without a broker.

use std::{sync::Arc, time::Duration};

use tidegauge::{
    estimator::{Reach, Window},
    model::{Cell, Frame, GroupId, SeriesIndex, SeriesKind, SeriesRun, TimestampMs, TopicName},
};

/// Partitions of each topic.
pub(crate) const PARTITIONS: u32 = 100;
/// 15 minutes.
pub(crate) const TICKS: u32 = 90;
const INTERVAL_S: u32 = 10;

/// What was recorded of groups that read one topic each.
pub(crate) struct Traffic {
    pub(crate) index: Arc<SeriesIndex>,
    pub(crate) frames: Vec<Arc<Frame>>,
    pub(crate) window: Window,
    /// Each group with its topic.
    pub(crate) groups: Vec<(GroupId, TopicName)>,
}

impl Traffic {
    /// `groups` groups, evenly over `topics` topics.
    pub(crate) fn of(groups: u32, topics: u32) -> Self {
        let mut index = SeriesIndex::default();
        for topic in 0..topics {
            place_topic(&mut index, topic);
        }
        let names = (0..groups).map(|group| {
            let (topic, group) = (
                topic_name(group % topics),
                format!("group-{group:05}").into(),
            );
            place(
                &mut index,
                SeriesKind::CommittedOffset,
                Some(&group),
                &topic,
                PARTITIONS,
            );
            (group, topic)
        });
        let names: Vec<_> = names.collect();
        let index = Arc::new(index);
        let span = Duration::from_secs(u64::from(TICKS * INTERVAL_S));
        let mut window = Window::new(Reach::all(span));
        let mut frames = Vec::new();
        for tick in 0..TICKS {
            let at = TimestampMs(i64::from(tick * INTERVAL_S) * 1_000);
            let frame = Arc::new(Frame::new(at, cells(tick, groups, topics)));
            window.push(Arc::clone(&index), Arc::clone(&frame));
            frames.push(frame);
        }
        Self {
            index,
            frames,
            window,
            groups: names,
        }
    }
}

fn topic_name(topic: u32) -> TopicName {
    format!("topic-{topic:05}").as_str().into()
}

fn place_topic(index: &mut SeriesIndex, topic: u32) {
    let topic = topic_name(topic);
    place(index, SeriesKind::TopicId, None, &topic, 1);
    place(index, SeriesKind::LogStartOffset, None, &topic, PARTITIONS);
    place(index, SeriesKind::LogEndOffset, None, &topic, PARTITIONS);
}

fn place(
    index: &mut SeriesIndex,
    kind: SeriesKind,
    group: Option<&GroupId>,
    topic: &TopicName,
    count: u32,
) {
    let run = SeriesRun {
        base: index.width(),
        count,
        kind,
        group: group.cloned(),
        topic: Some(topic.clone()),
        watch: None,
        first_partition: 0,
    };
    index.restore(&run).expect("runs follow each other");
}

/// In the order in which they were placed.
fn cells(tick: u32, groups: u32, topics: u32) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(((topics * 2 + groups) * PARTITIONS + topics) as usize);
    for topic in 0..topics {
        cells.push(Cell::of(1));
        cells.extend((0..PARTITIONS).map(|_| Cell::of(i64::from(tick / 30 * 10))));
        cells.extend((0..PARTITIONS).map(|partition| Cell::of(log_end(topic, partition, tick))));
    }
    for group in 0..groups {
        let is_unread = (group + tick).is_multiple_of(100);
        cells.extend((0..PARTITIONS).map(|partition| {
            if is_unread {
                Cell::ABSENT
            } else {
                Cell::of(committed(group, group % topics, partition, tick))
            }
        }));
    }
    cells
}

/// Up to 200 records/s, unevenly; each tenth partition has none.
fn log_end(topic: u32, partition: u32, tick: u32) -> i64 {
    let seed = topic
        .wrapping_mul(31)
        .wrapping_add(partition)
        .wrapping_mul(2_654_435_761);
    let per_tick = if partition.is_multiple_of(10) {
        0
    } else {
        i64::from(seed % 2_000)
    };
    let jitter = i64::from((seed ^ tick.wrapping_mul(0x9E37_79B1)) >> 12) % (per_tick + 1);
    1_000 + i64::from(tick) * per_tick + jitter
}

/// A group commits each tick, each third or each sixth, what was written up to
/// then, or, each tenth group, some minutes before.
fn committed(group: u32, topic: u32, partition: u32, tick: u32) -> i64 {
    let step = [1, 1, 3, 6][(group % 4) as usize];
    let behind = if group.is_multiple_of(10) {
        12
    } else {
        group % 3
    };
    let commit = (tick + partition % step) / step * step;
    log_end(topic, partition, commit.min(tick).saturating_sub(behind))
}
