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

use redb::WriteTransaction;

use super::{
    block::{Block, BlockWriter, Links, Place},
    header::{Header, MAX_TICKS},
    links::{GroupTopic, group_topics, links_by_column},
    retention::drop_blocks,
    rollup::Total,
    tables::{BLOCKS, CHUNKS, Level, Plane},
};
use crate::{
    model::SeriesIndex,
    store::{error::Fault, files::Files, head::StreamId, recent::PackedSegment},
};
use along::Along;
use coarse::Coarse;
use source::Source;
use work::Work;

mod along;
mod coarse;
mod source;
mod work;

/// Finished blocks are written when there are so many bytes of them: few
/// transactions, and none that keeps the disk busy for long. In tests a small
/// chunk takes several.
const SLICE_BYTES: usize = if cfg!(test) { 16 << 10 } else { 4 << 20 };

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
