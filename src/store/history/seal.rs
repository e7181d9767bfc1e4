//! Sealing: from the head's ticks to chunks, and from the chunks of a day's
//! minutes to its hours.
//!
//! A seal goes in slices, some tens of milliseconds each, so that who drives it
//! can pause in between; the head is only read until the chunk is whole, and
//! history is another file, so a tick waits for none of it. Each slice commits
//! by itself and the last one brings the headers. Killed in between, the next
//! seal begins anew in the same place, and a chunk that is whole is never written
//! again: only then is the head cut.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use redb::{ReadOnlyTable, WriteTransaction};

use super::{
    block::{Block, BlockWriter, Links, Place},
    chunk::ChunkReader,
    header::{Header, MAX_TICKS},
    links::{GroupTopic, group_topics, links_by_column},
    retention::drop_blocks,
    rollup::{Buckets, Extremes, Total},
    tables::{BLOCKS, BlockKey, CHUNKS, Level, Plane},
};
use crate::{
    model::{self, Cell, SeriesIndex},
    store::{error::Fault, files::Files, head::StreamId, recent::PackedSegment},
};

/// Columns of one slice.
const SLICE_COLUMNS: u32 = 1_024;
/// The same where they come from a day's chunks of minutes, each with its lags.
const SLICE_COLUMNS_OF_MINUTES: u32 = 128;
/// Finished blocks are written when there are so many bytes of them: few
/// transactions, and none that keeps the disk busy for long. In tests a small
/// chunk takes several.
const SLICE_BYTES: usize = if cfg!(test) { 16 << 10 } else { 4 << 20 };

/// Where a chunk's columns come from.
enum Source {
    /// The head's segments, in order.
    Segments(Vec<Arc<PackedSegment>>),
    /// Chunks of minutes in order: first tick and number of ticks.
    Minutes(Vec<(i64, usize)>),
}

/// One chunk in the making, with the chunk of the next level that is made along.
pub(in crate::store) struct Seal {
    stream: StreamId,
    /// The first tick that it covers.
    first: i64,
    source: Source,
    times: Vec<i64>,
    widths: Vec<u32>,
    links: Vec<Links>,
    /// Those whose totals are added up along with their columns.
    along: Along,
    /// The others, whose totals are made when their first column goes by: a
    /// block's columns ascend.
    apart: VecDeque<GroupTopic>,
    /// The chunk of the ticks as they came, if they are sealed.
    fine: Option<BlockWriter>,
    coarse: Coarse,
    next_column: u32,
    blocks: Vec<Block>,
    fine_bytes: u64,
    coarse_bytes: u64,
    has_written: bool,
}

/// Totals that are added up while their columns go by: of group and topic whose
/// columns stand together.
#[derive(Default)]
struct Along {
    /// Ascending.
    columns: VecDeque<Range<u32>>,
    total: Total,
}

impl Along {
    /// Takes what it can of these, as far as ticks of this width have them.
    fn of(group_topics: &mut VecDeque<GroupTopic>, width: u32) -> Self {
        let mut columns = VecDeque::new();
        group_topics.retain(|group_topic| match group_topic.contiguous() {
            Some(contiguous) => {
                columns.push_back(contiguous.start..contiguous.end.min(width));
                false
            }
            None => true,
        });
        Self {
            columns,
            total: Total::default(),
        }
    }

    /// Adds the lags of `column`, if it is one of commits. The total is whole
    /// when this returns the column that it is kept under.
    fn add(&mut self, column: u32, links: Links, widths: &[u32], work: &Work) -> Option<u32> {
        let columns = self.columns.front()?.clone();
        if !columns.contains(&column) {
            return None;
        }
        if column == columns.start {
            self.total.begin(widths.len());
        }
        self.total.add(work.lags(links), column, widths);
        if column + 1 < columns.end {
            return None;
        }
        self.columns.pop_front();
        Some(columns.start)
    }
}

