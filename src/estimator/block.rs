//! Partitions whose columns lie side by side, judged together.

use std::borrow::Cow;

use crate::model::{Cell, Columns, Frame, Partition, TopicSeries};

/// A block has at most so many partitions, so that what is noted of each fits
/// into the processor's first cache.
pub(super) const BLOCK: usize = 128;

static ABSENT: [Cell; BLOCK] = [Cell::ABSENT; BLOCK];

/// Partitions of one group's topic, of which each kind of series lies in
/// neighbouring columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// The first of them.
    pub(super) first: Partition,
    /// How many there are.
    pub(super) len: usize,
    topic_id: Option<u32>,
    committed: Option<u32>,
    log_start: Option<u32>,
    log_end: Option<u32>,
}

/// All partitions that have a commit's column, in blocks; without `logs` of a
/// topic that was never read.
pub(super) fn blocks(commits: &Columns, logs: Option<&TopicSeries>) -> impl Iterator<Item = Block> {
    let mut next: Partition = 0;
    std::iter::from_fn(move || {
        let block = Block::from(next, commits, logs)?;
        next = next.checked_add(Partition::try_from(block.len).ok()?)?;
        Some(block)
    })
}

impl Block {
    fn from(first: Partition, commits: &Columns, logs: Option<&TopicSeries>) -> Option<Self> {
        let mut len = BLOCK;
        let mut column = |columns: &Columns| {
            let (column, count) = columns.run_from(first)?;
            len = len.min(count as usize);
            Some(column)
        };
        let committed = Some(column(commits)?);
        let log_start = logs.and_then(|logs| column(&logs.log_start));
        let log_end = logs.and_then(|logs| column(&logs.log_end));
        Some(Self {
            first,
            len,
            topic_id: logs.and_then(|logs| logs.id.single()),
            committed,
            log_start,
            log_end,
        })
    }

    /// Which of the topics that had this name it is.
    pub(super) fn topic_id(&self, frame: &Frame) -> Cell {
        frame.optional_cell(self.topic_id)
    }

    /// Committed offsets, by partition.
    pub(super) fn committed<'a>(&self, frame: &'a Frame) -> Cow<'a, [Cell]> {
        self.cells(frame, self.committed)
    }

    /// Log start offsets, by partition.
    pub(super) fn log_start<'a>(&self, frame: &'a Frame) -> Cow<'a, [Cell]> {
        self.cells(frame, self.log_start)
    }

    /// Log end offsets, by partition.
    pub(super) fn log_end<'a>(&self, frame: &'a Frame) -> Cow<'a, [Cell]> {
        self.cells(frame, self.log_end)
    }

    /// As many cells as there are partitions: what the frame lacks is absent.
    #[inline]
    fn cells<'a>(&self, frame: &'a Frame, base: Option<u32>) -> Cow<'a, [Cell]> {
        let base = base.map_or(usize::MAX, |base| base as usize);
        let held = frame.cells().get(base..).unwrap_or_default();
        match held.get(..self.len) {
            Some(cells) => Cow::Borrowed(cells),
            None if held.is_empty() => Cow::Borrowed(&ABSENT[..self.len]),
            // No tick is placed so: its frame has whole runs or nothing of them.
            None => {
                let mut cells = held.to_vec();
                cells.resize(self.len, Cell::ABSENT);
                Cow::Owned(cells)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SeriesIndex, SeriesKind, SeriesRun, TimestampMs};

    #[test]
    fn a_block_ends_where_columns_do_and_a_narrow_frame_has_less() {
        let mut index = SeriesIndex::default();
        for (kind, first_partition, count) in [
            (SeriesKind::CommittedOffset, 0, 300),
            (SeriesKind::LogEndOffset, 0, 200),
            (SeriesKind::LogEndOffset, 200, 20),
        ] {
            let run = SeriesRun {
                base: index.width(),
                count,
                kind,
                group: (kind == SeriesKind::CommittedOffset).then(|| "g".into()),
                topic: Some("t".into()),
                watch: None,
                first_partition,
            };
            index.restore(&run).expect("runs follow each other");
        }
        let commits = &index.groups()["g"].topics["t"];
        let blocks: Vec<_> = blocks(commits, index.topics().get("t")).collect();
        let places: Vec<_> = blocks.iter().map(|it| (it.first, it.len)).collect();
        assert_eq!(places, [(0, 128), (128, 72), (200, 20), (220, 80)]);

        let frame = Frame::new(TimestampMs(1), (0..130).map(Cell::of).collect());
        assert_eq!(blocks[0].committed(&frame)[127], Cell::of(127));
        let narrow = blocks[1].committed(&frame);
        assert_eq!(narrow[..3], [Cell::of(128), Cell::of(129), Cell::ABSENT]);
        assert_eq!(blocks[2].log_end(&frame).as_ref(), [Cell::ABSENT; 20]);
        assert_eq!(blocks[3].log_start(&frame).as_ref(), [Cell::ABSENT; 80]);
    }
}
