//! Lags with their extremes: of ticks as they came, and from what is rolled up.
//!
//! Of a tick as it was recorded, first, least, most and newest are the same:
//! the lag in it. A tick of minutes or hours has what its bucket's ticks had.

use super::{
    error::Fault,
    history::{ChunkReader, LagPlanes, Links, Total},
};
use crate::model::{self, Cell, Columns, Frame, SeriesIndex, TopicName, TopicSeries};

/// Cells that each item has in a frame.
const CELLS: usize = 4;

/// Where the offsets of one group in one partition stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetColumns {
    /// The group's commits.
    pub committed: u32,
    /// `None`: the log start was never read.
    pub log_start: Option<u32>,
    /// `None`: the log end was never read.
    pub log_end: Option<u32>,
}

impl OffsetColumns {
    /// Of a group's commits in `topic`: its partitions from 0 on.
    pub fn of_topic(index: &SeriesIndex, topic: &TopicName, commits: &Columns) -> Vec<Self> {
        let logs = index.topics().get(topic);
        let column = |columns: fn(&TopicSeries) -> &Columns, partition| {
            logs.and_then(|logs| columns(logs).of(partition))
        };
        let partitions = (0..).zip(commits.iter());
        partitions
            .map(|(partition, committed)| Self {
                committed,
                log_start: column(|logs| &logs.log_start, partition),
                log_end: column(|logs| &logs.log_end, partition),
            })
            .collect()
    }

    /// The columns of the log.
    pub(super) fn links(self) -> Links {
        Links {
            log_end: self.log_end,
            log_start: self.log_start,
        }
    }
}

/// Whose lags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LagOf {
    /// Of a group in one partition.
    Partition(OffsetColumns),
    /// Of a group in a topic: its partitions from 0 on, at least one.
    Total(Vec<OffsetColumns>),
}

/// The lags of one item at one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lags {
    /// The earliest known one.
    pub first: Cell,
    /// The least.
    pub min: Cell,
    /// The most.
    pub max: Cell,
    /// As of the newest readings.
    pub newest: Cell,
}

impl Lags {
    /// Of the item in this place of a [`LagSelection`], in one of its frames.
    ///
    /// Absent: not known; gone: nothing to have a lag in, or not yet.
    pub fn of(frame: &Frame, item: usize) -> Self {
        let cell = |number| {
            let column = u32::try_from(CELLS * item + number);
            frame.optional_cell(column.ok())
        };
        Self {
            first: cell(0),
            min: cell(1),
            max: cell(2),
            newest: cell(3),
        }
    }
}

/// What lags are asked for, and the columns that they are computed from.
#[derive(Debug)]
pub struct LagSelection {
    items: Vec<LagOf>,
    /// Ascending.
    sources: Vec<u32>,
}

impl LagSelection {
    /// Of these items, in this order.
    pub fn new(items: Vec<LagOf>) -> Self {
        let partitions = items.iter().flat_map(LagOf::partitions);
        let columns = partitions.flat_map(|partition| {
            let logs = [partition.log_start, partition.log_end];
            logs.into_iter().flatten().chain([partition.committed])
        });
        let mut sources: Vec<_> = columns.collect();
        sources.sort_unstable();
        sources.dedup();
        Self { items, sources }
    }

    /// How many cells a frame has.
    pub(super) fn len(&self) -> usize {
        CELLS * self.items.len()
    }

    pub(super) fn sources(&self) -> &[u32] {
        &self.sources
    }

    /// Which of the sources `column` is.
    pub(super) fn place(&self, column: u32) -> Option<usize> {
        self.sources.binary_search(&column).ok()
    }
}

impl LagOf {
    fn partitions(&self) -> &[OffsetColumns] {
        match self {
            Self::Partition(partition) => std::slice::from_ref(partition),
            Self::Total(partitions) => partitions,
        }
    }

    /// The column that what is rolled up is kept under.
    fn column(&self) -> u32 {
        self.partitions()
            .first()
            .expect("a topic has a partition")
            .committed
    }
}

/// Buffers, and what goes on from one segment to the next.
#[derive(Debug, Default)]
pub(super) struct LagWork {
    /// Which span of time the log starts are of.
    span: Option<i64>,
    /// The newest log start of each partition, in the order of the items.
    log_starts: Vec<Cell>,
    committed: Vec<Cell>,
    log_start: Vec<Cell>,
    log_end: Vec<Cell>,
    lags: Vec<Cell>,
    total: Total,
}

impl LagWork {
    /// Begins with ticks of `span`. The newest log start goes on to the next
    /// segment of the same span, as it does where they are sealed into one chunk.
    pub(super) fn begin(&mut self, span: Option<i64>) {
        if span.is_none() || span != self.span {
            self.log_starts.clear();
        }
        self.span = span;
    }

    /// The lags of each item, tick by tick of the first `widths.len()`, each of
    /// which had so many columns. `read` gives a column's cells.
    pub(super) fn of_ticks(
        &mut self,
        selection: &LagSelection,
        widths: &[u32],
        mut read: impl FnMut(u32, &mut Vec<Cell>) -> Result<(), Fault>,
        mut take: impl FnMut([&[Cell]; CELLS]),
    ) -> Result<(), Fault> {
        let mut place = 0;
        for item in &selection.items {
            self.total.begin(widths.len());
            for partition in item.partitions() {
                self.add(*partition, place, widths, &mut read)?;
                place += 1;
            }
            take([self.total.cells(); CELLS]);
        }
        Ok(())
    }

    fn add(
        &mut self,
        partition: OffsetColumns,
        place: usize,
        widths: &[u32],
        read: &mut impl FnMut(u32, &mut Vec<Cell>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let committed = partition.committed;
        if self.log_starts.len() <= place {
            self.log_starts.resize(place + 1, Cell::ABSENT);
        }
        let Some(log_end) = partition.log_end else {
            self.total.add(None, committed, widths);
            return Ok(());
        };
        read(committed, &mut self.committed)?;
        read(log_end, &mut self.log_end)?;
        self.log_start.clear();
        match partition.log_start {
            Some(log_start) => read(log_start, &mut self.log_start)?,
            None => self.log_start.resize(self.log_end.len(), Cell::ABSENT),
        }
        // What comes after the ticks that are asked for must not be carried on.
        self.log_start.truncate(widths.len());
        model::lags_after(
            &mut self.log_starts[place],
            &self.committed,
            &self.log_start,
            &self.log_end,
            &mut self.lags,
        );
        self.total.add(Some(&self.lags), committed, widths);
        Ok(())
    }

    /// The lags of each item in a chunk of minutes or hours.
    pub(super) fn of_buckets(
        selection: &LagSelection,
        widths: &[u32],
        chunk: &mut ChunkReader<'_>,
        mut take: impl FnMut([&[Cell]; CELLS]),
    ) -> Result<(), Fault> {
        let mut planes = LagPlanes::default();
        for item in &selection.items {
            read_planes(chunk, item, &mut planes)?;
            planes.mark_gone(item.column(), widths);
            take(planes.as_slices());
        }
        Ok(())
    }
}

fn read_planes(
    chunk: &mut ChunkReader<'_>,
    item: &LagOf,
    into: &mut LagPlanes,
) -> Result<(), Fault> {
    match item {
        LagOf::Partition(partition) => chunk.lags(partition.committed, partition.links(), into),
        LagOf::Total(_) => chunk.totals(item.column(), into),
    }
}