/// The writers of a chunk of minutes or hours.
struct Coarse {
    level: Level,
    buckets: Buckets,
    newest: BlockWriter,
    lags: Extremes<BlockWriter>,
    totals: Extremes<BlockWriter>,
    newest_total: BlockWriter,
}

impl Seal {
    /// Of the head's segments, which become a chunk of raw ticks and one of
    /// minutes.
    pub(in crate::store) fn of_segments(
        stream: StreamId,
        segments: Vec<Arc<PackedSegment>>,
        index: &SeriesIndex,
    ) -> Self {
        let times: Vec<i64> = segments.iter().flat_map(|s| s.times()).copied().collect();
        let widths = segments.iter().flat_map(|s| s.widths()).copied().collect();
        assert!(
            (1..=MAX_TICKS).contains(&times.len()),
            "a chunk's ticks are bounded"
        );
        let fine = Place {
            level: Level::Raw,
            first: times[0],
            stream,
            plane: Plane::Newest,
        };
        let mut seal = Self::new(stream, times[0], Level::Minutes, times, widths, index);
        let width = seal.width();
        seal.along = Along::of(&mut seal.apart, width);
        seal.source = Source::Segments(segments);
        seal.fine = Some(BlockWriter::new(fine));
        seal
    }

    /// Of chunks of minutes, each under its first tick, which become a chunk of
    /// hours.
    pub(in crate::store) fn of_minutes(
        stream: StreamId,
        chunks: &[(i64, Header)],
        index: &SeriesIndex,
    ) -> Self {
        let headers = || chunks.iter().map(|(_, header)| header);
        let times = headers()
            .flat_map(|header| &header.times)
            .copied()
            .collect();
        let widths = headers()
            .flat_map(|header| &header.widths)
            .copied()
            .collect();
        let mut seal = Self::new(stream, chunks[0].0, Level::Hours, times, widths, index);
        let ticks = chunks
            .iter()
            .map(|(first, header)| (*first, header.times.len()));
        seal.source = Source::Minutes(ticks.collect());
        seal
    }

    fn new(
        stream: StreamId,
        first: i64,
        level: Level,
        times: Vec<i64>,
        widths: Vec<u32>,
        index: &SeriesIndex,
    ) -> Self {
        Self {
            stream,
            first,
            source: Source::Segments(Vec::new()),
            coarse: Coarse::new(stream, first, level, &times),
            links: links_by_column(index),
            along: Along::default(),
            apart: group_topics(index).into(),
            times,
            widths,
            fine: None,
            next_column: 0,
            blocks: Vec::new(),
            fine_bytes: 0,
            coarse_bytes: 0,
            has_written: false,
        }
    }

    /// The last tick that it covers.
    pub(in crate::store) fn last(&self) -> i64 {
        *self.times.last().expect("a chunk has a tick")
    }

    /// Does one slice; `false` when the chunk is whole and durable.
    pub(in crate::store) fn step(&mut self, files: &Files) -> Result<bool, Fault> {
        if self.next_column < self.width() {
            let end = self
                .width()
                .min(self.next_column + self.source.slice_columns());
            self.seal_columns(files, self.next_column..end)?;
            self.next_column = end;
        } else {
            self.finish_writers();
            self.write_blocks(files, true)?;
            return Ok(false);
        }
        let pending: usize = self.blocks.iter().map(|(_, bytes)| bytes.len()).sum();
        if pending >= SLICE_BYTES {
            self.write_blocks(files, false)?;
        }
        Ok(true)
    }

    fn width(&self) -> u32 {
        self.widths.iter().copied().max().unwrap_or_default()
    }

