//! The chunk of the next level, made along with the columns of the finer one.

use super::work::Work;
use crate::{
    model::Cell,
    store::{
        head::StreamId,
        history::{
            block::{Block, BlockWriter, Links, Place},
            rollup::{Buckets, Extremes},
            tables::{Level, Plane},
        },
    },
};

/// The writers of a chunk of minutes or hours.
pub(super) struct Coarse {
    pub(super) level: Level,
    pub(super) buckets: Buckets,
    newest: BlockWriter,
    lags: Extremes<BlockWriter>,
    totals: Extremes<BlockWriter>,
    newest_total: BlockWriter,
}

impl Coarse {
    pub(super) fn new(stream: StreamId, first: i64, level: Level, times: &[i64]) -> Self {
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
    pub(super) fn push(
        &mut self,
        column: u32,
        links: Links,
        work: &mut Work,
        blocks: &mut Vec<Block>,
    ) {
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

    pub(super) fn push_total(
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

    pub(super) fn finish(&mut self, blocks: &mut Vec<Block>) {
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
    pub(super) fn push(
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
