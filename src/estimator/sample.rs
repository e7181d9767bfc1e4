//! What the estimator is given: samples of one partition, and parameters.

use std::time::Duration;

use crate::model::{Cell, Columns, Frame, Partition, TimestampMs, TopicName, TopicSeries};

use super::window::Window;

/// What one tick says of one group's partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// When.
    pub at: TimestampMs,
    /// Offset of the next record that the group will read.
    pub committed: Cell,
    /// Offset of the first record still there.
    pub log_start: Cell,
    /// Offset that the next record will get.
    pub log_end: Cell,
    /// Which of the topics that had this name it is.
    pub topic_id: Cell,
}

/// How samples are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Over how long rates are measured.
    pub window: Duration,
    /// Up to which age a reading is fresh.
    pub fresh_for: Duration,
    /// Up to which age a reading is used at all.
    pub max_staleness: Duration,
}

impl Window {
    /// Walks the partitions of one group's topic: for each, by number, its
    /// samples of the tick at place `first` and later, oldest first. For what
    /// needs them in a row; estimates go by blocks, which is quicker.
    pub(super) fn each_partition(
        &self,
        first: usize,
        topic: &TopicName,
        commits: &Columns,
        mut visit: impl FnMut(Partition, &[Sample]),
    ) {
        let unread = TopicSeries::default();
        let logs = self.index().topics().get(topic).unwrap_or(&unread);
        let topic_id = logs.id.single();
        let mut samples = Vec::with_capacity(self.len());
        for (partition, commit) in (0..).zip(commits.iter()) {
            let (start, end) = (logs.log_start.of(partition), logs.log_end.of(partition));
            let sample = |frame: &Frame| Sample {
                at: frame.at,
                committed: frame.cell(commit),
                log_start: frame.optional_cell(start),
                log_end: frame.optional_cell(end),
                topic_id: frame.optional_cell(topic_id),
            };
            samples.clear();
            samples.extend(self.frames_since(first).map(sample));
            visit(partition, &samples);
        }
    }
}

impl Parameters {
    /// How far back readings are used: a quarter beyond the window, for the step
    /// that had begun at its edge.
    pub fn reach(&self) -> Duration {
        self.window + self.window / 4
    }
}

#[cfg(test)]
pub(super) mod testing {
    use std::sync::Arc;

    use super::{
        super::{
            partition::{PartitionStanding, Wanted},
            window::Reach,
        },
        *,
    };
    use crate::model::{SeriesIndex, SeriesKind, SeriesRun};

    const KINDS: [SeriesKind; 4] = [
        SeriesKind::TopicId,
        SeriesKind::LogStartOffset,
        SeriesKind::LogEndOffset,
        SeriesKind::CommittedOffset,
    ];

    /// A window of `samples` of group `g` in the one partition of topic `t`.
    pub(crate) fn window_of(samples: &[Sample]) -> Window {
        let mut index = SeriesIndex::default();
        for (base, kind) in (0..).zip(KINDS) {
            let run = SeriesRun {
                base,
                count: 1,
                kind,
                group: (kind == SeriesKind::CommittedOffset).then(|| "g".into()),
                topic: Some("t".into()),
                watch: None,
                first_partition: 0,
            };
            index.restore(&run).expect("runs follow each other");
        }
        let index = Arc::new(index);
        let mut window = Window::new(Reach::all(DAY));
        for sample in samples {
            let cells = [
                sample.topic_id,
                sample.log_start,
                sample.log_end,
                sample.committed,
            ];
            let frame = Frame::new(sample.at, cells.to_vec());
            window.push(Arc::clone(&index), Arc::new(frame));
        }
        window
    }

    /// Where `g` stands in the partition that has these samples.
    pub(crate) fn standing(
        samples: &[Sample],
        wanted: Wanted,
        now: TimestampMs,
    ) -> PartitionStanding {
        let mut found = PartitionStanding::Gone;
        let window = window_of(samples);
        let parameters = &PARAMETERS;
        window.each_standing("g", &"t".into(), wanted, parameters, now, |_, standing| {
            found = standing;
        });
        found
    }

    /// A window of ticks 10 s apart, each a row of cells. The runs of their
    /// columns are of topic `t`, of group `g` where the kind is a group's.
    pub(crate) fn window_of_rows<const WIDTH: usize>(
        kinds: &[(SeriesKind, u32)],
        ticks: &[[Cell; WIDTH]],
    ) -> Window {
        let mut index = SeriesIndex::default();
        for (kind, count) in kinds {
            let of_group = matches!(kind, SeriesKind::CommittedOffset | SeriesKind::State);
            let run = SeriesRun {
                base: index.width(),
                count: *count,
                kind: *kind,
                group: of_group.then(|| "g".into()),
                topic: (*kind != SeriesKind::State).then(|| "t".into()),
                first_partition: 0,
                watch: None,
            };
            index.restore(&run).expect("runs follow each other");
        }
        let (index, mut window) = (Arc::new(index), Window::new(Reach::all(PARAMETERS.window)));
        for (tick, cells) in (0..).zip(ticks) {
            let frame = Frame::new(at(tick * 10), cells.to_vec());
            window.push(Arc::clone(&index), Arc::new(frame));
        }
        window
    }

    const DAY: Duration = Duration::from_secs(86_400);

    /// Samples from `(seconds, committed, log end)`, with log start 0.
    pub(crate) fn samples(rows: &[(i64, i64, i64)]) -> Vec<Sample> {
        rows.iter()
            .map(|&(seconds, committed, log_end)| Sample {
                at: TimestampMs(seconds * 1000),
                committed: Cell::of(committed),
                log_start: Cell::of(0),
                log_end: Cell::of(log_end),
                topic_id: Cell::ABSENT,
            })
            .collect()
    }

    pub(crate) fn at(seconds: i64) -> TimestampMs {
        TimestampMs(seconds * 1000)
    }

    pub(crate) const PARAMETERS: Parameters = Parameters {
        window: Duration::from_secs(300),
        fresh_for: Duration::from_secs(30),
        max_staleness: Duration::from_secs(300),
    };
}