    fn seal_columns(&mut self, files: &Files, columns: Range<u32>) -> Result<(), Fault> {
        let (mut work, mut total) = (Work::default(), Total::default());
        files.history.read(|transaction| {
            let table = transaction.open_table(BLOCKS)?;
            let mut source = self.source.open(self.stream, &table);
            for column in columns.clone() {
                let links = self.links.get(column as usize).copied().unwrap_or_default();
                work.load(&mut source, column, links)?;
                let reference = links.log_end.map(|_| &work.ticks.log_end[..]);
                if let Some(fine) = &mut self.fine {
                    let cells = &work.ticks.committed;
                    fine.push(column, links, cells, reference, &mut self.blocks);
                }
                self.coarse.push(column, links, &mut work, &mut self.blocks);
                let of_group = self.along.add(column, links, &self.widths, &work);
                if let Some(column) = of_group {
                    work.extremes.fill(self.along.total.cells());
                    let total = self.along.total.cells();
                    self.coarse
                        .push_total(column, total, &mut work, &mut self.blocks);
                }
                let apart = self.apart.pop_front_if(|next| next.column() == column);
                if let Some(apart) = apart {
                    work.load_total(&mut total, &mut source, &apart, &self.links, &self.widths)?;
                    self.coarse
                        .push_total(column, total.cells(), &mut work, &mut self.blocks);
                }
            }
            Ok(())
        })
    }

    fn finish_writers(&mut self) {
        if let Some(fine) = &mut self.fine {
            fine.finish(&mut self.blocks);
        }
        self.coarse.finish(&mut self.blocks);
    }

    fn write_blocks(&mut self, files: &Files, is_last: bool) -> Result<(), Fault> {
        for ((level, ..), bytes) in &self.blocks {
            let sum = if *level == Level::Raw.number() {
                &mut self.fine_bytes
            } else {
                &mut self.coarse_bytes
            };
            *sum += bytes.len() as u64;
        }
        let headers = if is_last { self.headers() } else { Vec::new() };
        files.history.write(|transaction| {
            if !self.has_written {
                self.clear_place(transaction)?;
            }
            let mut table = transaction.open_table(BLOCKS)?;
            for (key, bytes) in &self.blocks {
                table.insert(*key, bytes.as_slice())?;
            }
            if is_last {
                let mut chunks = transaction.open_table(CHUNKS)?;
                for (level, header) in &headers {
                    let key = (level.number(), self.stream, self.first);
                    chunks.insert(key, header.encode().as_slice())?;
                }
                files.copy_catalogue(transaction, self.stream)?;
            }
            Ok(())
        })?;
        self.has_written = true;
        self.blocks.clear();
        Ok(())
    }

    /// A seal that was cut short may have had fewer ticks, and its blocks
    /// other columns: none of them may stay between these.
    fn clear_place(&self, transaction: &WriteTransaction) -> Result<(), Fault> {
        let fine = self.fine.as_ref().map(|_| Level::Raw);
        for level in fine.into_iter().chain([self.coarse.level]) {
            drop_blocks(transaction, level.number(), self.first, self.stream)?;
        }
        Ok(())
    }

    fn headers(&self) -> Vec<(Level, Header)> {
        let coarse = Header {
            times: self.coarse.buckets.last_of(&self.times),
            widths: self.coarse.buckets.last_of(&self.widths),
            block_bytes: self.coarse_bytes,
        };
        let fine = self.fine.as_ref().map(|_| Header {
            times: self.times.clone(),
            widths: self.widths.clone(),
            block_bytes: self.fine_bytes,
        });
        let fine = fine.map(|header| (Level::Raw, header));
        fine.into_iter()
            .chain([(self.coarse.level, coarse)])
            .collect()
    }
}

impl Coarse {
    fn new(stream: StreamId, first: i64, level: Level, times: &[i64]) -> Self {
        let writer = |plane| {
            BlockWriter::new(Place {
                level,
                first,
                stream,
                plane,
            })
        };
        Self {
            level,
            buckets: Buckets::of(times, level.resolution_ms()),
            newest: writer(Plane::Newest),
            lags: Extremes {
                first: writer(Plane::FirstLag),
                min: writer(Plane::MinLag),
                max: writer(Plane::MaxLag),
            },
            totals: Extremes {
                first: writer(Plane::FirstTotal),
                min: writer(Plane::MinTotal),
                max: writer(Plane::MaxTotal),
            },
            newest_total: writer(Plane::NewestTotal),
        }
    }

