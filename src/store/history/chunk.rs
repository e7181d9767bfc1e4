//! Reads the columns of one chunk.

use std::sync::Arc;

use redb::ReadOnlyTable;

use super::{
    block::{Links, OpenBlock, Place},
    tables::{BlockKey, Level, Plane},
};
use crate::{
    model::{self, Cell},
    store::{
        codec::{self, Decoder},
        error::Fault,
        head::StreamId,
    },
};

/// Blocks that are kept open: commits beside the log offsets that they refer to,
/// their lags and the totals.
const OPEN_BLOCKS: usize = 12;

/// What a column may be written in reference to.
#[derive(Debug, Clone, Copy)]
enum Reference<'a> {
    /// To columns that are read when they are needed.
    Read,
    /// To these cells.
    Known(&'a [Cell]),
    /// To nothing.
    None,
}

/// Lags by bucket.
#[derive(Debug, Default)]
pub(in crate::store) struct LagPlanes {
    first: Vec<Cell>,
    min: Vec<Cell>,
    max: Vec<Cell>,
    newest: Vec<Cell>,
}

impl LagPlanes {
    /// Where a bucket ended before there was such a column, nobody was there.
    pub(in crate::store) fn mark_gone(&mut self, column: u32, widths: &[u32]) {
        for cells in [
            &mut self.first,
            &mut self.min,
            &mut self.max,
            &mut self.newest,
        ] {
            for (cell, width) in cells.iter_mut().zip(widths) {
                if column >= *width {
                    *cell = Cell::GONE;
                }
            }
        }
    }

    pub(in crate::store) fn as_slices(&self) -> [&[Cell]; 4] {
        [&self.first, &self.min, &self.max, &self.newest]
    }
}

/// One chunk, open to read.
pub(in crate::store) struct ChunkReader<'t> {
    table: &'t ReadOnlyTable<BlockKey, &'static [u8]>,
    level: Level,
    first: i64,
    stream: StreamId,
    ticks: usize,
    decoder: Decoder,
    /// The newest last, each under its plane and first column.
    open: Vec<((Plane, u32), Arc<OpenBlock>)>,
}

impl<'t> ChunkReader<'t> {
    pub(in crate::store) fn new(
        table: &'t ReadOnlyTable<BlockKey, &'static [u8]>,
        level: Level,
        first: i64,
        stream: StreamId,
        ticks: usize,
    ) -> Self {
        Self {
            table,
            level,
            first,
            stream,
            ticks,
            decoder: Decoder::new(),
            open: Vec::new(),
        }
    }

    /// The cells of `column` in `plane`, one a tick.
    pub(in crate::store) fn column(
        &mut self,
        plane: Plane,
        column: u32,
        cells: &mut Vec<Cell>,
    ) -> Result<(), Fault> {
        self.decode(plane, column, cells, Reference::Read)
    }

    fn decode(
        &mut self,
        plane: Plane,
        column: u32,
        cells: &mut Vec<Cell>,
        reference: Reference<'_>,
    ) -> Result<(), Fault> {
        let block = self.block(plane, column)?;
        let Some(mut bytes) = block.as_ref().and_then(|block| block.column(column)) else {
            cells.clear();
            cells.resize(self.ticks, Cell::ABSENT);
            return Ok(());
        };
        let links = block.as_ref().map(|block| block.links(column));
        let read;
        let reference = match reference {
            _ if !codec::needs_reference(bytes).map_err(damaged)? => None,
            Reference::None => return Err(damaged("a reference refers to another")),
            Reference::Known(cells) => Some(cells),
            Reference::Read => {
                read = self.reference(plane, column, links.unwrap_or_default())?;
                Some(&read[..])
            }
        };
        self.decoder
            .decode(&mut bytes, self.ticks, reference, cells)
            .map_err(damaged)
    }

    fn reference(&mut self, plane: Plane, column: u32, links: Links) -> Result<Vec<Cell>, Fault> {
        match plane {
            Plane::Newest => self.linked(links.log_end),
            Plane::FirstLag | Plane::MinLag | Plane::MaxLag => self.newest_lags(column, links),
            _ => Err(damaged("a total refers to nothing")),
        }
    }

    fn linked(&mut self, column: Option<u32>) -> Result<Vec<Cell>, Fault> {
        let mut cells = Vec::new();
        match column {
            Some(column) => self.decode(Plane::Newest, column, &mut cells, Reference::None)?,
            None => cells.resize(self.ticks, Cell::ABSENT),
        }
        Ok(cells)
    }

    /// The lags of the partition whose commits are in `column`, as of each
    /// tick's newest readings.
    pub(in crate::store) fn newest_lags(
        &mut self,
        column: u32,
        links: Links,
    ) -> Result<Vec<Cell>, Fault> {
        let (mut committed, mut lags) = (Vec::new(), Vec::new());
        self.column(Plane::Newest, column, &mut committed)?;
        let start = self.linked(links.log_start)?;
        let end = self.linked(links.log_end)?;
        model::lags(&committed, &start, &end, &mut lags);
        Ok(lags)
    }

    /// The lags of that partition with what its buckets had.
    pub(in crate::store) fn lags(
        &mut self,
        column: u32,
        links: Links,
        into: &mut LagPlanes,
    ) -> Result<(), Fault> {
        into.newest = self.newest_lags(column, links)?;
        for (plane, cells) in [
            (Plane::FirstLag, &mut into.first),
            (Plane::MinLag, &mut into.min),
            (Plane::MaxLag, &mut into.max),
        ] {
            self.decode(plane, column, cells, Reference::Known(&into.newest))?;
        }
        Ok(())
    }

    /// The lags in a whole topic, with what its buckets had.
    pub(in crate::store) fn totals(
        &mut self,
        column: u32,
        into: &mut LagPlanes,
    ) -> Result<(), Fault> {
        self.column(Plane::FirstTotal, column, &mut into.first)?;
        self.column(Plane::MinTotal, column, &mut into.min)?;
        self.column(Plane::MaxTotal, column, &mut into.max)?;
        self.column(Plane::NewestTotal, column, &mut into.newest)
    }

    /// The block that `column` would be in.
    fn block(&mut self, plane: Plane, column: u32) -> Result<Option<Arc<OpenBlock>>, Fault> {
        let holds = |block: &OpenBlock| block.column(column).is_some();
        let of_plane = |open: &&((Plane, u32), Arc<OpenBlock>)| open.0.0 == plane;
        let mut open = self.open.iter().rev().filter(of_plane);
        if let Some((_, block)) = open.find(|(_, block)| holds(block)) {
            return Ok(Some(Arc::clone(block)));
        }
        let place = Place {
            level: self.level,
            first: self.first,
            stream: self.stream,
            plane,
        };
        let mut range = self.table.range(place.key(0)..=place.key(column))?;
        let Some(row) = range.next_back() else {
            return Ok(None);
        };
        let (key, bytes) = row?;
        let first = key.value().4;
        let opened = self.open.iter().find(|(key, _)| *key == (plane, first));
        if let Some((_, block)) = opened {
            return Ok(Some(Arc::clone(block)));
        }
        let block = Arc::new(OpenBlock::open(first, bytes.value().to_vec())?);
        if self.open.len() == OPEN_BLOCKS {
            self.open.remove(0);
        }
        self.open.push(((plane, first), Arc::clone(&block)));
        Ok(Some(block))
    }
}

fn damaged(reason: impl ToString) -> Fault {
    Fault::damaged("column of a chunk", reason)
}
