//! Where a chunk's columns come from.

use std::sync::Arc;

use redb::ReadOnlyTable;

use crate::{
    model::Cell,
    store::{
        error::Fault,
        head::StreamId,
        history::{
            chunk::ChunkReader,
            tables::{BlockKey, Level, Plane},
        },
        recent::PackedSegment,
    },
};

/// Columns of one slice.
const SLICE_COLUMNS: u32 = 1_024;

/// The same where they come from a day's chunks of minutes, each with its lags.
const SLICE_COLUMNS_OF_MINUTES: u32 = 128;

/// Where a chunk's columns come from.
pub(super) enum Source {
    /// The head's segments, in order.
    Segments(Vec<Arc<PackedSegment>>),
    /// Chunks of minutes in order: first tick and number of ticks.
    Minutes(Vec<(i64, usize)>),
}

impl Source {
    pub(super) fn slice_columns(&self) -> u32 {
        match self {
            Self::Segments(_) => SLICE_COLUMNS,
            Self::Minutes(_) => SLICE_COLUMNS_OF_MINUTES,
        }
    }

    pub(super) fn open<'a>(
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

pub(super) enum OpenSource<'a> {
    Segments(&'a [Arc<PackedSegment>]),
    Minutes(Vec<ChunkReader<'a>>),
}

impl OpenSource<'_> {
    /// A column over all of the source; segments have only the newest readings.
    pub(super) fn column(
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