    /// Takes in a column, and its lags if it is one of commits.
    fn push(&mut self, column: u32, links: Links, work: &mut Work, blocks: &mut Vec<Block>) {
        let Work {
            ticks,
            buckets,
            reference,
            extremes,
            rolled,
            ..
        } = work;
        self.buckets
            .newest(&ticks.committed, &mut buckets.committed);
        if links.log_end.is_none() {
            let cells = &buckets.committed;
            return self.newest.push(column, links, cells, None, blocks);
        }
        self.buckets.newest(&ticks.log_end, &mut buckets.log_end);
        self.buckets
            .newest(&ticks.log_start, &mut buckets.log_start);
        let (cells, log_end) = (&buckets.committed, Some(&buckets.log_end[..]));
        self.newest.push(column, links, cells, log_end, blocks);
        buckets.lags(reference);
        self.buckets.extremes(extremes.as_slices(), rolled);
        self.lags
            .push(column, links, rolled, Some(reference), blocks);
    }

    fn push_total(
        &mut self,
        column: u32,
        total: &[Cell],
        work: &mut Work,
        blocks: &mut Vec<Block>,
    ) {
        let none = Links::default();
        self.buckets.newest(total, &mut work.reference);
        self.newest_total
            .push(column, none, &work.reference, None, blocks);
        self.buckets
            .extremes(work.extremes.as_slices(), &mut work.rolled);
        self.totals.push(column, none, &work.rolled, None, blocks);
    }

    fn finish(&mut self, blocks: &mut Vec<Block>) {
        self.newest.finish(blocks);
        self.newest_total.finish(blocks);
        for writers in [&mut self.lags, &mut self.totals] {
            writers.first.finish(blocks);
            writers.min.finish(blocks);
            writers.max.finish(blocks);
        }
    }
}

impl Extremes<BlockWriter> {
    fn push(
        &mut self,
        column: u32,
        links: Links,
        cells: &Extremes<Vec<Cell>>,
        reference: Option<&[Cell]>,
        blocks: &mut Vec<Block>,
    ) {
        self.first
            .push(column, links, &cells.first, reference, blocks);
        self.min.push(column, links, &cells.min, reference, blocks);
        self.max.push(column, links, &cells.max, reference, blocks);
    }
}

/// One partition's offsets; of a column that is none of commits only the first.
#[derive(Default)]
struct Offsets {
    committed: Vec<Cell>,
    log_end: Vec<Cell>,
    log_start: Vec<Cell>,
}

impl Offsets {
    fn lags(&self, lags: &mut Vec<Cell>) {
        model::lags(&self.committed, &self.log_start, &self.log_end, lags);
    }
}

/// Buffers that are used again for each column.
#[derive(Default)]
struct Work {
    /// As the source has them.
    ticks: Offsets,
    /// In buckets.
    buckets: Offsets,
    /// What rolled lags are written in reference to.
    reference: Vec<Cell>,
    /// Lags by tick, or by tick of the finer level.
    extremes: Extremes<Vec<Cell>>,
    /// Lags by bucket.
    rolled: Extremes<Vec<Cell>>,
    part: Vec<Cell>,
}

impl Work {
    fn load(
        &mut self,
        source: &mut OpenSource<'_>,
        column: u32,
        links: Links,
    ) -> Result<(), Fault> {
        source.column(
            Plane::Newest,
            column,
            &mut self.part,
            &mut self.ticks.committed,
        )?;
        let Some(log_end) = links.log_end else {
            return Ok(());
        };
        source.column(
            Plane::Newest,
            log_end,
            &mut self.part,
            &mut self.ticks.log_end,
        )?;
        match links.log_start {
            Some(start) => {
                let cells = &mut self.ticks.log_start;
                source.column(Plane::Newest, start, &mut self.part, cells)?;
            }
            None => {
                self.ticks.log_start.clear();
                let ticks = self.ticks.log_end.len();
                self.ticks.log_start.resize(ticks, Cell::ABSENT);
            }
        }
        match source {
            OpenSource::Segments(_) => {
                let Extremes { first, min, max } = &mut self.extremes;
                self.ticks.lags(first);
                min.clone_from(first);
                max.clone_from(first);
                Ok(())
            }
            OpenSource::Minutes(_) => {
                let planes = [Plane::FirstLag, Plane::MinLag, Plane::MaxLag];
                self.load_extremes(source, planes, column)
            }
        }
    }

    /// The lags by tick, as they were loaded.
    fn lags(&self, links: Links) -> Option<&[Cell]> {
        // Without the other column nobody has read how long the log is.
        links.log_end.map(|_| &self.extremes.first[..])
    }

    fn load_extremes(
        &mut self,
        source: &mut OpenSource<'_>,
        [first, min, max]: [Plane; 3],
        column: u32,
    ) -> Result<(), Fault> {
        source.column(first, column, &mut self.part, &mut self.extremes.first)?;
        source.column(min, column, &mut self.part, &mut self.extremes.min)?;
        source.column(max, column, &mut self.part, &mut self.extremes.max)
    }

    fn load_total(
        &mut self,
        total: &mut Total,
        source: &mut OpenSource<'_>,
        group_topic: &GroupTopic,
        links: &[Links],
        widths: &[u32],
    ) -> Result<(), Fault> {
        let column = group_topic.column();
        total.begin(widths.len());
        if let OpenSource::Minutes(_) = source {
            let newest = &mut self.ticks.committed;
            source.column(Plane::NewestTotal, column, &mut self.part, newest)?;
            total.add(Some(newest), 0, widths);
            let planes = [Plane::FirstTotal, Plane::MinTotal, Plane::MaxTotal];
            return self.load_extremes(source, planes, column);
        }
        for commits in group_topic.commits.iter() {
            let links = links[commits as usize];
            self.load(source, commits, links)?;
            total.add(self.lags(links), commits, widths);
        }
        self.extremes.fill(total.cells());
        Ok(())
    }
}

enum OpenSource<'a> {
    Segments(&'a [Arc<PackedSegment>]),
    Minutes(Vec<ChunkReader<'a>>),
}

impl Source {
    fn slice_columns(&self) -> u32 {
        match self {
            Self::Segments(_) => SLICE_COLUMNS,
            Self::Minutes(_) => SLICE_COLUMNS_OF_MINUTES,
        }
    }

    fn open<'a>(
        &'a self,
        stream: StreamId,
        table: &'a ReadOnlyTable<BlockKey, &'static [u8]>,
    ) -> OpenSource<'a> {
        match self {
            Self::Segments(segments) => OpenSource::Segments(segments),
            Self::Minutes(chunks) => {
                let open = |&(first, ticks): &(i64, usize)| {
                    ChunkReader::new(table, Level::Minutes, first, stream, ticks)
                };
                OpenSource::Minutes(chunks.iter().map(open).collect())
            }
        }
    }
}

impl OpenSource<'_> {
    /// A column over all of the source; segments have only the newest readings.
    fn column(
        &mut self,
        plane: Plane,
        column: u32,
        part: &mut Vec<Cell>,
        cells: &mut Vec<Cell>,
    ) -> Result<(), Fault> {
        cells.clear();
        match self {
            Self::Segments(segments) => {
                for segment in *segments {
                    segment.append(column, cells);
                }
            }
            Self::Minutes(chunks) => {
                for chunk in chunks {
                    chunk.column(plane, column, part)?;
                    cells.append(part);
                }
            }
        }
        Ok(())
    }
}
